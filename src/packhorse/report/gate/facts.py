"""What a gate's record says, in words: shared by its renderings."""

from __future__ import annotations

from collections import Counter
from typing import Any

from packhorse.units import format_s

#: Outcome → word for people.
WORDS = {
    "passed": "passed",
    "regressed": "REGRESSED",
    "broken": "BROKEN",
    "unresolved": "unresolved",
    "inconclusive: environment": "inconclusive: environment",
    "new": "new, not compared",
}
#: Changes of the output's size up to this are not worth a line: keys and salts that are drawn anew change it a little.
SIZE_NOTE_SHARE = 0.002


def percent(ratio: float) -> str:
    """A ratio of times as a change: 1.034 → ``+3.4 %``."""
    return f"{100 * (ratio - 1):+.1f} %"


def verdict(record: dict[str, Any]) -> str:
    """One sentence."""
    counts = Counter(row["outcome"] for row in record["rows"])
    code = record["exit_code"]
    if code == 0:
        return f"Passed: no row is slower than its margin ({_rows(len(record['rows']))})."
    if code == 1:
        bad = [row["name"] for row in record["rows"] if row["outcome"] in {"regressed", "broken"}]
        return f"Regressed: {', '.join(bad)}."
    if counts["inconclusive: environment"]:
        return "Unresolved: this machine was too unsteady. The base differed from itself, so nothing was judged."
    return f"Unresolved: {_rows(counts['unresolved'])} could be called neither slower than the margin nor within it."


def advice(record: dict[str, Any]) -> str:
    """What to do next; empty when all is well."""
    if record["exit_code"] == 0:
        return ""
    if record["exit_code"] == 3:
        return "Run it again on a quieter machine, or with more blocks (`--blocks`), or allow the row a wider margin."
    return "Each failing row failed in two measurements. Profile it on both sides, or raise its margin with a reason."


def change(row: dict[str, Any]) -> str:
    """The change of a row with its interval."""
    if "ratio" not in row:
        return "–"
    return f"{percent(row['ratio'])} [{percent(row['low'])}, {percent(row['high'])}]"


def size_note(row: dict[str, Any]) -> str:
    """How the output changed, where a row has one that can be counted."""
    base, head = row["bytes_out"]["base"], row["bytes_out"]["head"]
    if not base or not head or abs(head - base) <= SIZE_NOTE_SHARE * base:
        return ""
    return f"output {base:,} → {head:,} bytes"


def seconds(value: float | None) -> str:
    """A time, or a dash."""
    return "–" if value is None else format_s(value)


def environment(record: dict[str, Any]) -> str:
    """Where it was measured, in one line."""
    machine, settings = record["machine"], record["settings"]
    return (
        f"{machine.get('cpu_model')}, {machine.get('cores_usable')} cores, Python {machine.get('python')}; link "
        f"{record['link']}; {settings['blocks']} blocks of three fresh processes, "
        f"{settings['environments']} environments"
    )


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
