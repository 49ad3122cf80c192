"""The account: counters, the memory budget, the backpressure ladder, and the line of those who wait for room. Pure.

``submitted == uploaded + spooled + dropped + failed + in_flight``, at every instant. Nothing here is thread-safe: its
owner holds a lock, so that every look is consistent.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packhorse.uploader.reasons import Why
from packhorse.uploader.spool.spool import SpoolStats
from packhorse.uploader.ticket import Fate, Receipt

#: Reasons told apart at the most, numbers in them aside: what a capture holds must not make the account grow.
MOST_REASONS = 64
OTHER = "other reasons"
#: What a capture goes through, in this order; receipts and metrics tell seconds of each.
PHASES = ("queue", "encode", "wait", "upload")
#: Upper bounds, in seconds, of the classes that times from submit to stored are counted in.
DURATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_NUMBERS = re.compile(r"\d+")

#: Levels of a capture: as it is, without response bodies, without bodies and headers.
WHOLE, BODILESS, OUTLINE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Stats:
    """One consistent look at an uploader.

    Attributes:
        submitted, uploaded, spooled, dropped, failed, in_flight: Captures; the identity above holds.
        reasons: Why captures were dropped or failed: ``"dropped: queue full"`` → count. Sums to dropped + failed.
        held_bytes: Bytes counted against the memory budget now. Above it for a moment when guesses are corrected.
        peak_held_bytes: The most there ever were.
        plain_bytes: Encoded bytes of uploaded captures before compression.
        stored_bytes: Bytes of their objects.
        attempts: PUTs and multipart uploads begun.
        redacted: Values removed by redaction, by rule. Counts only.
        degraded: Captures that were reduced for want of room, whatever their fate.
        spool: The spool's own account; None without a spool. ``spooled`` is final: a spooled capture that is uploaded
            later, by this process or the next, is counted there, as ``spool.uploaded``.
    """

    submitted: int
    uploaded: int
    spooled: int
    dropped: int
    failed: int
    in_flight: int
    reasons: Mapping[str, int]
    held_bytes: int
    peak_held_bytes: int
    plain_bytes: int
    stored_bytes: int
    attempts: int
    redacted: Mapping[str, int] = field(default_factory=dict)
    degraded: int = 0
    spool: SpoolStats | None = None


@dataclass(frozen=True, slots=True)
class Flushed:
    """What had become of all captures handed in before ``flush``, when it returned: they add up to those.

    Attributes:
        uploaded: S3 has them.
        spooled: On disk, fsynced. A request on the wire may still bring one of them to S3.
        dropped, failed: As in :class:`Stats`.
        in_flight: Without a fate by the deadline: still in memory alone.
    """

    uploaded: int
    spooled: int
    dropped: int
    failed: int
    in_flight: int


class Guesses:
    """What captures that wait to be encoded are taken for, by what the last ones turned out to be.

    Attributes:
        rate: Bytes for each byte that was guessed. Python's objects take a multiple of what a look at a few finds.
        unseen_bytes: What each capture had beyond that: heavy parts where no look went.
    """

    LEAST_BYTES = 512
    #: Beyond so much something was not seen, and says nothing about other guesses.
    MOST_RATE = 4.0
    #: What the allocator keeps beside what objects take, until it is trimmed.
    MARGIN = 1.1
    #: About how many captures the rate is learned from. What was not seen is learned quickly and forgotten slowly.
    LEARNED_FROM, QUICKLY, SLOWLY = 8, 3, 16

    def __init__(self) -> None:
        self.known = False
        self.rate = 1.0
        self.unseen_bytes = 0.0

    def learn(self, guessed_bytes: int, weight_bytes: float) -> None:
        """A capture was guessed, and turned out to weigh ``weight_bytes``. A tiny one says nothing about others."""
        if max(guessed_bytes, weight_bytes) < self.LEAST_BYTES:
            return
        most_bytes = self.MOST_RATE * guessed_bytes
        rate = max(1.0, min(weight_bytes, most_bytes) / max(guessed_bytes, 1))
        unseen_bytes = max(0.0, weight_bytes - most_bytes)
        if not self.known:
            self.known, self.rate, self.unseen_bytes = True, rate, unseen_bytes
        self.rate += (rate - self.rate) / self.LEARNED_FROM
        self.unseen_bytes += (unseen_bytes - self.unseen_bytes) / (
            self.QUICKLY if unseen_bytes > self.unseen_bytes else self.SLOWLY
        )


class Account:
    """Counts and bytes.

    Args:
        budget_bytes: The memory budget.
        spool: True when there is a spool that makes room.
        degrade: True when captures may be reduced.
    """

    def __init__(self, budget_bytes: int, *, spool: bool = False, degrade: bool = True) -> None:
        self._spool, self._degrade = spool, degrade
        self.set_budget(budget_bytes)
        self.exact_bytes = self.guessed_bytes = self.guessed = 0
        self.guesses = Guesses()
        self.peak_held_bytes = 0
        self.attempts = 0
        self.plain_bytes = 0
        self.stored_bytes = 0
        self.degraded = 0
        self.phase_s = dict.fromkeys(PHASES, 0.0)
        self.durations = [0] * (len(DURATION_BOUNDS_S) + 1)
        self.submitted = 0
        self._fates: Counter[Fate] = Counter()
        self._reasons: Counter[str] = Counter()

    def set_budget(self, budget_bytes: int) -> None:
        """Change the budget, and the ladder's marks with it."""
        self.budget_bytes = budget_bytes
        self.ladder = Ladder.of(budget_bytes, spool=self._spool, degrade=self._degrade)

    @property
    def held_bytes(self) -> int:
        """Bytes counted against the budget: what is known, and what captures that wait to be encoded are taken for."""
        if not self.guessed:
            return self.exact_bytes
        guesses = self.guesses
        taken_for = self.guessed_bytes * guesses.rate * guesses.MARGIN + self.guessed * guesses.unseen_bytes
        return self.exact_bytes + int(taken_for)

    def hold(self, exact_bytes: int, guessed_bytes: int = 0) -> None:
        """Count bytes as held; negative when they are let go. ``guessed_bytes`` are those of one capture."""
        self.exact_bytes += exact_bytes
        self.guessed_bytes += guessed_bytes
        self.guessed += (guessed_bytes > 0) - (guessed_bytes < 0)
        if exact_bytes > 0 or guessed_bytes > 0:
            self.peak_held_bytes = max(self.peak_held_bytes, self.held_bytes)

    def charge(self, exact_bytes: int, guessed_bytes: int) -> int:
        """What a capture would count for. What others were keeps none out for good."""
        if not guessed_bytes:
            return exact_bytes
        guesses = self.guesses
        taken_for = exact_bytes + int(guessed_bytes * guesses.rate * guesses.MARGIN + guesses.unseen_bytes)
        return min(taken_for, max(self.budget_bytes, exact_bytes + guessed_bytes))

    def settle(self, fate: Fate, why: Why) -> None:
        """A capture met its final fate."""
        self._fates[fate] += 1
        if fate is Fate.DROPPED or fate is Fate.FAILED:
            known = _NUMBERS.sub("N", f"{fate.value}: {why.words}")
            self._reasons[known if known in self._reasons or len(self._reasons) < MOST_REASONS else OTHER] += 1

    def store(self, receipt: Receipt) -> None:
        """A capture was stored: its bytes, and how long it took."""
        self.plain_bytes += receipt.plain_bytes
        self.stored_bytes += receipt.stored_bytes
        duration_s = 0.0
        for phase, seconds in receipt.seconds.items():
            self.phase_s[phase] += seconds
            duration_s += seconds
        self.durations[bisect_left(DURATION_BOUNDS_S, duration_s)] += 1

    @property
    def in_flight(self) -> int:
        """Captures without a final fate."""
        return self.submitted - sum(self._fates.values())

    @property
    def lost(self) -> int:
        """Captures that were dropped or failed."""
        return self._fates[Fate.DROPPED] + self._fates[Fate.FAILED]

    @property
    def short(self) -> bool:
        """True while more is held than those may fill who can wait: the spool works then."""
        return self.held_bytes > self.ladder.patient_bytes

    def look(self, redacted: Mapping[str, int], spool: SpoolStats | None = None) -> Stats:
        """An immutable copy of the account."""
        fates = self._fates
        return Stats(
            submitted=self.submitted,
            uploaded=fates[Fate.UPLOADED],
            spooled=fates[Fate.SPOOLED],
            dropped=fates[Fate.DROPPED],
            failed=fates[Fate.FAILED],
            in_flight=self.in_flight,
            reasons=dict(self._reasons),
            held_bytes=self.held_bytes,
            peak_held_bytes=self.peak_held_bytes,
            plain_bytes=self.plain_bytes,
            stored_bytes=self.stored_bytes,
            attempts=self.attempts,
            redacted=dict(redacted),
            degraded=self.degraded,
            spool=spool,
        )


