"""Telemetry without cost on the way of a capture: uploaders count anyway, and are read when somebody collects.

Nothing is imported and nothing is watched unless the application itself has imported OpenTelemetry: without that there
can be no SDK that would collect. Its metrics are observable instruments: nothing is recorded, values are read as they
are collected. Beside the uploaders, the process as a whole is watched: pauses of the garbage collector, and how late
its event loops are.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from packhorse.forks import renew_in_child
from packhorse.uploader.metrics import METRICS, PROCESS_METRICS, Labels, Metric, Reading, Values, values

if TYPE_CHECKING:
    import asyncio

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

#: One collection reads all metrics from one look, which is at most so old: that way the account's identity holds in
#: what is exported, too.
LOOK_S = 0.5
_COUNTERS = frozenset(metric.name for metric in METRICS if metric.kind == "counter")
_PEAKS = frozenset(metric.name for metric in METRICS if metric.kind == "peak")
#: Metrics are collected in this order; the first one takes a fresh look.
FIRST = METRICS[0].name
#: Seconds between two heartbeats on an event loop: about 0.01 % of a core.
BEAT_S = 0.25


class GcPauses:
    """Sums the time that collections take, from :meth:`start` on. Costs about 0.3 µs a collection."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.collections = 0
        self._began_s: float | None = None
        self._running = False

    def start(self) -> None:
        """Begin to watch. Idempotent."""
        if not self._running:
            self._running = True
            gc.callbacks.append(self._seen)

    def stop(self) -> None:
        """Watch no more. Idempotent."""
        if self._running:
            self._running = False
            gc.callbacks.remove(self._seen)

    def _seen(self, phase: str, _info: dict[str, Any]) -> None:
        now_s = time.perf_counter()
        if phase == "start":
            self._began_s = now_s
        elif self._began_s is not None:
            self.seconds += now_s - self._began_s
            self.collections += 1
            self._began_s = None


class LoopLag:
    """How late heartbeats come on event loops. A timer and no task: a loop that ends has nothing to wait for."""

    def __init__(self) -> None:
        self._worst_s = 0.0
        self._beating: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.TimerHandle] = (
            weakref.WeakKeyDictionary()
        )

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin heartbeats on the running ``loop``; called on it. Idempotent."""
        if loop not in self._beating:
            self._next(loop)

    def take(self) -> float:
        """The worst lag since the last call, in seconds."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    def stop(self) -> None:
        """Cancel what beats on the calling thread's loop and forget the others (in a forked child)."""
        self._beating = weakref.WeakKeyDictionary()
        self._worst_s = 0.0

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        due_s = loop.time() + BEAT_S
        self._beating[loop] = loop.call_at(due_s, self._beat, weakref.ref(loop), due_s)

    def _beat(self, reference: weakref.ref[asyncio.AbstractEventLoop], due_s: float) -> None:
        loop = reference()
        if loop is None or loop not in self._beating:
            return
        self._worst_s = max(self._worst_s, loop.time() - due_s)
        self._next(loop)


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
        found[collections] = {(): float(self.pauses.collections)}
        found[lag] = {(): self.lag.take()}
        return found


def _merge(into: Values, more: Values) -> None:
    for metric, series in more.items():
        mine = into.setdefault(metric, {})
        for labels, value in series.items():
            mine[labels] = max(mine.get(labels, 0.0), value) if metric in _PEAKS else mine.get(labels, 0.0) + value


# --- as OpenTelemetry's instruments -----------------------------------------------------------------------------------

_exported: weakref.WeakKeyDictionary[Telemetry, set[int]] = weakref.WeakKeyDictionary()


def export(telemetry: Telemetry, provider: MeterProvider | None = None) -> None:
    """Make the instruments, once per provider (None: the global one, also when the application sets it later)."""
    from opentelemetry.metrics import get_meter_provider

    chosen = provider or get_meter_provider()
    done = _exported.setdefault(telemetry, set())
    kind = 0 if provider is None else id(chosen)
    if kind in done:
        return
    done.add(kind)
    meter = chosen.get_meter("packhorse")
    for metric in (*METRICS, *PROCESS_METRICS):
        _make(meter, metric, _callback(telemetry, metric.name))


def _make(meter: Meter, metric: Metric, callback: Callable[[CallbackOptions], Iterable[Observation]]) -> None:
    if metric.kind == "counter":
        meter.create_observable_counter(metric.name, [callback], metric.unit, metric.about)
    else:
        meter.create_observable_gauge(metric.name, [callback], metric.unit, metric.about)


def _callback(telemetry: Telemetry, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    from opentelemetry.metrics import Observation

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, dict(labels)) for labels, value in telemetry.observed(name).items()]

    return observe


#: The process's one.
telemetry = Telemetry()


def watch(source: Source, name: str) -> None:
    """Export ``source`` if the application uses OpenTelemetry. Cheap and idempotent."""
    if "opentelemetry.metrics" in sys.modules:
        export(telemetry)
        telemetry.add(source, name)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Measure the lag of the running ``loop`` if the application uses OpenTelemetry. Cheap and idempotent."""
    if "opentelemetry.metrics" in sys.modules:
        telemetry.lag.watch(loop)


renew_in_child(telemetry.forget)
