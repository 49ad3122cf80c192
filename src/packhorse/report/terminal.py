"""A race's verdict and ranking on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.report import verdicts
from packhorse.report.markdown import headline
from packhorse.report.text import bytes_, rate, seconds, times

if TYPE_CHECKING:
    from rich.console import Console


#: Columns below which the table leaves CPU and memory out.
NARROW = 100


def show(record: dict[str, Any], console: Console) -> None:
    """Print the verdict and the ranking. Names in the record are printed as plain text, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    winner = record["winner"]
    grid = Table(title="End to end, fastest first", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("pipeline", overflow="fold", min_width=28 if console.width >= NARROW else 22)
    titles: tuple[str, ...] = ("in flight", "capt./s", "× ref.", "verdict", "CPU", "stored", "memory")
    if console.width < NARROW:  # the report has the rest
        titles = tuple(title for title in titles if title not in ("CPU", "memory"))
    for title in titles:
        grid.add_column(title, justify="right", no_wrap=title != "in flight")
    for row in record["results"]:
        if row["role"] == "aa-twin":
            continue
        name = Text(row["pipeline"], style="bold" if row["arm"] in winner.get("set_arms", ()) else "")
        if row["captures_per_s"] is None:
            grid.add_row(name, str(row["in_flight"]), Text("failed" if row["error"] else "not measured", style="red"))
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
        grid.add_row(name, *(cells[title] for title in titles))
    console.print(grid)
    if record["method"]["yardstick"]:
        console.print(
            f"Verdicts are over the yardstick, raced twice; noise floor {verdicts.noise(record)}.", style="dim"
        )
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
