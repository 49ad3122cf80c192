"""Figures and hostile text as Markdown cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from packhorse.units import format_bytes, format_s

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_ACTIVE = re.compile(r"([\\`*_{}\[\]#!~$])")
#: Written as entities: these would otherwise be HTML, cell borders, or the start of a link that GitHub makes by itself.
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("://", "&#58;//"), ("www.", "www&#46;"))
_ABSENT = "–"


def plain(value: object) -> str:
    """Any text as inert inline Markdown: control and bidirectional characters become spaces, markup is escaped."""
    text = _CONTROL.sub(" ", str(value))
    for character, entity in _ENTITIES:
        text = text.replace(character, entity)
    return _ACTIVE.sub(r"\\\1", text).replace("&\\#", "&#")


def code(value: object) -> str:
    """Any text as a code span that cannot be broken out of, also inside a table cell."""
    text = _CONTROL.sub(" ", str(value)).strip() or " "
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    # A table's cell is cut before its code spans are read, and parsers differ over a backslash before a border.
    text = re.sub(r"\\+(?=\|)", lambda run: "∖" * len(run[0]), text)
    return f"{fence}{pad}{text}{pad}{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A GitHub table. Pipes inside code spans are escaped here, since only tables need it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    return [line(header), "|" + " --- |" * len(header), *(line(row) for row in rows)]


def seconds(value: float | None) -> str:
    """``4.21 ms``."""
    return _ABSENT if value is None else format_s(value)


def bytes_(value: float | None) -> str:
    """``1.13 MB``."""
    return _ABSENT if value is None else format_bytes(value)


def number(value: float | None) -> str:
    """Three significant digits, never as a power of ten when large."""
    if value is None:
        return _ABSENT
    short = f"{value:.3g}"
    return f"{float(short):,.0f}" if abs(value) >= 999.5 else short


def rate(value: float | None) -> str:
    """Per second: whole above 100, three significant digits below."""
    if value is None:
        return _ABSENT
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float | None) -> str:
    """``31.2×``."""
    return _ABSENT if value is None else f"{rate(value)}×"


def percent(value: float) -> str:
    """``1.9 %``."""
    return f"{value * 100:.1f} %"


def signed(value: float) -> str:
    """One decimal with its sign; what rounds to zero is ``0.0``."""
    shown = f"{value:+.1f}"
    return "0.0" if shown in {"+0.0", "-0.0"} else shown
