"""A gate's record as Markdown: the job summary of a CI run."""

from __future__ import annotations

from typing import Any

from packhorse.report.gate.facts import WORDS, advice, change, environment, percent, seconds, size_note, verdict
from packhorse.report.text import plain, table


def markdown(record: dict[str, Any]) -> str:
    """The whole summary, ending with a newline."""
    header = ["row", "base", "head", "change [95 %]", "margin", "noise floor", "measured", "outcome"]
    lines = [
        f"# packhorse gate: {plain(verdict(record))}",
        "",
        f"{plain(record['head'])} against {plain(record['base'])}",
        "",
        *table(header, [_cells(row) for row in record["rows"]]),
        "",
    ]
    notes = [f"* {plain(row['name'])}: {plain(note)}" for row in record["rows"] for note in _notes(row)]
    if notes:
        lines += [*notes, ""]
    if advice(record):
        lines += [advice(record), ""]
    lines += [
        "<details><summary>How this was measured</summary>",
        "",
        f"{plain(environment(record))}. Each time is that of one pass over {len(record['captures'])} captures.",
        "A row fails only if a signed-rank test puts its slowdown above the margin, after Holm, in two measurements;",
        "it passes only if the test puts it below. The noise floor is the base measured against itself.",
        "",
        f"`{plain(record['command'])}`",
        "",
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    floor = row.get("noise_floor_ratio")
    return [
        plain(row["name"]),
        seconds(row.get("base_s")),
        seconds(row.get("head_s")),
        change(row),
        percent(1 + row["margin_ratio"]),
        "–" if floor is None else f"± {100 * (floor - 1):.1f} %",
        {1: "once", 2: "twice"}.get(row.get("measurements", 0), "–"),
        WORDS[row["outcome"]],
    ]


def _notes(row: dict[str, Any]) -> list[str]:
    found = [f"{'fails' if row['outcome'] == 'broken' else 'not there'}: {row['error']}"] if "error" in row else []
    return found + ([size_note(row)] if size_note(row) else [])
