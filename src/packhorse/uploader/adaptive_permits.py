"""Permits for uploads: at most so many at once, a number that is fixed or finds itself. Pure, like the limiter."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

from packhorse.errors import InputError
from packhorse.uploader.adaptive import MOST_IN_FLIGHT, START, Adaptive, Limiter

#: What ``max_in_flight`` may be: a number, ``"adaptive"``, or settings for it.
Limit = int | Literal["adaptive"] | Adaptive


class Permit(NamedTuple):
    """What a request notes as it begins: the epoch of the limit, and whether the limit was reached then."""

    epoch: int
    reached: bool


NO_PERMIT = Permit(-1, reached=False)


class Permits:
    """The limit in force. Not thread-safe: its owner holds a lock."""

    def __init__(self, limit: int | Adaptive) -> None:
        self._fixed = 0
        self._limiter: Limiter | None = None
        self.set(limit)

    def set(self, limit: int | Adaptive) -> None:
        """Change to a fixed limit, or to an adaptive one from its start."""
        if isinstance(limit, int):
            self._fixed, self._limiter = limit, None
        else:
            self._limiter = Limiter(limit, random.uniform)

    @property
    def limit(self) -> int:
        """Uploads at once, now."""
        return self._fixed if self._limiter is None else self._limiter.limit

    @property
    def most(self) -> int:
        """The most that :attr:`limit` may become by itself."""
        return self._fixed if self._limiter is None else self._limiter.settings.max_in_flight

    @property
    def adaptive(self) -> bool:
        """True when the limit finds itself."""
        return self._limiter is not None

    def begin(self, in_flight: int) -> Permit:
        """A request begins as one of ``in_flight``."""
        limiter = self._limiter
        return NO_PERMIT if limiter is None else Permit(limiter.epoch, in_flight >= limiter.limit)

    def answered(self, permit: Permit, seconds: float, size_bytes: int, now_s: float) -> bool:
        """It succeeded. True when the limit has changed."""
        if self._limiter is None or not permit.reached:
            return False
        return self._limiter.answered(permit.epoch, seconds, size_bytes, now_s)

    def overloaded(self, permit: Permit) -> bool:
        """It was refused for load, or timed out. True when the limit has changed."""
        return self._limiter is not None and self._limiter.overloaded(permit.epoch)


def checked_limit(limit: Limit, pool: int | None, shown: str) -> int | Adaptive:
    """``limit`` when a store's pool has a connection for each upload; ``"adaptive"`` as settings that fit the pool.

    Args:
        limit: As given.
        pool: Connections that the store keeps; None when the store is the caller's own.
        shown: The store as its profile writes it, for messages.

    Raises:
        InputError: Below 1, not a limit at all, or more than the pool holds; the message says both numbers.
    """
    if limit == "adaptive":
        most = MOST_IN_FLIGHT if pool is None else min(MOST_IN_FLIGHT, pool)
        return Adaptive(max_in_flight=most, start=min(START, most))
    if isinstance(limit, bool) or not isinstance(limit, (int, Adaptive)):
        raise InputError(f"max_in_flight is {limit!r}; give a number, 'adaptive', or Adaptive(...)")
    most = limit if isinstance(limit, int) else limit.max_in_flight
    if most < 1:
        raise InputError(f"max_in_flight is {most}; it must be at least 1")
    if pool is not None and pool < most:
        raise InputError(
            f"max_in_flight is {most} but the pool of {shown} holds {pool} connections; "
            "raise pool in the profile's pipeline or lower max_in_flight"
        )
    return limit
