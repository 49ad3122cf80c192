"""Lines of the parallelism study: latency ratio, memory, garbage collection, loop lag and backlog by parallelism."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.plots.lines import lines
from packhorse.bench.report.text import number

Record = dict[str, Any]

#: Figure of a level → title, what is on the axis, and what one of its units is of the axis'.
_DRAWN = {
    "ratio": ("Task latency, parallel : single", "times", 1.0),
    "peak_rss_bytes": ("Peak resident memory", "MB", 1e-6),
    "gc_share": ("Time in garbage collection", "% of wall time", 100.0),
    "lag_p99_s": ("Event-loop lag, 99th percentile", "ms", 1e3),
    "backlog": ("Captures handed over and not stored", "captures", 1.0),
}

#: Ways → colours; others are grey like any candidate.
_TONES = {
    "packhorse": "chosen",
    "packhorse, gc tuned": "set",
    "common": "common",
    "floating": "reference",
    "awaited": "extra",
}


def notes(record: Record) -> list[str]:
    """How many tasks each way carries."""
    goals = record.get("goals") or {}
    knees, highest = goals.get("knees"), goals.get("highest_measured", {})
    if not knees:
        return []
    told = (
        f"{way} {knee}{' (the most that was tried)' if knee == highest.get(way) else ''}" for way, knee in knees.items()
    )
    return [f"Tasks at once up to which latency stays within 1.1 times that of one: {', '.join(told)}."]


def tables(_: Record) -> list[tuple[str, Table]]:
    """None beside the figures' own."""
    return []


def figures(record: Record) -> list[Figure]:
    """One plot a figure; levels that were ended early have none of some."""
    return [_figure(record["levels"], name, *drawn) for name, drawn in _DRAWN.items()]


def _figure(levels: Record, name: str, title: str, unit: str, factor: float) -> Figure:
    rows, told = [], []
    for way, by_level in levels.items():
        for level, found in sorted(by_level.items(), key=lambda item: int(item[0])):
            if found.get(name) is None:
                continue
            value = found[name] * factor
            key = f"{way} @{level}"
            shown = f"{number(value)} {unit}"
            rows.append(
                {
                    "key": key,
                    "series": way,
                    "tone": _TONES.get(way, "candidate"),
                    "x": int(level),
                    "value": value,
                    "text": shown,
                }
            )
            told.append(Line((text(way), figure(int(level), level), figure(value, shown)), key))
    table = Table(f"parallelism-{name}", ("way", "tasks at once", unit), tuple(told), title)
    about = "By tasks at once. Levels that had to be ended early are missing."
    chart = lines(rows, x="tasks at once", y=unit, description=title) if rows else None
    return Figure(f"parallelism-{name}", title, about, table, chart, wide=name == "ratio")
