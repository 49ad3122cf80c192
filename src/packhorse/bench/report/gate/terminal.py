"""A gate's record on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.bench.report.gate.facts import (
    WORDS,
    advice,
    change,
    change_title,
    notes,
    percent,
    seconds,
    shared_level,
    verdict,
)

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"passed": "green", "regressed": "bold red", "broken": "bold red"}


def show(record: dict[str, Any], console: Console) -> None:
    """Print the rows and the verdict. Names in the record are printed as plain text, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("row", overflow="fold")
    level = shared_level(record["rows"])
    for title in ("base", "head", change_title(record["rows"]), "margin", "outcome"):
        grid.add_column(Text(title), justify="right")
    for row in record["rows"]:
        outcome = Text(WORDS[row["outcome"]], style=_STYLES.get(row["outcome"], "yellow"))
        cells = (
            seconds(row.get("base_s")),
            seconds(row.get("head_s")),
            change(row, level),
            percent(1 + row["margin_ratio"]),
        )
        grid.add_row(Text(row["name"]), *cells, outcome)
    console.print(grid)
    for row in record["rows"]:
        for note in notes(row):
            console.print(Text(f"{row['name']}: {note}"))
    console.print(Text(verdict(record), style="bold"))
    if advice(record):
        console.print(Text(advice(record)))
