"""A limit on uploads in flight that finds its own height. Pure: the clock and randomness are arguments.

It climbs on throughput. By Little's law ``throughput = in flight / latency``, so that comparing the seconds per byte
under two limits tells what a higher limit brings: where they hold, throughput grows with the limit; where they grow as
the limit does, it brings queues alone. Neighbouring limits are compared, each with a window just measured, and never
with a best latency of the past: a route or a server that has changed for good makes no lasting harm.

* It starts low and doubles while that pays.
* Then it tries 1.5 times more, or less, now and then, and keeps what pays. Less is kept when it costs nearly nothing.
* An answer that says "overloaded" (429, 503 SlowDown, a timeout) shrinks it at once, and once per round of answers.
* Requests that began while the limit was not reached say nothing about it; their owner leaves them out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from packhorse.errors import InputError, StoreErrorKind

#: Failures that tell of too much load: 429 and 503 SlowDown, and no answer in time.
OVERLOAD = frozenset({StoreErrorKind.THROTTLED, StoreErrorKind.TIMEOUT})
#: Defaults: obstore keeps getting faster up to about 50 uploads at once at 30 ms; 4 is harmless anywhere.
MOST_IN_FLIGHT, START = 64, 4
#: A step is kept when throughput grows by at least this power of the step: by 2.5 % for half as much again in flight.
#: Lower means longer queues for little; higher settles further below the best throughput
#: (tests/uploader/test_adaptive.py).
WORTH = 0.06
#: A smaller limit is kept when throughput falls by no more than this power of the step: by 4 % for a third less. More
#: than WORTH, so that where more in flight brings nothing at all, noise lets it sink rather than wander.
SPARE = 0.1
STEP = 1.5
FAST_STEP = 2.0
#: An overloaded answer leaves this share of the limit.
BACKOFF = 0.75
#: A gap below a known ceiling is searched while its middle is so many times the limit.
_NARROW = 1.06
#: Answers of a window before it may decide: so many, or two rounds of answers.
_LEAST, _LEAST_FAST, _ROUNDS = 32, 16, 2
#: Answers after which it must.
_MOST = 384
#: A window lasts at least so long: one pause of the garbage collector or the scheduler must not fill it.
_LEAST_S = 0.05
#: Windows between two trials: doubled by each that was not worth it, up to the most.
_FIRST_HOLD, _MOST_HOLD = 2.0, 16.0
#: A change of latency under an unchanged limit by so much (natural logarithm) means that conditions have changed.
_CHANGED = 0.4


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Settings of the adaptive limit.

    Attributes:
        min_in_flight: It never falls below.
        max_in_flight: It never rises above; the store's pool is never smaller than this.
        start: Where it starts.

    Raises:
        InputError: Not 1 <= min_in_flight <= start <= max_in_flight, or one of them is no whole number.
    """

    min_in_flight: int = 1
    max_in_flight: int = MOST_IN_FLIGHT
    start: int = START

    def __post_init__(self) -> None:
        bounds: tuple[object, ...] = (self.min_in_flight, self.start, self.max_in_flight)
        whole = all(isinstance(bound, int) and not isinstance(bound, bool) for bound in bounds)
        if not whole or not 1 <= self.min_in_flight <= self.start <= self.max_in_flight:
            raise InputError(
                "it must be 1 <= min_in_flight <= start <= max_in_flight, all whole numbers, but Adaptive was given "
                f"{self.min_in_flight!r}, {self.start!r} and {self.max_in_flight!r}"
            )


# --- what is measured: seconds per byte of the answers that came under one limit --------------------------------------

#: What a request costs before its first byte, in bytes' worth of time, until answers of different sizes have told:
#: 64 KiB, about what 0.8 ms to the first byte are at 85 MB/s.
_FIRST_OVERHEAD_BYTES = 65_536.0
#: Share of the past that one answer takes over in the fit of seconds over bytes: it remembers about 500 answers.
_FORGET = 1 / 500
#: Below this relative spread of sizes (variance over squared mean) a fit of overhead and rate means nothing.
_SPREAD = 0.01
#: An answer counts as at most so many times its window's mean so far: one stall must not decide.
_CLIP = 5.0
#: Answers after which a window begins to forget, so that it follows slow changes.
_FULL = 512


