"""A race's verdict and ranking on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.report.markdown import headline
from packhorse.report.text import bytes_, rate, seconds, times

if TYPE_CHECKING:
    from rich.console import Console


#: Columns below which the table leaves memory out.
NARROW = 90


def show(record: dict[str, Any], console: Console) -> None:
    """Print the verdict and the ranking. Names in the record are printed as plain text, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    winner = record["winner"]
    grid = Table(title="End to end, fastest first", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("pipeline", overflow="fold", min_width=28)
    titles: tuple[str, ...] = ("in flight", "capt./s", "× ref.", "CPU", "stored", "memory")
    if console.width < NARROW:  # the report has the rest
        titles = titles[:-1]
    for title in titles:
        grid.add_column(title, justify="right", no_wrap=title != "in flight")
    for row in record["results"]:
        if row["role"] == "aa-twin":
            continue
        name = Text(row["pipeline"], style="bold" if row["arm"] in winner.get("set_arms", ()) else "")
        if row["captures_per_s"] is None:
            grid.add_row(name, str(row["in_flight"]), Text("failed" if row["error"] else "not measured", style="red"))
            continue
        cells = (
            str(row["in_flight"]),
            rate(row["captures_per_s"]),
            times(row["speedup_over_reference"]),
            seconds(row["cpu_s"]),
            bytes_(row["bytes_out"]),
            bytes_(row["peak_rss_bytes"]),
        )
        grid.add_row(name, *cells[: len(titles)])
    console.print(grid)
    console.print(Text(headline(record), style="bold"))
    confirmed = winner.get("held_out")
    if confirmed:
        console.print(
            Text(
                f"Measured again on held-out captures: {rate(confirmed['captures_per_s'])} captures/s, "
                f"{times(confirmed['speedup_over_reference'])} the reference."
            )
        )
    if record["errors"]:
        console.print(Text(f"{len(record['errors'])} failed; see the report.", style="red"))
