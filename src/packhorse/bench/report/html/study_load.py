"""Latency percentiles of the load study: what closed and open loops tell of the same stall."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.plots.bars import spans
from packhorse.bench.report.text import seconds

Record = dict[str, Any]

_SHARES = {"p50": "p50_s", "p90": "p90_s", "p99": "p99_s", "p99.9": "p999_s", "max": "max_s"}
#: How a row's latencies were counted → words, and the colour of its line; those without a colour stand in the table.
_COUNTED = {
    "response": ("from due to done", "set"),
    "service": ("from sent to done alone", ""),
    "corrected": ("with HdrHistogram's correction", "extra"),
}

#: The same of a closed loop, short.
_CLOSED = {"response": "as it shows", "corrected": "corrected"}


def notes(record: Record) -> list[str]:
    """The finding in a sentence, where both loops were measured."""
    closed, opened = record["rows"].get("closed loop"), record["rows"].get("open loop, steady")
    if closed is None or opened is None:
        return []
    shown = [seconds(row["response"]["p99_s"]) for row in (closed, opened)]
    stall = seconds(record["settings"]["stall_s"])
    return [f"The same stall of {stall}: p99 is {shown[0]} by the closed loop, {shown[1]} by the open one."]


def tables(_: Record) -> list[tuple[str, Table]]:
    """None beside the figures' own."""
    return []


def figures(record: Record) -> list[Figure]:
    """One figure: the median and the 99th percentile of each way of sending."""
    rows, lines = [], []
    for name, found in record["rows"].items():
        closed = bool(found.get("corrected"))
        for kind, (words, tone) in _COUNTED.items():
            percentiles = found.get(kind)
            if not percentiles or (closed and kind == "service"):
                continue
            told = "as it shows them" if closed and kind == "response" else words
            key = f"{name}, {told}"
            values = {share: percentiles.get(field) for share, field in _SHARES.items()}
            cells = (figure(value, seconds(value)) for value in values.values())
            lines.append(Line((text(name), text(told), *cells), key))
            if tone and values["p50"] is not None and values["p99"] is not None:
                label = f"{name}, {_CLOSED[kind]}" if closed else name
                rows.append({
                    "key": key, "label": label, "tone": "reference" if closed and tone == "set" else tone,
                    "value": values["p50"] * 1e3, "far": values["p99"] * 1e3,
                    "text": f"{seconds(values['p50'])} · {seconds(values['p99'])}",
                })  # fmt: skip
    settings = record["settings"]
    about = (
        f"The server is stopped for {seconds(settings['stall_s'])}. The median (filled) and the 99th percentile "
        "(hollow) of each way of sending; grey, a closed loop, which asks nothing while it waits and so hides the "
        "stall; blue, open loops, whose latencies count from when captures were due."
    )
    description = "Median and 99th percentile of latency by way of sending, in milliseconds"
    chart = spans(rows, title="ms", description=description) if rows else None
    columns = ("row", "counted", *_SHARES)
    table = Table("load", columns, tuple(lines), "Latency percentiles of every row")
    return [Figure("load", "What a stall does to percentiles", about, table, chart, wide=True)]