class Window:
    """Mean and spread of seconds per weighted byte over the answers of one limit."""

    __slots__ = ("_squares", "_sum", "began_s", "count")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.count = 0.0
        self._sum = 0.0
        self._squares = 0.0

    def add(self, cost: float) -> None:
        """Take one answer's seconds per weighted byte in."""
        if self.count >= 8 and self._sum > 0:
            cost = min(cost, _CLIP * self._sum / self.count)
        self.count += 1
        self._sum += cost
        self._squares += cost * cost
        if self.count >= _FULL:
            self.count, self._sum, self._squares = self.count / 2, self._sum / 2, self._squares / 2

    def merge(self, other: Window) -> None:
        """Take another window of the same limit in."""
        self.count += other.count
        self._sum += other._sum
        self._squares += other._squares
        if self.count >= _FULL:
            share = _FULL / 2 / self.count
            self.count, self._sum, self._squares = self.count * share, self._sum * share, self._squares * share

    def log_mean(self) -> float:
        """Natural logarithm of the mean cost."""
        return math.log(max(self._sum, 1e-300) / max(self.count, 1.0))

    def relative_variance(self) -> float:
        """Variance of the mean over its square: the squared standard error of :meth:`log_mean`."""
        if self.count < 2 or self._sum <= 0:
            return 1.0
        mean = self._sum / self.count
        return max(0.0, self._squares / self.count / (mean * mean) - 1.0) / self.count


class Overhead:
    """Fits ``seconds = overhead + bytes / rate`` to recent answers, so that small and large ones can be compared.

    Without it a run of small captures would look slow per byte, and the limit would shrink for no reason.
    """

    def __init__(self) -> None:
        self._weight = self._size = self._seconds = self._size_square = self._product = 0.0

    def add(self, seconds: float, size_bytes: float) -> None:
        """Take one answer in."""
        keep = 1.0 - _FORGET
        self._weight = keep * self._weight + 1.0
        self._size = keep * self._size + size_bytes
        self._seconds = keep * self._seconds + seconds
        self._size_square = keep * self._size_square + size_bytes * size_bytes
        self._product = keep * self._product + seconds * size_bytes

    def overhead_bytes(self) -> float:
        """The overhead as bytes' worth of time; the first guess while sizes are all alike."""
        if self._weight < 32:
            return _FIRST_OVERHEAD_BYTES
        size, seconds = self._size / self._weight, self._seconds / self._weight
        spread = self._size_square / self._weight - size * size
        if spread <= _SPREAD * size * size:
            return _FIRST_OVERHEAD_BYTES
        slope = (self._product / self._weight - size * seconds) / spread
        slope = min(max(slope, 0.001 * seconds / size), seconds / size)  # neither part can be negative
        return (seconds - slope * size) / slope


