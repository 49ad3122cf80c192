"""Verdicts on the page: every row over the best one, with its simultaneous interval."""

from __future__ import annotations

import math
from typing import Any

from packhorse.bench.report.html.arms import label, left_out, ordered, tone, verdict
from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.plots.bars import forest

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("pipeline", "verdict", "over the best (95 %)", "by client CPU")
#: Per cent beyond which a difference is told in the table alone: one row ten times slower would flatten all others.
_FARTHEST = 60.0
#: Per cent from which on a difference is told in times, and in whole per cent.
_TWICE, _WHOLE = 100.0, 10.0


def figure_of(record: Record) -> Figure:
    """Each pipeline's cost over the best's, with its interval."""
    rows, lines = [], []
    for row in ordered(record):
        found = row["verdict"]
        if found is None:
            continue
        middle, low, high = (_per_cent(found[key]) for key in ("log_ratio", "low", "high"))
        cells = (
            text(label(row, record), code=True),
            text(verdict(row, record)),
            figure(middle, _shown(middle, low, high)),
            text(row["cpu_verdict"]["text"] if row["cpu_verdict"] else "–"),
        )
        lines.append(Line(cells, row["arm"], tone(row, record)))
        if middle is not None and abs(middle) <= _FARTHEST:
            shown = {"key": row["arm"], "label": label(row, record), "tone": tone(row, record), "points": []}
            rows.append(
                {**shown, "value": middle, "low": low, "high": high, "text": verdict(row, record).partition(";")[0]}
            )
    rows.sort(key=lambda row: row["value"])
    chart = None
    if rows:
        description = "Each pipeline's cost over that of the best, in per cent, with intervals"
        chart = forest(rows, title="% over the best", description=description)
    table = Table("verdicts", _COLUMNS, tuple(lines), "Verdicts, with intervals that hold all at once at 95 %")
    about = (
        "How much more each costs than the best. Intervals hold all at once with 95 %; a row whose interval reaches "
        f"the zero line may be the best. What is beyond {_FARTHEST:.0f} % stands in the table. {left_out(record)}"
    )
    return Figure("verdicts", "Verdicts", about, table, chart)


def _per_cent(log_ratio: float | None) -> float | None:
    return None if log_ratio is None else 100 * math.expm1(log_ratio)


def _shown(*ends: float | None) -> str:
    """``+15 % (+2 to +30)``, in times from twice as much on: ``9.3 × (8.7 to 10.1)``."""
    middle, low, high = ends
    if middle is None or middle == low == high == 0:
        return "–" if middle is None else "best"
    large = middle >= _TWICE
    told = [
        "?" if end is None else f"{1 + end / 100:.1f}" if large else f"{end:+.{0 if abs(middle) >= _WHOLE else 1}f}"
        for end in ends
    ]
    return f"{told[0]} {'×' if large else '%'} ({told[1]} to {told[2]})"
