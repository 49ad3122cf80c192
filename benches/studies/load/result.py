"""What a load found, as data: counts, rates, and percentiles of what users and servers experienced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benches.studies.load.histogram import Latencies
from benches.studies.load.loops import Outcome
from packhorse.errors import InputError


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Counts and histograms; add results of several machines with :func:`merged`.

    Attributes:
        asked_per_s: Arrivals over the time from the first to the end of the last one's turn.
        asked: Arrivals.
        done: Those that were answered well.
        failed: Class of failure → how many.
        held: Arrivals that waited for a place: with any, ``max_in_flight`` was part of what was measured.
        span_s: From the first arrival due to the last one done.
        response: Histogram of seconds from due to done, of those that were done (HdrHistogram's text).
        service: The same from sent to done: what is left when waiting is omitted.
        lag: The same from due to sent, of those that were not held: how late this program itself was.
    """

    asked_per_s: float
    asked: int
    done: int
    failed: dict[str, int]
    held: int
    span_s: float
    response: str
    service: str
    lag: str

    @property
    def achieved_per_s(self) -> float:
        """Answered well, a second."""
        return self.done / self.span_s if self.span_s > 0 else 0.0

    def figures(self) -> dict[str, Any]:
        """For records and tables."""
        return {
            "asked_per_s": self.asked_per_s,
            "achieved_per_s": self.achieved_per_s,
            "asked": self.asked,
            "done": self.done,
            "failed": self.failed,
            "held": self.held,
            "span_s": self.span_s,
            "response": Latencies(self.response).figures(),
            "service": Latencies(self.service).figures(),
            "lag": Latencies(self.lag).figures(),
        }


@dataclass(slots=True)
class Recorder:
    """Takes outcomes in one by one and keeps no more than counts and histograms."""

    response: Latencies = field(default_factory=Latencies)
    service: Latencies = field(default_factory=Latencies)
    lag: Latencies = field(default_factory=Latencies)
    failed: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    held: int = 0
    first_due_s: float = float("inf")
    last_due_s: float = 0.0
    last_done_s: float = 0.0

    def __call__(self, outcome: Outcome) -> None:
        """Take one in."""
        self.asked += 1
        self.held += outcome.held
        self.first_due_s = min(self.first_due_s, outcome.due_s)
        self.last_due_s = max(self.last_due_s, outcome.due_s)
        self.last_done_s = max(self.last_done_s, outcome.done_s)
        if not outcome.held:
            self.lag.record(outcome.sent_s - outcome.due_s)
        if outcome.failure is None:
            self.response.record(outcome.response_s)
            self.service.record(outcome.service_s)
        else:
            self.failed[outcome.failure] += 1

    def result(self) -> LoadResult:
        """What was taken in so far."""
        spread_s = self.last_due_s - self.first_due_s
        # n arrivals have n - 1 gaps between them.
        asked_per_s = (self.asked - 1) / spread_s if self.asked > 1 and spread_s > 0 else 0.0
        return LoadResult(
            asked_per_s=asked_per_s,
            asked=self.asked,
            done=self.response.count,
            failed=dict(self.failed),
            held=self.held,
            span_s=max(0.0, self.last_done_s - self.first_due_s) if self.asked else 0.0,
            response=self.response.encoded,
            service=self.service.encoded,
            lag=self.lag.encoded,
        )


def merged(results: Sequence[LoadResult]) -> LoadResult:
    """Loads that ran side by side as one: rates and counts add up, histograms too, the longest span counts.

    Raises:
        InputError: There is none.
    """
    if not results:
        raise InputError("no results to merge")

    def together(name: str) -> str:
        whole = Latencies()
        for result in results:
            whole.add(Latencies(getattr(result, name)))
        return whole.encoded

    failed: Counter[str] = Counter()
    for result in results:
        failed.update(result.failed)
    return LoadResult(
        asked_per_s=sum(result.asked_per_s for result in results),
        asked=sum(result.asked for result in results),
        done=sum(result.done for result in results),
        failed=dict(failed),
        held=sum(result.held for result in results),
        span_s=max(result.span_s for result in results),
        response=together("response"),
        service=together("service"),
        lag=together("lag"),
    )
