"""What a gate's record says, in words: shared by its renderings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    "base failed": "not compared: base fails",
}
#: Changes of the output's size up to this are not worth a line: keys and salts that are drawn anew change it a little.
SIZE_NOTE_SHARE = 0.002


def percent(ratio: float) -> str:
    """A ratio of times as a change: 1.034 → ``+3.4 %``."""
    return f"{100 * (ratio - 1):+.1f} %"


def verdict(record: dict[str, Any]) -> str:
    """One or two sentences. Only compared rows are counted."""
    named: dict[str, list[str]] = {}
    for row in record["rows"]:
        named.setdefault(row["outcome"], []).append(row["name"])
    code = record["exit_code"]
    if record.get("interrupted"):
        return "Unresolved: interrupted before it had decided. What was measured until then is kept."
    if code == 0:
        new = f", {len(named['new'])} new" if "new" in named else ""
        return f"Passed: no row is slower than its margin ({_rows(len(named.get('passed', [])))} compared{new})."
    if code == 1:
        said = [(word, named.get(word.lower(), [])) for word in ("Regressed", "Broken")]
        return " ".join(f"{word}: {', '.join(names)}." for word, names in said if names)
    if "inconclusive: environment" in named:
        return "Unresolved: this machine was too unsteady. The base differed from itself, so nothing was judged."
    failed = f"the base cannot run {', '.join(named['base failed'])}" if "base failed" in named else ""
    count = len(named.get("unresolved", []))
    opened = f"{_rows(count)} could be called neither slower than the margin nor within it" if count else ""
    why = "; ".join(filter(None, (failed, opened))) or "every row is new, so there is nothing to compare with"
    return f"Unresolved: {why}."


#: Outcome → what to do about it, in the order said.
_ADVICE = {
    "regressed": "A regressed row was above its margin again when it was measured a second time: profile it on both "
    "sides, or raise its margin with a reason.",
    "broken": "A broken row does not run on the change, for the reason shown: it has to run before it can be timed.",
    "base failed": "What fails on the base alone was not compared: mend it there, or name a base that runs.",
    "inconclusive: environment": "Run it again on a quieter machine; `packhorse doctor` names what makes one unsteady.",
    "unresolved": "Run it again on a quieter machine or with more blocks (`--blocks`), or widen the row's margin.",
}


def advice(record: dict[str, Any]) -> str:
    """What to do next; empty when all is well."""
    if record["exit_code"] == 0:
        return ""
    if record.get("interrupted"):
        return "Run it again."
    wanted = {"regressed", "broken"} if record["exit_code"] == 1 else set(_ADVICE)
    wanted &= {row["outcome"] for row in record["rows"]}
    return " ".join(text for outcome, text in _ADVICE.items() if outcome in wanted)


def shared_level(rows: Sequence[dict[str, Any]]) -> float | None:
    """The confidence level that most rows' intervals have; None where no row has one."""
    counts = Counter(row["level"] for row in rows if "level" in row)
    return max(counts, key=lambda level: (counts[level], -level)) if counts else None


def change_title(rows: Sequence[dict[str, Any]]) -> str:
    """Heading of the column of changes, with the level of their intervals."""
    level = shared_level(rows)
    return "change [interval]" if level is None else f"change [{_level(level)}]"


def change(row: dict[str, Any], shared: float | None = None) -> str:
    """The change of a row with its interval, and the interval's level where it is not the one said above."""
    if "ratio" not in row:
        return "–"
    own = f" at {_level(row['level'])}" if "level" in row and row["level"] != shared else ""
    return f"{percent(row['ratio'])} [{percent(row['low'])}, {percent(row['high'])}]{own}"


def _level(level: float) -> str:
    return f"{100 * level:.4g} %"


def measured(row: dict[str, Any]) -> str:
    """How often a row was measured, and which of it decided."""
    judged = {(2,): ", the second judged", (1, 2): ", judged together"}.get(
        tuple(row.get("judged_measurements", ())), ""
    )
    return {1: "once", 2: f"twice{judged}"}.get(row.get("measurements", 0), "–")


#: Outcome of a row that has an error → what the error is of.
_ERROR_OF = {"broken": "fails", "new": "not in the base", "base failed": "fails on the base"}


def notes(row: dict[str, Any]) -> list[str]:
    """What has to be said of a row beside its figures."""
    error = row.get("error")
    found = [f"{_ERROR_OF.get(row['outcome'], 'not measured')}: {error}"] if error else []
    return found + ([size_note(row)] if size_note(row) else [])


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
        f"{record['link']}; {settings['blocks']} blocks of fresh processes, in turns; "
        f"{settings['environments']} environments"
    )


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
