"""A record's ranking by its own objective, on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from packhorse.bench.report.interval_column import drawn
from packhorse.bench.report.markdown import headline
from packhorse.bench.report.text import bytes_, rate, seconds

if TYPE_CHECKING:
    from rich.console import Console


#: Columns of a terminal from which on intervals are drawn, and characters of one.
_WIDE, _SPAN = 100, 17


def show(record: dict[str, Any], console: Console) -> None:
    """Print the ranking by the record's own objective, the verdict, and what limits it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        title=f"By {record['objective']}, best first", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    grid.add_column("pipeline", overflow="fold", min_width=28)
    own = "$/million" if record["objective"] == "cost" else record["objective"]
    for title in ("in flight", own, "behind", "capt./s"):
        grid.add_column(title, justify="right", no_wrap=title != "in flight")
    rows = [row for row in record["results"] if row["against_best"] is not None]
    rows.sort(key=lambda row: (row["against_best"]["log_ratio"], row["arm"]))
    intervals = drawn([row["against_best"] for row in rows], _SPAN) if console.width >= _WIDE else None
    if intervals:
        grid.add_column(f"95 %\n{intervals.scale}", no_wrap=True)
    for index, row in enumerate(rows):
        style = "bold" if row["arm"] in record["winner"].get("set_arms", ()) else ""
        behind = f"{math.expm1(row['against_best']['log_ratio']):+.1%}"
        figures = (figure(row, record["objective"]), behind, rate(row["captures_per_s"]))
        drawn_too = [intervals.cells[index]] if intervals else []
        grid.add_row(Text(row["pipeline"], style=style), str(row["in_flight"]), *figures, *drawn_too)
    console.print(grid)
    console.print(Text(headline(record), style="bold"))
    for note in record.get("judged", {}).get("notes", ()):
        console.print(Text(f"* {note}"))


def figure(row: dict[str, Any], objective: str) -> str:
    """A row's figure by an objective, with its unit; dollars per million captures for ``cost``."""
    if objective == "cost":
        priced = row.get("usd_per_million")
        return f"{priced['total']:.3g}" if priced else "–"
    values = {
        "throughput": seconds(row["wall_s"]),
        "latency": seconds(row["latency"]["p50_s"]),
        "cpu": seconds(row["cpu_s"]),
        "size": bytes_(row["bytes_out"]),
        "memory": bytes_(row["peak_rss_bytes"]),
    }
    return values[objective]
