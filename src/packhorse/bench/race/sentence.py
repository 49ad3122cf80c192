"""A race's answer in one sentence of plain text: what to use, how many times faster it is, what is as good."""

from __future__ import annotations

import math
from collections.abc import Sequence

from packhorse.bench.race.decide import percent
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.record_types import (
    Published,
    Ratio,
    Row,
    Winner,
)

#: What "best" is called, by objective.
BEST = {
    Objective.THROUGHPUT: "the fastest",
    Objective.LATENCY: "the quickest to answer",
    Objective.CPU: "the cheapest in CPU",
    Objective.SIZE: "the smallest",
    Objective.MEMORY: "the smallest in memory",
    Objective.COST: "the cheapest",
}


def sentence(
    winner: Winner, rows: Sequence[Row], published: Published | None, objective: Objective, *, interrupted: bool
) -> str:
    """The answer. ``winner`` is complete but for its sentence."""
    if winner.pipeline is None:
        return "Interrupted before anything was decided." if interrupted else f"No answer: {winner.decided_by}."
    what = f"{winner.pipeline} with {winner.in_flight} in flight"
    if interrupted:
        return f"Interrupted; ahead so far: {what}."
    if not winner.conclusive:
        return f"No answer: {winner.why} (ahead so far: {what}); race longer, or on a quieter machine."
    return f"Use {what}: {_place(winner, rows, objective)}{_figures(winner, published)}."


def _place(winner: Winner, rows: Sequence[Row], objective: Objective) -> str:
    judged = [row for row in rows if row.verdict is not None]
    others = [row for row in judged if row.arm in winner.set_arms and row.arm != winner.arm]
    best = BEST[objective]
    if not others:
        return f"{best} of {len(judged)}" if len(judged) > 1 else "the only one raced"
    close = [row.verdict.high for row in others if row.verdict is not None and row.verdict.word == "as fast"]
    parts = []
    if close:
        within = percent(max(0.0 if high is None else high for high in close))
        parts.append(f"{len(close)} other{'s are' if len(close) > 1 else ' is'} as good within {within}")
    if undecided := len(others) - len(close):
        parts.append(f"{undecided} {'are' if undecided > 1 else 'is'} too close to call")
    return f"among {best} of {len(judged)} ({', '.join(parts)})"


def _figures(winner: Winner, published: Published | None) -> str:
    if published is not None and winner.held_out is not None and winner.held_out.captures_per_s:
        rate = f"; imported as it is, {_rate(winner.held_out.captures_per_s)} captures/s"
        times = [
            f"{_times(ratio)} {name}"
            for ratio, name in (
                (published.over_common, "orjson + gzip:6 + boto3"),
                (published.over_reference, "the original design"),
            )
            if ratio is not None
        ]
        return f"{rate}, {' and '.join(times)}" if times else rate
    rate = f"; {_rate(winner.captures_per_s or 0.0)} captures/s in the race"
    times = [
        f"{value:.2g} × {name}"
        for value, name in (
            (winner.speedup_over_common, "orjson + gzip:6 + boto3"),
            (winner.speedup_over_reference, "the original design"),
        )
        if value is not None
    ]
    return f"{rate}, {' and '.join(times)}" if times else rate


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _times(ratio: Ratio) -> str:
    shown = f"{ratio.value:.2g}" if ratio.value < 9.95 else f"{ratio.value:.0f}"
    return f"{shown} ×" if ratio.value >= 1 or math.isclose(ratio.value, 1, rel_tol=0.03) else f"only {shown} ×"
