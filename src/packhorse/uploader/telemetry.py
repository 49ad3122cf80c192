"""Telemetry without cost on the way of a capture: uploaders count anyway, and are read when somebody collects.

Nothing is imported and nothing is watched unless the application itself has imported OpenTelemetry: without that there
can be no SDK that would collect. The library ``opentelemetry-api`` is imported in :mod:`.telemetry_otel` alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from packhorse.uploader.telemetry_metrics import METRICS, PROCESS_METRICS, Labels, Reading, Values, values
from packhorse.uploader.telemetry_process import GcPauses, LoopLag

if TYPE_CHECKING:
    import asyncio

#: One collection reads all metrics from one look, which is at most so old: that way the account's identity holds in
#: what is exported, too.
LOOK_S = 0.5
_COUNTERS = frozenset(metric.name for metric in METRICS if metric.kind == "counter")
_PEAKS = frozenset(metric.name for metric in METRICS if metric.kind == "peak")
#: Metrics are collected in this order; the first one takes a fresh look.
FIRST = METRICS[0].name


class Source(Protocol):
    """An uploader's engine."""

    def reading(self) -> Reading:
        """One consistent look."""
        ...


class Telemetry:
    """The uploaders of this process and the values they add up to, those of ended ones included."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pauses = GcPauses()
        self.lag = LoopLag()
        self._clock = clock
        self._lock = threading.Lock()
        self._sources: weakref.WeakKeyDictionary[Source, str] = weakref.WeakKeyDictionary()
        self._ended: Values = {}
        self._look: Values = {}
        self._looked_s = float("-inf")
        self.collected = False

    def add(self, source: Source, name: str) -> None:
        """Read ``source`` from now on, as ``name``."""
        with self._lock:
            self._sources[source] = name

    def end(self, source: Source) -> None:
        """Read ``source`` a last time: counters of all time must not fall when it is gone. Idempotent."""
        with self._lock:
            name = self._sources.pop(source, None)
            if name is not None:
                last = values(source.reading(), name)
                _merge(self._ended, {metric: last[metric] for metric in last.keys() & _COUNTERS})

    def observed(self, metric: str) -> dict[Labels, float]:
        """The values of one metric, from a look that a collection's other metrics share."""
        with self._lock:
            if not self.collected:
                self.collected = True
                self.pauses.start()
            if metric == FIRST or self._clock() - self._looked_s > LOOK_S:
                self._look = self._taken()
                self._looked_s = self._clock()
            return self._look.get(metric, {})

    def forget(self) -> None:
        """In a forked child: what the parent counted is the parent's to export."""
        self._lock = threading.Lock()
        self._ended, self._look, self._looked_s = {}, {}, float("-inf")
        self.lag.stop()

    def _taken(self) -> Values:
        found: Values = {metric: dict(series) for metric, series in self._ended.items()}
        for source, name in list(self._sources.items()):
            _merge(found, values(source.reading(), name))
        pause, collections, lag = (metric.name for metric in PROCESS_METRICS)
        found[pause] = {(): self.pauses.seconds}
        found[collections] = {(): self.pauses.collections}
        found[lag] = {(): self.lag.take()}
        return found


def _merge(into: Values, more: Values) -> None:
    for metric, series in more.items():
        mine = into.setdefault(metric, {})
        for labels, value in series.items():
            mine[labels] = max(mine.get(labels, 0.0), value) if metric in _PEAKS else mine.get(labels, 0.0) + value


#: The process's one.
telemetry = Telemetry()


def watch(source: Source, name: str) -> None:
    """Export ``source`` if the application uses OpenTelemetry. Cheap and idempotent."""
    if "opentelemetry.metrics" in sys.modules:
        from packhorse.uploader.telemetry_otel import export

        export(telemetry)
        telemetry.add(source, name)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Measure the lag of the running ``loop`` if the application uses OpenTelemetry. Cheap and idempotent."""
    if "opentelemetry.metrics" in sys.modules:
        telemetry.lag.watch(loop)


os.register_at_fork(after_in_child=telemetry.forget)
