"""A gate's record on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.report.gate.facts import WORDS, advice, change, percent, seconds, size_note, verdict

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
    for title in ("base", "head", "change [95 %]", "margin", "outcome"):
        grid.add_column(title, justify="right")
    for row in record["rows"]:
        outcome = Text(WORDS[row["outcome"]], style=_STYLES.get(row["outcome"], "yellow"))
        cells = (seconds(row.get("base_s")), seconds(row.get("head_s")), change(row), percent(1 + row["margin_ratio"]))
        grid.add_row(Text(row["name"]), *cells, outcome)
    console.print(grid)
    for row in record["rows"]:
        for note in filter(None, (row.get("error"), size_note(row))):
            console.print(Text(f"{row['name']}: {note}"))
    console.print(Text(verdict(record), style="bold"))
    if advice(record):
        console.print(Text(advice(record)))