class Limiter:
    """The limit now, and what answers make of it. Not thread-safe: its owner holds a lock.

    Every request notes ``epoch`` when it gets its permit and hands it back with its answer. Answers are handed in only
    when the limit was reached as the request began.

    Args:
        settings: Bounds and start.
        uniform: ``random.uniform`` or a seeded one: spreads trials, so that many uploaders do not try in step.
    """

    def __init__(self, settings: Adaptive, uniform: Callable[[float, float], float]) -> None:
        self.settings = settings
        self.limit = settings.start
        self.epoch = 0
        self._uniform = uniform
        self._overhead = Overhead()
        self._overhead_bytes = self._overhead.overhead_bytes()
        self._window: Window | None = None
        self._base = self.limit  # the limit that is being kept; another one is on trial while they differ
        self._reference: Window | None = None
        self._fast = True
        self._up = True
        self._hold = 0.0
        self._pause = _FIRST_HOLD
        self._ceiling = 0  # a limit under trial that was too much, 0 for none known
        self._calm_limit = self.limit  # the limit before the present run of overloaded answers

    def answered(self, epoch: int, seconds: float, size_bytes: int, now_s: float) -> bool:
        """A request that was begun at the limit has succeeded. True when the limit has changed.

        Args:
            epoch: What it noted with its permit.
            seconds: From permit to answer.
            size_bytes: Of its body.
            now_s: A monotonic clock.
        """
        self._overhead.add(seconds, size_bytes)
        if epoch != self.epoch:
            return False
        window = self._window
        if window is None:
            window = self._window = Window(now_s - seconds)
        window.add(seconds / (size_bytes + self._overhead_bytes))
        least = max(_LEAST_FAST if self._fast else _LEAST, _ROUNDS * self.limit)
        if window.count < least or now_s - window.began_s < _LEAST_S:
            return False
        before = self.limit
        if self.limit == self._base:
            self._settled(window)
        else:
            self._tried(window, least)
        return self.limit != before

    def overloaded(self, epoch: int) -> bool:
        """A request was answered with 429 or 503, or timed out. True when the limit has changed.

        Requests that began before the last change of the limit say nothing about the present one.
        """
        if epoch != self.epoch:
            return False
        on_trial = self.limit > self._base
        kept = self._base if on_trial else int(self.limit * BACKOFF)
        before = self.limit
        self._ceiling = before
        self._calm_limit = max(self._calm_limit, before)
        self._reference = None
        self._pause = min(_MOST_HOLD, 2 * self._pause)
        self._hold = self._drawn_hold()
        self._base = max(self.settings.min_in_flight, kept)
        # When it has fallen far, in an outage, it shall get back fast; after one trial too many it shall not.
        self._fast = not on_trial and self._base * FAST_STEP <= self._calm_limit
        self._up = True
        self._set(self._base)
        return self.limit != before

    def _settled(self, window: Window) -> None:
        """A window under the kept limit is full."""
        reference, self._window = self._reference, None
        if reference is None:
            self._calm_limit = self._base
            reference = window
            self._overhead_bytes = self._overhead.overhead_bytes()
        elif abs(change := window.log_mean() - reference.log_mean()) > _CHANGED:
            reference, self._up, self._fast = None, change < 0, True  # the window saw both: measure anew
            self._hold, self._pause, self._ceiling = 0.0, _FIRST_HOLD, 0
        else:
            reference.merge(window)
        self._reference = reference
        self._hold -= 1.0
        if reference is not None and (self._fast or self._hold <= 0):
            self._try()

    def _try(self) -> None:
        """Set a limit on trial beside the kept one."""
        low, high = self.settings.min_in_flight, self.settings.max_in_flight
        up = (self._up or self._base <= low) and self._base < high
        factor = FAST_STEP if self._fast else STEP
        tried = math.ceil(self._base * factor) if up else math.floor(self._base / factor)
        if up and self._ceiling > self._base:
            between = (self._base + self._ceiling) // 2
            if between >= self._base * _NARROW:
                tried = between  # of the gap that is left, half
            else:  # narrow enough; by now the ceiling may have risen
                self._ceiling = 0
        tried = min(high, max(low, tried))
        if tried != self._base:
            self._set(tried)

    def _tried(self, window: Window, least: float) -> None:
        """A window under the limit on trial is full enough to decide, or must be."""
        reference = self._reference
        assert reference is not None, "set before anything is tried"
        step = math.log(self.limit / self._base)
        gain = step - (window.log_mean() - reference.log_mean())  # of throughput, as a logarithm
        margin = gain - (WORTH if step > 0 else SPARE) * step
        doubt = 2.0 * math.sqrt(window.relative_variance() + reference.relative_variance())
        if abs(margin) < doubt and window.count < max(_MOST, least):
            return
        if margin >= 0:
            self._base, self._reference, self._window = self.limit, window, None
            self._up = step > 0
            if not self._ceiling:
                self._pause = _FIRST_HOLD
            self.epoch += 1
            at_bound = self._base in (self.settings.min_in_flight, self.settings.max_in_flight)
            self._fast = self._fast and not at_bound
            self._hold = 0.0 if self._up or self._fast else self._drawn_hold()
            if self._hold <= 0 and not at_bound:
                self._try()
            return
        self._fast = False
        self._up = step < 0
        if step < 0:  # both directions were tried in vain
            self._pause = min(_MOST_HOLD, 2 * self._pause)
        self._hold = self._drawn_hold()
        self._set(self._base)

    def _drawn_hold(self) -> float:
        return self._pause * self._uniform(0.75, 1.25)

    def _set(self, limit: int) -> None:
        self.limit = limit
        self.epoch += 1
        self._window = None


# --- permits ----------------------------------------------------------------------------------------------------------

#: What ``max_in_flight`` may be: a number, ``"adaptive"``, or settings for it.
Limit = int | Literal["adaptive"] | Adaptive


class Permit(NamedTuple):
    """What a request notes as it begins: the epoch of the limit, and whether the limit was reached then."""

    epoch: int
    reached: bool


NO_PERMIT = Permit(-1, reached=False)


class Permits:
    """The limit in force. Not thread-safe: its owner holds a lock.

    Attributes:
        limit: Uploads at once, now.
    """

    def __init__(self, limit: int | Adaptive) -> None:
        self._limiter: Limiter | None = None
        self.set(limit)

    def set(self, limit: int | Adaptive) -> None:
        """Change to a fixed limit, or to an adaptive one from its start."""
        if isinstance(limit, int):
            self.limit, self._limiter = limit, None
        else:
            self._limiter = Limiter(limit, random.uniform)
            self.limit = self._limiter.limit

    @property
    def most(self) -> int:
        """The most that :attr:`limit` may become by itself."""
        return self.limit if self._limiter is None else self._limiter.settings.max_in_flight

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
        changed = self._limiter.answered(permit.epoch, seconds, size_bytes, now_s)
        self.limit = self._limiter.limit
        return changed

    def overloaded(self, permit: Permit) -> bool:
        """It was refused for load, or timed out. True when the limit has changed."""
        if self._limiter is None:
            return False
        changed = self._limiter.overloaded(permit.epoch)
        self.limit = self._limiter.limit
        return changed


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
