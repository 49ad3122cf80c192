"""``packhorse study regimes``: which pipeline wins by bandwidth, capture size and cores.

Computed from measured stage rates by :mod:`benches.studies.regimes.model`, and checked by real uploads at some points.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benches.studies.parallelism.bounded import FINISHED, run_bounded
from benches.studies.regimes.check import DELAY_MS, SERVICE_MS, CheckSpec, Point, run_check
from benches.studies.regimes.model import (
    NO_COST,
    Conditions,
    LinearCost,
    Prediction,
    StageRates,
    interpolated,
    predict,
    winners,
)
from benches.studies.regimes.rates import (
    ENCODER,
    KINDS,
    STORE,
    RatesSpec,
    line_through,
    measure_puts,
    measure_rates,
    pipelines,
    plain_bytes_of,
)
from benches.studies.regimes.report import markdown, pictures
from packhorse.bench.lab.link.model import Link
from packhorse.bench.lab.targets import start_target
from packhorse.units import MIB

__all__ = ["markdown", "pictures", "study"]

BANDWIDTHS_MBIT = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 25_000.0)
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
CORES = (1, 2, 8, 32)
#: Captures in flight on the map: enough to hide a round trip of 30 ms at some 2,000 captures/s.
MAP_IN_FLIGHT = 64
#: What one S3 connection carries: 85 MB/s (Amazon S3 User Guide, "Performance design patterns").
CONNECTION_BIT_S = 680e6
ANSWER_S = (2 * DELAY_MS + SERVICE_MS) / 1000
#: Pipelines within this share of the best count as winning too.
TOLERANCE = 0.05
#: In the checks: few, so that runs over slow links settle within seconds.
CHECK_IN_FLIGHT = 6
CHECK_MEMORY_BYTES = 4096 * MIB
#: Checked besides the predicted winner at each point: light, middle and strong.
ALSO_CHECKED = ("none", "isal:2", "brotli:9")
QUICK_POINTS = (Point(100_000, 10), Point(100_000, 1000), Point(1_000_000, 10), Point(1_000_000, 30),
                Point(1_000_000, 300), Point(10_000, 10))  # fmt: skip
FULL_POINTS = (*QUICK_POINTS, Point(10_000, 100), Point(1_000_000, 1000), Point(10_000_000, 100),
               Point(10_000_000, 1000))  # fmt: skip

Rates = Mapping[str, Mapping[float, StageRates]]


@dataclass(slots=True)
class Work:
    """What a study has found so far."""

    rates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    puts: dict[int, dict[str, float]] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stage_rates(self) -> dict[str, dict[float, StageRates]]:
        """The rates as the model takes them."""
        return {
            name: {row["plain_bytes"]: StageRates(**{k: v for k, v in row.items() if k != "scaled"}) for row in rows}
            for name, rows in self.rates.items()
        }

    @property
    def overhead_bytes(self) -> float:
        """Bytes of a PUT's headers on their way up."""
        return statistics.fmean(costs["overhead_bytes"] for costs in self.puts.values()) if self.puts else 0.0

    def cost(self, whose: str) -> LinearCost:
        """CPU of a PUT for ``client_s`` or ``others_s``."""
        return line_through({body: costs[whose] for body, costs in self.puts.items()})


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Measure rates, compute the map, check it. Ctrl-C keeps what there is and says ``interrupted``."""
    sizes = (10_000, 100_000, 1_000_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
    spec = RatesSpec(sizes, 0.05 if quick else 0.3, 3.0 if quick else 12.0, seed)
    window_s = 3.0 if quick else 8.0
    work, interrupted = Work(), False
    try:
        outcome = run_bounded(measure_rates, spec, memory_bytes=2 * CHECK_MEMORY_BYTES, time_s=1200)
        if outcome.how != FINISHED:
            raise RuntimeError(f"measuring stage rates ended: {outcome.how} {outcome.error}")
        work.rates = outcome.result
        progress(0.4)
        with start_target("rclone", link=Link("rates")) as target:
            work.puts = measure_puts(target, 30 if quick else 150)
        points = QUICK_POINTS if quick else FULL_POINTS
        for number, point in enumerate(points):
            _check(work, point, window_s, seed)
            progress(0.4 + 0.6 * (number + 1) / len(points))
    except KeyboardInterrupt:
        interrupted = True
    return _document(work, spec, window_s, interrupted=interrupted)


def _check(work: Work, point: Point, window_s: float, seed: int) -> None:
    """Predict one point and measure it: the predicted winner, and some others."""
    conditions = Conditions(
        bandwidth_bit_s=point.mbit * 1e6,
        answer_s=ANSWER_S,
        cores=os.cpu_count() or 1,
        in_flight=CHECK_IN_FLIGHT,
        put=work.cost("client_s"),
        overhead_bytes=work.overhead_bytes,
        others=work.cost("others_s"),
    )
    predicted = predicted_at(work.stage_rates, plain_bytes_of(point.plain_bytes, seed), conditions)
    best = max(predicted, key=lambda name: predicted[name].captures_per_s)
    names = list(dict.fromkeys([best, *(name for name in ALSO_CHECKED if name in predicted)]))
    with start_target("rclone", link=point.link) as target:
        for name in names:
            seconds_each = CHECK_IN_FLIGHT / predicted[name].captures_per_s
            spec = CheckSpec(
                target.endpoint, name, point.plain_bytes, CHECK_IN_FLIGHT,
                stagger_s=seconds_each / CHECK_IN_FLIGHT, warmup_s=max(0.5, 2 * seconds_each),
                window_s=max(window_s, 3 * seconds_each), seed=seed,
            )  # fmt: skip
            time_s = spec.warmup_s + spec.window_s + 60 + 2 * seconds_each
            outcome = run_bounded(run_check, spec, memory_bytes=CHECK_MEMORY_BYTES, time_s=time_s)
            measured = outcome.result["captures_per_s"] if outcome.how == FINISHED else None
            work.checks.append(
                {
                    "plain_bytes": point.plain_bytes,
                    "mbit": point.mbit,
                    "pipeline": name,
                    "predicted_winner": name == best,
                    **{f"predicted_{key}": value for key, value in asdict(predicted[name]).items()},
                    "measured_captures_per_s": measured,
                    "captures": outcome.result["captures"] if outcome.how == FINISHED else None,
                    "how": outcome.how,
                    "error": outcome.error,
                }
            )


def predicted_at(rates: Rates, plain_bytes: float, conditions: Conditions) -> dict[str, Prediction]:
    """What the model says of every pipeline for captures of one size."""
    return {name: predict(interpolated(points, plain_bytes), conditions) for name, points in rates.items()}


def cells(rates: Rates, put: LinearCost, overhead_bytes: float) -> list[dict[str, Any]]:
    """The map: one row per cores, size and bandwidth, with the winners by throughput and by latency."""
    rows = []
    for cores in CORES:
        for plain_bytes in SIZES:
            for mbit in BANDWIDTHS_MBIT:
                conditions = Conditions(
                    mbit * 1e6, ANSWER_S, cores, MAP_IN_FLIGHT, put, NO_COST, CONNECTION_BIT_S, overhead_bytes
                )
                found = predicted_at(rates, plain_bytes, conditions)
                fastest = winners({name: p.captures_per_s for name, p in found.items()}, TOLERANCE)
                soonest = winners({name: 1 / p.latency_s for name, p in found.items()}, TOLERANCE)
                best = found[fastest[0]]
                rows.append(
                    {
                        "cores": cores,
                        "plain_bytes": plain_bytes,
                        "mbit": mbit,
                        "winners": fastest,
                        "captures_per_s": best.captures_per_s,
                        "bottleneck": best.bottleneck,
                        "uncompressed_captures_per_s": found["none"].captures_per_s,
                        "latency_winners": soonest,
                        "latency_s": found[soonest[0]].latency_s,
                    }
                )
    return rows


def checked(checks: list[dict[str, Any]]) -> dict[str, Any]:
    """How far the predictions were off, and at how many points the predicted winner won."""
    usable = [row for row in checks if row["measured_captures_per_s"]]
    errors = [row["predicted_captures_per_s"] / row["measured_captures_per_s"] - 1 for row in usable]
    points: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for row in usable:
        points.setdefault((row["plain_bytes"], row["mbit"]), []).append(row)
    right = 0
    for rows in points.values():
        best = max(row["measured_captures_per_s"] for row in rows)
        right += any(row["predicted_winner"] and row["measured_captures_per_s"] >= best * 0.95 for row in rows)
    absolute = sorted(abs(error) for error in errors)
    return {
        "points": len(points),
        "runs": len(usable),
        "failed": len(checks) - len(usable),
        "median_absolute_error": absolute[(len(absolute) - 1) // 2] if absolute else None,
        "worst_absolute_error": absolute[-1] if absolute else None,
        "winner_right_at": right,
    }


def _document(work: Work, spec: RatesSpec, window_s: float, *, interrupted: bool) -> dict[str, Any]:
    usable, missing = pipelines()
    ready = bool(work.rates and work.puts)
    return {
        "settings": {
            "seed": spec.seed,
            "encoder": ENCODER,
            "store": STORE,
            "kinds": list(KINDS),
            "measured_sizes": list(spec.sizes),
            "tolerance": TOLERANCE,
            "answer_s": ANSWER_S,
            "connection_bit_s": CONNECTION_BIT_S,
            "map_in_flight": MAP_IN_FLIGHT,
            "check_in_flight": CHECK_IN_FLIGHT,
            "check_window_s": window_s,
            "cores_here": os.cpu_count(),
        },
        "interrupted": interrupted,
        "checked": checked(work.checks),
        "checks": work.checks,
        "put_cpu": {str(body): costs for body, costs in work.puts.items()},
        "rates": {name: work.rates[name] for name in usable if name in work.rates},
        "unavailable": missing,
        "cells": cells(work.stage_rates, work.cost("client_s"), work.overhead_bytes) if ready else [],
    }
