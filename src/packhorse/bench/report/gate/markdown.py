"""A gate's record as Markdown: the job summary of a CI run."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.gate.facts import (
    WORDS,
    advice,
    change,
    change_title,
    environment,
    measured,
    notes,
    percent,
    seconds,
    shared_level,
    verdict,
)
from packhorse.bench.report.text import code, plain, table
from packhorse.bench.sampler import FOREIGN_SHARE, busy

#: Incidents that the summary names; the record has them all.
_INCIDENTS = 5


def markdown(record: dict[str, Any]) -> str:
    """The whole summary, ending with a newline."""
    rows = record["rows"]
    header = ["row", "base", "head", change_title(rows), "margin", "noise floor", "measured", "outcome"]
    lines = [
        f"# packhorse gate: {plain(verdict(record))}",
        "",
        f"{plain(record['head'])} against {plain(record['base'])}",
        "",
        *table(header, [_cells(row, shared_level(rows)) for row in rows]),
        "",
    ]
    noted = [f"* {plain(row['name'])}: {plain(note)}" for row in rows for note in notes(row)]
    if noted:
        lines += [*noted, ""]
    if advice(record):
        lines += [advice(record), ""]
    lines += [
        "<details><summary>How this was measured</summary>",
        "",
        f"{plain(environment(record))}. Each time is that of one pass over {len(record['captures'])} captures.",
        "A row fails only if a signed-rank test puts its slowdown above the margin, after Holm, and a second",
        "measurement is above it too; it passes only if the test puts it below. A row's figures are of what decided.",
        "The noise floor is the base measured against itself, in the first blocks.",
        "",
        *_disturbed(record),
        *_incidents(record),
        code(record["command"]),
        "",
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _disturbed(record: dict[str, Any]) -> list[str]:
    """How many rounds others disturbed, and whether they count all the same."""
    shares = [share for t in record["timings"] for share in t["foreign_share"]]
    disturbed = sum(share > FOREIGN_SHARE for share in shares)
    counted = sum(
        counts and share > FOREIGN_SHARE
        for t in record["timings"]
        for share, counts in zip(t["foreign_share"], t["counted"], strict=False)
    )
    if not disturbed:
        return []
    busy_too = " Busy machine: differences are harder to see." if busy(shares) else ""
    return [f"Others disturbed {disturbed} of {len(shares)} samples; {counted} of these count.{busy_too}", ""]


def _incidents(record: dict[str, Any]) -> list[str]:
    """Blocks that were measured again because a process died in them, the first few in full."""
    found = record.get("incidents", [])
    more = [f"* … and {len(found) - _INCIDENTS} more in the record"] if len(found) > _INCIDENTS else []
    lines = [f"* {plain(incident)}" for incident in found[:_INCIDENTS]]
    return [f"Measured again, as a process died ({len(found)}):", "", *lines, *more, ""] if found else []


def _cells(row: dict[str, Any], level: float | None) -> list[str]:
    floor = row.get("noise_floor_ratio")
    return [
        plain(row["name"]),
        seconds(row.get("base_s")),
        seconds(row.get("head_s")),
        change(row, level),
        percent(1 + row["margin_ratio"]),
        "–" if floor is None else f"± {100 * (floor - 1):.1f} %",
        measured(row),
        WORDS[row["outcome"]],
    ]
