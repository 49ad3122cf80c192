"""Verdicts on the page: every row over the best one, with its simultaneous interval."""

from __future__ import annotations

import math
from typing import Any

from packhorse.bench.report.html.arms import label, left_out, ordered, tone
from packhorse.bench.report.html.model import Cell, Figure, Line, Table, figure, text
from packhorse.bench.report.plots.bars import forest

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("pipeline", "verdict", "difference", "low", "high", "by client CPU", "processes")
#: Per cent beyond which a difference is told in the table alone: one row ten times slower would flatten all others.
_FARTHEST = 60.0


def figure_of(record: Record) -> Figure:
    """Each pipeline's cost over the best's, with its interval."""
    rows, lines = [], []
    for row in ordered(record):
        verdict = row["verdict"]
        if verdict is None:
            continue
        middle, low, high = (_per_cent(verdict[key]) for key in ("log_ratio", "low", "high"))
        cells = (
            text(row["arm"], code=True),
            text(verdict["text"]),
            *(figure(value, "–" if value is None else f"{value:+.1f} %") for value in (middle, low, high)),
            text(row["cpu_verdict"]["text"] if row["cpu_verdict"] else "–"),
            Cell(str(verdict["processes"]), verdict["processes"]),
        )
        lines.append(Line(cells, row["arm"], tone(row, record)))
        if middle is not None and abs(middle) <= _FARTHEST:
            shown = {"key": row["arm"], "label": label(row, record), "tone": tone(row, record), "points": []}
            rows.append({**shown, "value": middle, "low": low, "high": high, "text": verdict["text"]})
    rows.sort(key=lambda row: row["value"])
    chart = None
    if rows:
        description = "Each pipeline's cost over that of the best, in per cent, with intervals"
        chart = forest(rows, title="% over the best", floor=None, description=description)
    table = Table("verdicts", _COLUMNS, tuple(lines), "Verdicts, with intervals that hold all at once at 95 %")
    about = (
        "How much more each costs than the best. Intervals hold all at once with 95 %; a row whose interval reaches "
        f"the zero line may be the best. What is beyond {_FARTHEST:.0f} % stands in the table. {left_out(record)}"
    )
    return Figure("verdicts", "Verdicts", about, table, chart)


def _per_cent(log_ratio: float | None) -> float | None:
    return None if log_ratio is None else 100 * math.expm1(log_ratio)
