"""The metrics as OpenTelemetry's observable instruments: nothing is recorded, values are read as they are collected."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Protocol

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter_provider

from packhorse.uploader.telemetry_metrics import METRICS, PROCESS_METRICS, Labels, Metric


class Observed(Protocol):
    """``Telemetry``: tells values by metric."""

    def observed(self, metric: str) -> dict[Labels, float]:
        """The values of one metric now."""
        ...


_exported: weakref.WeakKeyDictionary[Observed, set[int]] = weakref.WeakKeyDictionary()


def export(telemetry: Observed, provider: MeterProvider | None = None) -> None:
    """Make the instruments, once per provider (None: the global one, also when the application sets it later)."""
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


def _callback(telemetry: Observed, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, dict(labels)) for labels, value in telemetry.observed(name).items()]

    return observe
