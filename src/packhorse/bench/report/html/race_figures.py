"""Figures of the end-to-end race: rates, verdicts, size against speed, latencies, blocks."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.arms import label, left_out, mark, ordered, tone
from packhorse.bench.report.html.facts import per_process, usd_per_million
from packhorse.bench.report.html.model import Cell, Figure, Line, Table, figure, text
from packhorse.bench.report.html.order import median_interval
from packhorse.bench.report.plots.bars import bars, spans
from packhorse.bench.report.plots.pareto import front, pareto
from packhorse.bench.report.text import bytes_, rate, seconds, times

Record = dict[str, Any]
Row = dict[str, Any]


def rates(record: Record) -> Figure:
    """Captures a second of every pipeline, and the ranking behind it."""
    rows = []
    for row in ordered(record):
        points = [1 / value for value in per_process(row).values()]
        low, high = median_interval(points) or (None, None)
        facts = {"value": row["captures_per_s"], "low": low, "high": high, "points": points}
        rows.append({**_common(row, record), **facts, "text": f"{rate(row['captures_per_s'])}/s"})
    about = (
        "Captures a second over the whole mix: medians over rounds (bars), 95 % intervals of the median over processes "
        f"(lines), and each process (ticks). ◆ chosen, ● in the winner set. {left_out(record)}"
    )
    description = "Captures per second of each pipeline, end to end"
    chart = bars(rows, title="captures/s", description=description) if rows else None
    return Figure("rates", "End to end: captures a second", about, _ranking(record), chart, wide=True, unfolded=True)


def _common(row: Row, record: Record) -> Row:
    return {"key": row["arm"], "label": label(row, record), "tone": tone(row, record)}


def _ranking(record: Record) -> Table:
    columns = (
        "pipeline", "captures/s", "× original", "in flight", "role", "stored", "CPU", "p50", "p99", "peak memory",
        "$ per million", "raw bytes/s", "processes",
    )  # fmt: skip
    lines = []
    for row in ordered(record):
        dollars = usd_per_million(row, record)
        cells = (
            text(row["pipeline"], code=True),
            figure(row["captures_per_s"], rate(row["captures_per_s"])),
            figure(row["speedup_over_reference"], times(row["speedup_over_reference"])),
            figure(row["in_flight"], str(row["in_flight"])),
            text(mark(row, record)),
            figure(row["bytes_out"], bytes_(row["bytes_out"])),
            figure(row["cpu_s"], seconds(row["cpu_s"])),
            figure(row["latency"]["p50_s"], seconds(row["latency"]["p50_s"])),
            figure(row["latency"]["p99_s"], seconds(row["latency"]["p99_s"])),
            figure(row["peak_rss_bytes"], bytes_(row["peak_rss_bytes"])),
            figure(dollars, "–" if dollars is None else f"{dollars:.3g}"),
            figure(row["raw_bytes_per_s"], f"{bytes_(row['raw_bytes_per_s'])}/s"),
            Cell(f"{row['processes']}{' (left early)' if row['left'] else ''}", row["processes"]),
        )
        lines.append(Line(cells, row["arm"], tone(row, record)))
    return Table("ranking", columns, tuple(lines), "Every pipeline measured end to end; best first")


def trade(record: Record) -> Figure:
    """Bytes stored against captures a second, end to end."""
    rows, presets = [], {"common": "common stack", "reference": "original"}
    for row in ordered(record):
        points = [1 / value for value in per_process(row).values()]
        low, high = median_interval(points) or (None, None)
        names = {"label": label(row, record, shortest=True), "aside": presets.pop(tone(row, record), "")}
        facts = {"size": row["bytes_out"] / 1e3, "speed": row["captures_per_s"], "low": low, "high": high}
        rows.append({**_common(row, record), **names, **facts})
    best = front(rows)
    lines = [
        Line(
            (text(row["key"], code=True), figure(row["size"], f"{row['size']:.4g} kB"),
             figure(row["speed"], f"{rate(row['speed'])}/s"), text("on the front" if row["key"] in best else "")),
            row["key"], row["tone"],
        )
        for row in rows
    ]  # fmt: skip
    columns = ("pipeline", "stored per capture", "captures/s", "front")
    table = Table("trade", columns, tuple(lines), "Size and speed, end to end")
    about = (
        "Left is smaller, up is faster; the dashed front joins what nothing beats in both. Lines are 95 % intervals. "
        + left_out(record, shortest=True)
    )
    description = "Captures per second against kilobytes stored, by pipeline"
    size, speed = "kB stored per capture", "captures/s"
    chart = pareto(rows, size=size, speed=speed, log=False, description=description) if rows else None
    return Figure("trade", "Pipelines: speed × size", about, table, chart)


def latencies(record: Record) -> Figure:
    """Median and 99th percentile of the time from a capture in hand to the answer."""
    rows, lines = [], []
    for row in ordered(record):
        p50, p99 = row["latency"]["p50_s"], row["latency"]["p99_s"]
        if p50 is None or p99 is None:
            continue
        shown = f"{seconds(p50)} · {seconds(p99)}"
        rows.append({**_common(row, record), "value": p50 * 1e3, "far": p99 * 1e3, "text": shown})
        cells = (text(row["arm"], code=True), figure(p50, seconds(p50)), figure(p99, seconds(p99)))
        lines.append(Line(cells, row["arm"], tone(row, record)))
    description = "Median and 99th percentile of latency by pipeline, in milliseconds"
    chart = spans(rows, title="ms", description=description) if rows else None
    about = (
        "From a capture in hand to the answer: the median (filled) and the 99th percentile (hollow), waiting for a "
        "turn included; more in flight means more waiting. Reported, never decided by."
    )
    table = Table("latencies", ("pipeline", "p50", "p99"), tuple(lines), "Latency percentiles")
    return Figure("latencies", "Latency: median and 99th percentile", about, table, chart)
