"""The account: ``submitted == uploaded + spooled + dropped + failed + in_flight``, at every instant."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from packhorse.uploader.spool.index import SpoolStats
from packhorse.uploader.ticket import Fate, Receipt

#: Reasons told apart at the most, numbers in them aside: what a capture holds must not make the account grow.
MOST_REASONS = 64
OTHER = "other reasons"
#: What a capture goes through, in this order; receipts and metrics tell seconds of each.
PHASES = ("queue", "encode", "wait", "upload")
#: Upper bounds, in seconds, of the classes that times from submit to stored are counted in.
DURATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Stats:
    """One consistent look at an uploader.

    Attributes:
        submitted, uploaded, spooled, dropped, failed, in_flight: Captures; the identity above holds.
        reasons: Why captures were dropped or failed: ``"dropped: queue full"`` → count. Sums to dropped + failed.
        held_bytes: Bytes counted against the memory budget now.
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


class Ledger:
    """Counts and bytes. Not thread-safe: every call is made under the engine's lock, so that a look is consistent."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.held_bytes = 0
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

    def submit(self) -> None:
        """A capture was handed in."""
        self.submitted += 1

    def hold(self, count_bytes: int) -> None:
        """Count bytes as held; negative when they are let go."""
        self.held_bytes += count_bytes
        self.peak_held_bytes = max(self.peak_held_bytes, self.held_bytes)

    def settle(self, fate: Fate, reason: str) -> None:
        """A capture met its final fate."""
        self._fates[fate] += 1
        if reason:
            known = _NUMBERS.sub("N", f"{fate.value}: {reason}")
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
        return self.submitted - self._fates.total()

    def look(self, redacted: Mapping[str, int], spool: SpoolStats | None = None) -> Stats:
        """An immutable copy of the account."""
        return Stats(
            submitted=self.submitted,
            uploaded=self._fates[Fate.UPLOADED],
            spooled=self._fates[Fate.SPOOLED],
            dropped=self._fates[Fate.DROPPED],
            failed=self._fates[Fate.FAILED],
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
