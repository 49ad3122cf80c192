"""A race's verdict and ranking on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.bench.report import verdicts
from packhorse.bench.report.interval_column import FARTHEST, drawn
from packhorse.bench.report.markdown import headline
from packhorse.bench.report.text import bytes_, rate, seconds, times

if TYPE_CHECKING:
    from rich.console import Console


#: Columns of a terminal below which these are left out; the report has them. In flight stands behind the name then.
_WIDTHS = {"CPU": 130, "memory": 114, "in flight": 104}
#: Characters of an interval, and where in flight has no column.
_SPAN, _NARROW_SPAN = 17, 11


def show(record: dict[str, Any], console: Console) -> None:
    """Print the ranking with its intervals, and the verdict. Names are printed as plain text, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    narrow = console.width < _WIDTHS["in flight"]
    rows = [row for row in record["results"] if row["role"] != "aa-twin"]
    intervals = drawn([_effect(row, record) for row in rows], _NARROW_SPAN if narrow else _SPAN)
    grid = Table(title="End to end, fastest first", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("pipeline", overflow="fold", min_width=22 if narrow else 28)
    every = ("in flight", "capt./s", "× ref.", "verdict", "CPU", "stored", "memory")
    titles = [title for title in every if console.width >= _WIDTHS.get(title, 0)]
    for title in titles:
        grid.add_column(title, justify="right", no_wrap=title != "in flight")
    if intervals:
        grid.add_column(f"cost\n{intervals.scale}" if narrow else f"cost, 95 %\n{intervals.scale}", no_wrap=True)
    for index, row in enumerate(rows):
        at = f" @{row['in_flight']}" if narrow else ""
        name = Text(row["pipeline"] + at, style="bold" if row["arm"] in record["winner"].get("set_arms", ()) else "")
        if row["captures_per_s"] is None:
            failed = Text("failed" if row["error"] else "not measured", style="red")
            grid.add_row(name, *([] if narrow else [str(row["in_flight"])]), failed)
            continue
        cells = {
            "in flight": str(row["in_flight"]),
            "capt./s": rate(row["captures_per_s"]),
            "× ref.": times(row["speedup_over_reference"]),
            "verdict": verdicts.word(row, record),
            "CPU": seconds(row["cpu_s"]),
            "stored": bytes_(row["bytes_out"]),
            "memory": bytes_(row["peak_rss_bytes"]),
        }
        grid.add_row(name, *(cells[title] for title in titles), *([intervals.cells[index]] if intervals else []))
    console.print(grid)
    _explain(record, console)
    console.print(Text(headline(record), style="bold"))
    confirmed = record["winner"].get("held_out")
    if confirmed:
        console.print(
            Text(
                f"Measured again on held-out captures: {rate(confirmed['captures_per_s'])} captures/s, "
                f"{times(confirmed['speedup_over_reference'])} the reference."
            )
        )
    if record["errors"]:
        console.print(Text(f"{len(record['errors'])} failed; see the report.", style="red"))


def _effect(row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any] | None:
    """A row's cost over the yardstick; the yardstick's own is what it differed from itself by."""
    if row["arm"] == record["method"]["yardstick"]:
        noise: dict[str, Any] | None = record["noise"]
        return noise
    return row.get("verdict")


def _explain(record: dict[str, Any], console: Console) -> None:
    if record["method"]["yardstick"]:
        console.print(
            f"Verdicts and costs are over the yardstick (│), raced twice: its own cost is over itself, and the noise "
            f"floor {verdicts.noise(record)}. ◀ and ▶: beyond {FARTHEST:.0f} %.",
            style="dim",
        )
