"""When to try again: full-jitter pauses, and a budget that all captures share. Pure: no clock, no sleeping."""

from __future__ import annotations

from collections.abc import Callable

#: Retries earned by each first attempt. With 0.1, a total outage makes at most 1.1 attempts per capture.
RETRIES_PER_ATTEMPT = 0.1
#: Retries saved up at the most, and lent at the start: a lone capture's transient error is still tried again. The first
#: captures earn nothing until the loan is paid back, so that over its life an uploader makes 1.1 attempts per capture.
MAX_SAVED_RETRIES = 10.0


def pause_s(attempt: int, *, base_s: float, max_s: float, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (from 1): full jitter.

    Source: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): uniform(0, min(cap, base·2^n)).
    """
    return uniform(0.0, min(max_s, base_s * 2.0 ** min(attempt - 1, 30)))


class RetryBudget:
    """A token bucket filled by first attempts and emptied by retries. Not thread-safe: its owner holds a lock."""

    def __init__(self, *, earned: float = RETRIES_PER_ATTEMPT, saved: float = MAX_SAVED_RETRIES) -> None:
        self._earned = earned
        self._most = saved
        self._tokens = saved
        self._owed = saved

    def first_attempt(self) -> None:
        """A capture is tried for the first time."""
        if self._owed > 0.0:
            self._owed -= self._earned
        else:
            self._tokens = min(self._most, self._tokens + self._earned)

    def take_retry(self) -> bool:
        """True, and one retry used, when there is one left."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
