"""When to try again: full-jitter pauses, a budget that all captures share, and a breaker for when S3 is out.

Pure: no clock, no sleeping.
"""

from __future__ import annotations

from collections.abc import Callable

#: Retries earned by each first attempt. With 0.1, a total outage makes at most 1.1 attempts per capture.
RETRIES_PER_ATTEMPT = 0.1
#: Retries saved up at the most, and lent at the start: a lone capture's transient error is still tried again. The first
#: captures earn nothing until the loan is paid back, so that over its life an uploader makes 1.1 attempts per capture.
MAX_SAVED_RETRIES = 10.0
#: Of these, what is kept for finding out when S3 is back. Whoever would use it opens the breaker instead.
RESERVED_RETRIES = 5.0
#: Longest pause between two probes that are first attempts: within it, and one answer's time, S3's return is noticed.
PROBE_EVERY_S = 5.0
#: Probes that cost a retry are few: pauses between them begin at so many base pauses, and grow by this factor.
WORN_PAUSES, WORN_GROWTH = 5.0, 4.0


def pause_s(attempt: int, *, base_s: float, max_s: float, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (from 1): full jitter.

    Source: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): uniform(0, min(cap, base·2^n)).
    """
    return uniform(0.0, min(max_s, base_s * 2.0 ** min(attempt - 1, 30)))


class RetryBudget:
    """A token bucket filled by first attempts, emptied by retries. Not thread-safe: its owner holds a lock.

    A retry that succeeds gives its token back (as in the AWS SDKs' standard retry mode), so that weather in which
    retries help uses nothing up, and an outage in which nothing does makes 1.1 attempts per capture.
    """

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

    def take_retry(self, *, reserved: float = 0.0) -> bool:
        """True, and one retry used, when that leaves at least ``reserved``."""
        if self._tokens < 1.0 + reserved:
            return False
        self._tokens -= 1.0
        return True

    def give_back(self) -> None:
        """A retry succeeded, or was not made after all."""
        self._tokens = min(self._most, self._tokens + 1.0)

    def refill(self) -> None:
        """S3 is back: what was saved for finding that out is there again."""
        self._tokens = self._most


class Breaker:
    """Open while S3 is believed to be out: then only probes are sent. Not thread-safe: its owner holds a lock.

    A probe is *fresh* when it is a capture's first attempt, which the bound on attempts allows anyway, else *worn*.
    Fresh probes never pause for longer than :data:`PROBE_EVERY_S`; worn ones are spread over minutes.
    """

    def __init__(self, base_s: float, uniform: Callable[[float, float], float]) -> None:
        self._base_s = base_s
        self._uniform = uniform
        self.open = False
        self.probes = 0
        self._fresh = 0
        self._worn = 0
        self._begun_s = 0.0
        self._jitter = 1.0

    def trip(self, now_s: float) -> None:
        """Retries do not help: send nothing but probes from now on."""
        if not self.open:
            self.open = True
            self._fresh = self._worn = 0
            self._begun_s, self._jitter = now_s, self._uniform(0.5, 1.0)

    def close(self) -> None:
        """S3 has answered."""
        self.open = False

    def begin(self, now_s: float, *, fresh: bool) -> None:
        """A probe is sent."""
        self.probes += 1
        if fresh:
            self._fresh += 1
        else:
            self._worn += 1
        self._begun_s, self._jitter = now_s, self._uniform(0.5, 1.0)

    def end(self) -> None:
        """A probe's answer is there, or its time is up."""
        self.probes -= 1

    def due_s(self, *, fresh: bool) -> float:
        """When the next probe may be sent. While one is out, the next waits :data:`PROBE_EVERY_S`: it may hang."""
        if not fresh:
            pause = self._base_s * WORN_PAUSES * WORN_GROWTH ** min(self._worn, 15)
        else:
            pause = min(PROBE_EVERY_S, self._base_s * 2.0 ** min(self._fresh, 30))
        pause *= self._jitter
        return self._begun_s + (max(pause, PROBE_EVERY_S) if self.probes else pause)


class Pacing:
    """When to try again what fails as a whole, a disk or S3.

    Pauses double with each failure in a row; each is between half and the whole of its bound.
    """

    def __init__(self, base_s: float, max_s: float, uniform: Callable[[float, float], float]) -> None:
        self._base_s = base_s
        self._max_s = max_s
        self._uniform = uniform
        self.failures = 0
        self._not_before_s = 0.0

    def failed(self, now_s: float, *, at_least_s: float = 0.0) -> None:
        """It failed: wait before trying again."""
        bound = min(self._max_s, self._base_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        self._not_before_s = now_s + max(at_least_s, self._uniform(bound / 2, bound))

    def worked(self) -> None:
        """It works: no pause."""
        self.failures = 0
        self._not_before_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until it may be tried; 0 when it may be now."""
        return max(0.0, self._not_before_s - now_s)
