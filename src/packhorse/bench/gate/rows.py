"""The rows of a gate's record: outcomes, and the figures behind them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from packhorse.bench.gate.measure import BASE, BASE_AGAIN, HEAD, Bench, log_means
from packhorse.bench.gate.probe import Probe
from packhorse.bench.gate.record import GateRowRecord
from packhorse.bench.race.machine import scrub
from packhorse.bench.stats.gate import GateState, mean_interval

#: Confidence of the noise floor: the outer end of the interval of base over itself.
FLOOR_LEVEL = 0.95


def row_record(name: str, state: GateState | None, bench: Bench, margin_ratio: float, seen: Probe) -> GateRowRecord:
    """One row of the record."""
    row = GateRowRecord(
        name=name,
        margin_ratio=margin_ratio,
        outcome="unresolved",
        bytes_out={arm: seen.bytes_out[arm].get(name) for arm in (BASE, HEAD)},
    )
    failure = seen.failure(name)
    if failure is not None:
        row.outcome, row.error = failure[0], scrub(failure[1])  # type: ignore[assignment]
        return row
    result = state.rows.get(name) if state is not None else None
    if result is None:
        return row
    logs = log_means(bench.timings, name, result.judged_measurements)
    row.outcome = str(result.outcome)  # type: ignore[assignment]
    row.ratio, row.low, row.high = (math.exp(end) for end in result.interval)
    row.level = result.level
    row.p_slower, row.p_within = result.p_slower, result.p_within
    row.blocks = int(result.log_ratios.size)
    row.measurements = result.measurements
    row.judged_measurements = list(result.judged_measurements)
    row.base_s, row.head_s = (
        math.exp(statistics.median(arms[arm] for arms in logs.values() if arm in arms)) for arm in (BASE, HEAD)
    )
    row.noise_floor_ratio = _floor([a[BASE_AGAIN] - a[BASE] for a in logs.values() if a.keys() >= {BASE, BASE_AGAIN}])
    return row


def _floor(base_over_base: Sequence[float]) -> float | None:
    if len(base_over_base) < 2:
        return None
    _, low, high = mean_interval(np.array(base_over_base), FLOOR_LEVEL)
    return math.exp(max(abs(low), abs(high)))
