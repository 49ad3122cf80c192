"""A gate's record as the one comment on a change: the verdict, what changed, the rest folded; never over 60 lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from packhorse.bench.report.gate.facts import (
    WORDS,
    advice,
    change,
    change_title,
    environment,
    notes,
    percent,
    seconds,
    shared_level,
    verdict,
)
from packhorse.bench.report.text import plain, table

#: First line of every comment: what finds it again, so that it is updated and never posted twice.
MARKER = "<!-- packhorse gate -->"
#: Most lines of a comment. Its parts are cut so that their sum stays below, and say how much was cut.
MOST_LINES = 60
#: Rows shown openly, rows folded, notes: with 22 other lines at most, 60 in all.
_OPEN, _FOLDED, _NOTES = 12, 16, 10
#: Characters of a text that a record brings: an error can be a page long.
_TEXT = 200
_SIGNS = {"passed": "✅", "regressed": "❌", "broken": "❌", "new": "🆕"}
_UNSURE = "⚠️"
Record = dict[str, Any]
Row = dict[str, Any]


def render(record: Record, *, report_url: str | None = None) -> str:
    """The comment as GitHub Markdown, ending in a newline.

    Args:
        record: A gate's record (``bench/gate/gate.schema.json``). Names in it may be hostile: they are escaped.
        report_url: Where the whole report can be read; None for nowhere.
    """
    rows = record["rows"]
    changed = [row for row in rows if _changed(row)]
    calm = [row for row in rows if not _changed(row)]
    sign = {0: _SIGNS["passed"], 1: _SIGNS["regressed"]}.get(record["exit_code"], _UNSURE)
    lines = [MARKER, f"### {sign} packhorse gate: {_short(verdict(record))}", ""]
    if changed:
        lines += [*_table(changed, _OPEN), ""]
    else:
        lines += ["No row changed beyond its interval.", ""]
    noted = [f"* {_short(row['name'])}: {_short(note)}" for row in rows for note in notes(row)]
    if noted:
        lines += [*_cut(noted, _NOTES), ""]
    if advice(record):
        lines += [advice(record), ""]
    lines += _folded(record, calm)
    if report_url:
        lines += ["", f"[Whole report](<{_address(report_url)}>)"]
    return "\n".join(lines) + "\n"


def _changed(row: Row) -> bool:
    """Whether a row is worth a reader's eye: not passed, or its interval leaves out "no change"."""
    return bool(row["outcome"] != "passed" or row["low"] > 1 or row["high"] < 1)


def _folded(record: Record, calm: Sequence[Row]) -> list[str]:
    settings = record["settings"]
    lines = [f"<details><summary>{len(calm)} unchanged, and how this was measured</summary>", ""]
    if calm:
        lines += [*_table(calm, _FOLDED), ""]
    return [
        *lines,
        f"{_short(record['head'])} against {_short(record['base'])}: {_short(environment(record))}.",
        f"Times are of one pass over {len(record['captures'])} captures; seed {settings['seed']}. A row fails when a",
        "signed-rank test puts its slowdown above the margin, after Holm, and it is above it when measured again.",
        "",
        "</details>",
    ]


def _table(rows: Sequence[Row], most: int) -> list[str]:
    header = ("", "row", "base", "head", change_title(rows), "margin", "outcome")
    return _cut(table(header, [_cells(row, shared_level(rows)) for row in rows]), most + 2)


def _cut(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], "", f"… and {len(lines) - most + 1} more in the report."]


def _cells(row: Row, level: float | None) -> list[str]:
    return [
        _SIGNS.get(row["outcome"], _UNSURE),
        _short(row["name"]),
        seconds(row.get("base_s")),
        seconds(row.get("head_s")),
        change(row, level),
        percent(1 + row["margin_ratio"]),
        WORDS[row["outcome"]],
    ]


def _short(value: object) -> str:
    """Inert text, also for people: a name after an @ would be told of every comment, but for the space of no width."""
    text = str(value)
    return plain(text if len(text) <= _TEXT else f"{text[:_TEXT]}…").replace("@", "@&#8203;")


def _address(url: str) -> str:
    """A URL that cannot end its own brackets."""
    return "".join(c for c in url if c.isprintable() and c not in '<> "\\`')
