"""What a page is made of: figures, each with the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: As shown.
        order: What the column is sorted by; None sorts last. Texts sort by themselves.
        code: Whether it is a name or a command.
    """

    text: str
    order: float | str | None = None
    code: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table.

    Attributes:
        cells: One for each column.
        key: What the filter and the page's address know it by; empty where it stands for no pipeline or candidate.
        tone: What it is (see ``plots/look.py``); empty for nothing in particular.
    """

    cells: tuple[Cell, ...]
    key: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows.

    Attributes:
        name: Unique on the page; the page's address names it when it is sorted.
        columns: Titles, with units.
        lines: Rows.
        caption: What the rows are, for those who hear the page.
    """

    name: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot, what it says, and the table behind it.

    Attributes:
        name: Unique on the page.
        title: What is shown.
        about: How to read it, and what it stands on.
        table: The same figures as text.
        chart: A Vega-Lite specification; None where nothing was measured.
        wide: Whether it takes the page's whole width.
        unfolded: Whether its table is open at first.
        broad: Whether it keeps its width on a phone, and is moved inside its frame.
    """

    name: str
    title: str
    about: str
    table: Table
    chart: dict[str, Any] | None = None
    wide: bool = False
    unfolded: bool = False
    broad: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Figures and tables under one heading; ``short`` is its name among the page's links."""

    name: str
    title: str
    short: str
    figures: Sequence[Figure] = ()
    tables: Sequence[tuple[str, Table]] = ()
    notes: Sequence[str] = field(default=())


def text(value: object, *, code: bool = False) -> Cell:
    """A cell of text."""
    shown = "–" if value is None else str(value)
    return Cell(shown, shown, code)


def figure(value: float | None, shown: str) -> Cell:
    """A cell of a number, with its unit in ``shown``."""
    return Cell(shown, value)
