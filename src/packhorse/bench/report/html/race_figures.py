"""Figures of the end-to-end race: rates, verdicts, size against speed, latencies, blocks."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.arms import label, left_out, ordered, tone, verdict
from packhorse.bench.report.html.facts import per_process, usd_per_million
from packhorse.bench.report.html.model import Cell, Figure, Line, Table, figure, text
from packhorse.bench.report.html.order import median_interval
from packhorse.bench.report.names import PRESETS
from packhorse.bench.report.plots.bars import bars, spans
from packhorse.bench.report.plots.pareto import front, pareto
from packhorse.bench.report.text import bytes_, rate, seconds

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
        "Captures a second over the whole mix: medians over rounds, 95 % intervals of the median over processes "
        f"(lines), and each process (ticks). Orange: chosen. Blue: as good, or perhaps. {left_out(record)}"
    )
    description = "Captures per second of each pipeline, end to end"
    chart = bars(rows, title="captures/s", description=description) if rows else None
    return Figure("rates", "End to end: captures a second", about, _ranking(record), chart, wide=True, unfolded=True)


def _common(row: Row, record: Record) -> Row:
    return {"key": row["arm"], "label": label(row, record), "tone": tone(row, record)}


def _ranking(record: Record) -> Table:
    columns = (
        "pipeline", "captures/s", "verdict", "raw bytes/s", "stored", "CPU", "p50", "p99", "memory", "$ per million",
        "processes",
    )  # fmt: skip
    lines = []
    for row in ordered(record):
        dollars = usd_per_million(row, record)
        cells = (
            text(label(row, record), code=True),
            figure(row["captures_per_s"], rate(row["captures_per_s"])),
            text(verdict(row, record).partition(";")[0]),
            figure(row["raw_bytes_per_s"], bytes_(row["raw_bytes_per_s"])),
            figure(row["bytes_out"], bytes_(row["bytes_out"])),
            figure(row["cpu_s"], seconds(row["cpu_s"])),
            figure(row["latency"]["p50_s"], seconds(row["latency"]["p50_s"])),
            figure(row["latency"]["p99_s"], seconds(row["latency"]["p99_s"])),
            figure(row["peak_rss_bytes"], bytes_(row["peak_rss_bytes"])),
            figure(dollars, "–" if dollars is None else f"{dollars:.3g}"),
            Cell(f"{row['processes']}{' (left early)' if row['left'] else ''}", row["processes"]),
        )
        lines.append(Line(cells, row["arm"], tone(row, record)))
    return Table("ranking", columns, tuple(lines), "Every pipeline measured end to end; best first")


def trade(record: Record) -> Figure:
    """Bytes stored against captures a second, end to end."""
    chosen = record["winner"]["arm"]
    rows, aside = [], set(PRESETS)  # two rows of one preset are named once
    for row in ordered(record):
        points = [1 / value for value in per_process(row).values()]
        low, high = median_interval(points) or (None, None)
        short = PRESETS.get(row["role"]) or label(row, record, shortest=True)
        names = {"label": short, "aside": short if row["arm"] == chosen or row["role"] in aside else ""}
        aside.discard(row["role"])
        facts = {"size": row["bytes_out"] / 1e3, "speed": row["captures_per_s"], "low": low, "high": high}
        rows.append({**_common(row, record), **names, **facts})
    best = front(rows)
    lines = [
        Line(
            (text(row["label"], code=True), figure(row["size"], f"{row['size']:.4g} kB"),
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
    chart = pareto(rows, size=size, speed=speed, description=description) if rows else None
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
        cells = (text(label(row, record), code=True), figure(p50, seconds(p50)), figure(p99, seconds(p99)))
        lines.append(Line(cells, row["arm"], tone(row, record)))
    description = "Median and 99th percentile of latency by pipeline, in milliseconds"
    chart = spans(rows, title="ms", description=description) if rows else None
    about = (
        "From a capture in hand to the answer: the median (filled) and the 99th percentile (hollow), waiting for a "
        "turn included; more in flight means more waiting. Reported, never decided by."
    )
    table = Table("latencies", ("pipeline", "p50", "p99"), tuple(lines), "Latency percentiles")
    return Figure("latencies", "Latency: median and 99th percentile", about, table, chart)
