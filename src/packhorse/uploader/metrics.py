"""The metrics, as data: names, kinds, units, labels; and how a reading of an uploader becomes values. Pure.

Labels hold words of this module alone (and the uploader's ``name``, which its owner chose): no content of captures, no
key, no URL, so that there are never more series than :data:`MOST_SERIES` per uploader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from packhorse.errors import StoreErrorKind
from packhorse.uploader.account import DURATION_BOUNDS_S, PHASES, Stats
from packhorse.uploader.reasons import Reason
from packhorse.uploader.spool.files import Foreign
from packhorse.uploader.ticket import Fate

Labels = tuple[tuple[str, str], ...]
Values = dict[str, dict[Labels, float]]
#: How values of several uploaders become one: counters and sums add up, of peaks the highest counts.
Kind = Literal["counter", "sum", "peak"]

QUEUES = ("encode", "upload")
OTHER = "other"
#: The account's reasons as label values. A reason that is not here is ``other``.
REASONS = {
    **{f"store: {kind.value}": f"store-{kind.value}" for kind in StoreErrorKind},
    **{reason.words: reason.label for reason in Reason if reason.words and reason.label},
    "RedactionError": "redaction",
}
_UNEXPECTED = Reason.UNEXPECTED.label
LABEL_VALUES = frozenset({*REASONS.values(), _UNEXPECTED, OTHER})


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: OpenTelemetry name; Prometheus writes dots as underscores, appends the unit, and ``_total`` to counters.
        kind: See :data:`Kind`.
        unit: UCUM: ``s``, ``By``, or what is counted, in braces.
        about: Help text.
        labels: Label names beside ``uploader``.
    """

    name: str
    kind: Kind
    unit: str
    about: str
    labels: tuple[str, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """As the OpenTelemetry SDK's Prometheus exporter names it."""
        unit = {"s": "_seconds", "By": "_bytes"}.get(self.unit, "")
        return self.name.replace(".", "_") + unit + ("_total" if self.kind == "counter" else "")


_PREFIX = "packhorse.uploader."
METRICS = (
    Metric(_PREFIX + "submitted", "counter", "{capture}", "Captures handed in"),
    Metric(_PREFIX + "captures", "counter", "{capture}", "Captures by final fate and reason", ("fate", "reason")),
    Metric(_PREFIX + "in_flight", "sum", "{capture}", "Captures without a final fate"),
    Metric(_PREFIX + "attempts", "counter", "{request}", "PUTs and multipart uploads begun"),
    Metric(_PREFIX + "plain", "counter", "By", "Encoded bytes of uploaded captures before compression"),
    Metric(_PREFIX + "stored", "counter", "By", "Bytes of the objects stored"),
    Metric(_PREFIX + "degraded", "counter", "{capture}", "Captures reduced for want of room"),
    Metric(_PREFIX + "redacted", "counter", "{value}", "Values removed by redaction"),
    Metric(_PREFIX + "held", "sum", "By", "Bytes counted against the memory budget"),
    Metric(_PREFIX + "budget", "sum", "By", "The memory budget"),
    Metric(_PREFIX + "limit", "sum", "{upload}", "Uploads that may run at once, now"),
    Metric(_PREFIX + "uploading", "sum", "{upload}", "Uploads running"),
    Metric(_PREFIX + "limit_changes_refused", "counter", "{value}", "Values of feature flags that were refused"),
    Metric(_PREFIX + "queue.length", "sum", "{capture}", "Captures waiting", ("queue",)),
    Metric(_PREFIX + "queue.age", "peak", "s", "Time since the oldest waiting capture was handed in", ("queue",)),
    Metric(_PREFIX + "phase", "counter", "s", "Time of uploaded captures by phase", ("phase",)),
    Metric(_PREFIX + "duration", "counter", "s", "Sum of times from submit to stored"),
    Metric(
        _PREFIX + "duration.within", "counter", "{capture}", "Uploaded captures that took at most up_to_s", ("up_to_s",)
    ),
    Metric(_PREFIX + "spool.files", "sum", "{capture}", "Captures on disk"),
    Metric(_PREFIX + "spool.disk", "sum", "By", "Bytes on disk"),
    Metric(_PREFIX + "spool.resting", "sum", "{capture}", "Captures on disk that S3 has refused, to be tried again"),
    Metric(_PREFIX + "spool.left", "sum", "{capture}", "Files in the spool that are left alone", ("why",)),
    Metric(_PREFIX + "spool.captures", "counter", "{capture}", "Captures by what the spool did with them", ("event",)),
)
_SPOOL_EVENTS = ("written", "adopted", "uploaded", "expired", "quarantined", "vanished", "refused", "refused_by_s3")
PROCESS_METRICS = (
    Metric("packhorse.process.gc.pause", "counter", "s", "Time the process stood still for garbage collection"),
    Metric("packhorse.process.gc.collections", "counter", "{collection}", "Garbage collections"),
    Metric("packhorse.process.loop.lag", "peak", "s", "Worst lag of an event loop since the last look"),
)
#: Bound on series per uploader: fates with reasons, the labelled ones, and one for each other metric.
MOST_SERIES = (
    4 * len(LABEL_VALUES) + len(DURATION_BOUNDS_S) + len(PHASES) + 2 * len(QUEUES) + len(_SPOOL_EVENTS) + len(Foreign)
) + len(METRICS)


@dataclass(frozen=True, slots=True)
class Reading:
    """One consistent look at an uploader, taken under its lock.

    Attributes:
        stats: The account.
        budget_bytes: The memory budget.
        limit, uploading: Uploads allowed and running.
        queued: Captures waiting, by queue.
        oldest_s: Seconds since the oldest of them was handed in, by queue; 0 when it is empty.
        phase_s: Seconds of uploaded captures, summed by phase.
        durations: Uploaded captures by class of :data:`DURATION_BOUNDS_S`, and those beyond the last.
        refused_flags: Flag values refused.
    """

    stats: Stats
    budget_bytes: int
    limit: int
    uploading: int
    queued: Mapping[str, int]
    oldest_s: Mapping[str, float]
    phase_s: Mapping[str, float]
    durations: tuple[int, ...]
    refused_flags: int


def reason_label(reason: str) -> str:
    """A reason of the account (``"failed: store: throttled"``) as a label value."""
    text = reason.partition(": ")[2]
    if text.startswith("unexpected "):
        return _UNEXPECTED
    return REASONS.get(text, OTHER)


def values(reading: Reading, name: str) -> Values:
    """Every metric's values for one uploader called ``name``."""
    base: Labels = (("uploader", name),)
    stats = reading.stats
    phase_s = reading.phase_s
    plain: dict[str, float] = {
        "submitted": stats.submitted,
        "in_flight": stats.in_flight,
        "attempts": stats.attempts,
        "plain": stats.plain_bytes,
        "stored": stats.stored_bytes,
        "degraded": stats.degraded,
        "redacted": sum(stats.redacted.values()),
        "held": stats.held_bytes,
        "budget": reading.budget_bytes,
        "limit": reading.limit,
        "uploading": reading.uploading,
        "limit_changes_refused": reading.refused_flags,
        "duration": sum(phase_s.values()),
    }
    found: Values = {_PREFIX + metric: {base: value} for metric, value in plain.items()}
    found[_PREFIX + "captures"] = _fates(stats, base)
    found[_PREFIX + "queue.length"] = {(*base, ("queue", q)): reading.queued.get(q, 0) for q in QUEUES}
    found[_PREFIX + "queue.age"] = {(*base, ("queue", q)): reading.oldest_s.get(q, 0.0) for q in QUEUES}
    found[_PREFIX + "phase"] = {(*base, ("phase", p)): phase_s.get(p, 0.0) for p in PHASES}
    found[_PREFIX + "duration.within"] = _buckets(reading.durations, base)
    if stats.spool is not None:
        found[_PREFIX + "spool.files"] = {base: stats.spool.files}
        found[_PREFIX + "spool.disk"] = {base: stats.spool.disk_bytes}
        found[_PREFIX + "spool.resting"] = {base: stats.spool.resting}
        left = dict(stats.spool.left)
        found[_PREFIX + "spool.left"] = {(*base, ("why", why.value)): left.get(why.value, 0) for why in Foreign}
        events = {(*base, ("event", event)): getattr(stats.spool, event) for event in _SPOOL_EVENTS}
        found[_PREFIX + "spool.captures"] = events
    return {metric: {labels: float(value) for labels, value in series.items()} for metric, series in found.items()}


def _fates(stats: Stats, base: Labels) -> dict[Labels, float]:
    """Fates with their reasons; all four fates are there from the start, so that rates begin at 0."""
    found: dict[Labels, float] = {}
    told = dict.fromkeys(Fate, 0)
    for reason, count in stats.reasons.items():
        fate = Fate(reason.partition(": ")[0]) if reason.partition(": ")[0] in set(Fate) else None
        if fate is not None:
            labels = (*base, ("fate", fate.value), ("reason", reason_label(reason)))
            found[labels] = found.get(labels, 0) + count
            told[fate] += count
    for fate in (Fate.UPLOADED, Fate.SPOOLED, Fate.DROPPED, Fate.FAILED):
        rest = getattr(stats, fate.value) - told[fate]
        labels = (*base, ("fate", fate.value), ("reason", OTHER if fate in {Fate.DROPPED, Fate.FAILED} else ""))
        found[labels] = found.get(labels, 0) + rest
    return found


def _buckets(durations: tuple[int, ...], base: Labels) -> dict[Labels, float]:
    """Cumulative counts by upper bound, as Prometheus histograms have them, so that its quantiles work.

    The label is not called ``le``, which Prometheus keeps for histograms: ``label_replace`` makes it one.
    """
    found: dict[Labels, float] = {}
    total = 0
    for bound, count in zip((*map(str, DURATION_BOUNDS_S), "+Inf"), durations, strict=True):
        total += count
        found[*base, ("up_to_s", bound)] = total
    return found