@dataclass(frozen=True, slots=True)
class Ladder:
    """The backpressure ladder: how much of the memory budget a capture may use, and in what form.

    In this order: wait (if asked to), then the spool makes room, then captures are reduced, then the newest is dropped.

        0 ........ patient .......... whole .......... bodiless ......... budget
        |  everybody  | impatient ones; | without response |  outlines alone  |  dropped
        |             | the spool works |      bodies      |                  |

    A submitter that waits stays *patient* until its timeout; ``submit_nowait`` never is.

    Attributes:
        patient_bytes: For submitters that can wait. Beyond it the spool takes encoded captures out of memory.
        whole_bytes: For captures as they are.
        bodiless_bytes: For captures that will lose their response bodies.
        budget_bytes: For those that will lose their headers, too.
    """

    patient_bytes: int
    whole_bytes: int
    bodiless_bytes: int
    budget_bytes: int

    @classmethod
    def of(cls, budget_bytes: int, *, spool: bool, degrade: bool) -> Ladder:
        """The marks for a budget: halves, so that each rung has as much room as all those above it together.

        Without a spool there is nothing to wait for between patient and whole; without degrading all is whole.
        """
        whole = budget_bytes * 3 // 4 if degrade else budget_bytes
        bodiless = budget_bytes * 7 // 8 if degrade else budget_bytes
        return cls(budget_bytes // 2 if spool else whole, whole, bodiless, budget_bytes)

    def level(self, held_bytes: int, more_bytes: int, *, patient: bool, degradable: bool) -> int | None:
        """In what form a capture of ``more_bytes`` may come in: WHOLE, BODILESS, OUTLINE, or None for not now.

        A capture that cannot be degraded may use the whole budget. One that finds nothing else held is whole.
        """
        after = held_bytes + more_bytes
        if after > self.budget_bytes:
            return None
        if held_bytes == 0 or after <= (self.patient_bytes if patient else self.whole_bytes):
            return WHOLE
        if patient:
            return None
        if not degradable:
            return WHOLE
        return BODILESS if after <= self.bodiless_bytes else OUTLINE


class Waiter:
    """One submitter that waits for room.

    Attributes:
        job: What it submits.
        decided: True once the capture was admitted or refused.
        refusal: Why it was refused; None when it was admitted.
    """

    __slots__ = ("decided", "job", "refusal", "wake")

    def __init__(self, job: Any, wake: Callable[[], None]) -> None:
        self.job = job
        self.wake = wake
        self.decided = False
        self.refusal: Why | None = None


class Line:
    """A first-come, first-served line.

    Whoever makes room decides for those in front and wakes them alone: with thousands waiting, waking all for each
    place would cost more than the uploads, and would let the last one win.

    Attributes:
        waiters: Who stands in it.
    """

    def __init__(self) -> None:
        self.waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self.waiters)

    def join(self, waiter: Waiter) -> None:
        """Stand at the end."""
        self.waiters.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Go away undecided."""
        self.waiters.remove(waiter)

    def serve(self, decide: Callable[[Any], tuple[bool, Why | None]]) -> Iterator[tuple[Waiter, Why | None]]:
        """Decide for as many as possible from the front; yields them with the refusal.

        Args:
            decide: Tells for a job whether that can be decided now, and if so, why it is refused (None: admitted).
        """
        while self.waiters:
            waiter = self.waiters[0]
            decided, refusal = decide(waiter.job)
            if not decided:
                return
            self.waiters.popleft()
            yield waiter, refusal
