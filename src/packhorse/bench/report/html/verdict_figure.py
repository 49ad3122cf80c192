"""Verdicts on the page: every row over the yardstick, or behind the best where a record has no verdicts."""

from __future__ import annotations

import math
from typing import Any

from packhorse.bench.report import verdicts
from packhorse.bench.report.html.arms import label, left_out, ordered, tone
from packhorse.bench.report.html.model import Cell, Figure, Line, Table, figure, text
from packhorse.bench.report.plots.bars import forest

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("pipeline", "verdict", "difference", "low", "high", "noise floor", "blocks", "note")
#: Per cent beyond which a difference is told in the table alone: one row ten times slower would flatten all others.
_FARTHEST = 60.0


def figure_of(record: Record) -> Figure:
    """Each pipeline's cost over the yardstick's (or the best's), with its interval and the run's noise floor."""
    judged = any(row.get("verdict") for row in record["results"])
    over = f"the yardstick, {record['method']['yardstick']}" if judged else "the best"
    rows, lines = [], []
    for row in ordered(record):
        effect, word, note = _effect(row, record, judged=judged)
        if word is None:
            continue
        middle, low, high = (_per_cent(effect.get(key)) for key in ("log_ratio", "low", "high"))
        cells = (
            text(row["arm"], code=True),
            text(word),
            *(figure(value, "–" if value is None else f"{value:+.1f} %") for value in (middle, low, high)),
            text(verdicts.noise(record)),
            Cell(str(effect.get("blocks", row["blocks"])), effect.get("blocks", row["blocks"])),
            text(note),
        )
        lines.append(Line(cells, row["arm"], tone(row, record)))
        if middle is not None and abs(middle) <= _FARTHEST:
            shown = {"key": row["arm"], "label": label(row, record), "tone": tone(row, record), "points": []}
            said = word if middle == 0 else f"{middle:+.1f} % {word}"
            rows.append({**shown, "value": middle, "low": low, "high": high, "text": said})
    rows.sort(key=lambda row: row["value"])
    noise = record["noise"] or {}
    floor = _per_cent(noise.get("floor"))
    chart = None
    if rows:
        description = f"Each pipeline's cost over that of {over}, in per cent, with intervals"
        chart = forest(
            rows, title="% over the yardstick" if judged else "% over the best", floor=floor, description=description
        )
    table = Table("verdicts", _COLUMNS, tuple(lines), "Differences with 95 % intervals, beside the noise floor")
    return Figure(
        "verdicts",
        "Verdicts, and the noise they stand above",
        f"{_about(over, floor)} {left_out(record)}",
        table,
        chart,
    )


def _effect(row: Row, record: Record, *, judged: bool) -> tuple[Row, str | None, str]:
    """A row's effect, its verdict in a word (None: it has none), and what an unresolved one lacked."""
    if judged:
        word, found = verdicts.word(row, record), row.get("verdict")
        if found is None:
            return {"log_ratio": 0.0}, word if word == "yardstick" else None, ""
        return found, word, verdicts.settles(found)
    rival = row.get("against_best")
    if not rival:
        return {}, None, ""
    if rival["log_ratio"] == rival["low"] == rival["high"] == 0:
        return rival, "best", ""
    return rival, "" if rival["in_set"] else "behind", "not told apart from the best" if rival["in_set"] else ""


def _about(over: str, floor: float | None) -> str:
    noise = (
        f"The band is the run's noise floor, ±{floor:.1f} %: one pipeline under two names differed by as much."
        if floor is not None
        else "No A/A arm was measured: the noise floor is not known."
    )
    return (
        f"How much more each costs than {over}: paired within blocks, 95 % intervals. {noise} What is beyond "
        f"{_FARTHEST:.0f} % stands in the table."
    )


def _per_cent(log_ratio: float | None) -> float | None:
    return None if log_ratio is None else 100 * math.expm1(log_ratio)
