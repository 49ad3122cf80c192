"""Short names for the rows of a race: a letter, and what of the pipeline differs from row to row."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

Record = dict[str, Any]
Row = dict[str, Any]

PRESETS = {"reference": "original design", "common": "common stack"}


def shown_rows(record: Record) -> list[Row]:
    """Rows as tables show them: the chosen first, then from the best on; common stack and original design last."""
    rows = [row for row in record["results"] if row["role"] != "aa-twin"]
    order = {"common": 1, "reference": 2}
    return sorted(rows, key=lambda row: order.get(row["role"], 0))  # stable: the record has them in order


def letters(record: Record) -> dict[str, str]:
    """Arm → its letter: A to Z, then AA and so on; presets have none."""
    arms = [row["arm"] for row in shown_rows(record) if row["role"] not in PRESETS]
    count = len(ascii_uppercase)
    return {
        arm: (ascii_uppercase[index // count - 1] if index >= count else "") + ascii_uppercase[index % count]
        for index, arm in enumerate(arms)
    }


def differing(record: Record) -> dict[str, str]:
    """Arm → what differs: of the first row all parts that are not the same in all rows, of others what it has not.

    A preset's is its name. None is empty.
    """
    rows = shown_rows(record)
    own = [row for row in rows if row["role"] not in PRESETS]
    words = {row["arm"]: row["arm"].rpartition(" @")[0].split(" | ") for row in own}
    first = words[own[0]["arm"]] if own else []
    stages = max(map(len, words.values()), default=0)
    varied = [at for at in range(stages) if len({tuple(w[at : at + 1]) for w in words.values()}) > 1]
    levels = {row["in_flight"] for row in own}
    found = {}
    for row in rows:
        if row["role"] in PRESETS:
            found[row["arm"]] = PRESETS[row["role"]]
            continue
        mine = words[row["arm"]]
        parts = [
            mine[at] for at in varied if at < len(mine) and (row is own[0] or mine[at : at + 1] != first[at : at + 1])
        ]
        level = len(levels) > 1 and (row is own[0] or row["in_flight"] != own[0]["in_flight"])
        found[row["arm"]] = " ".join([*parts, *([f"@{row['in_flight']}"] if level else [])]) or mine[-1]
    return found


def same(record: Record) -> str:
    """The parts that all rows share, for one line below a table; empty where nothing is."""
    own = [row for row in shown_rows(record) if row["role"] not in PRESETS]
    words = [row["arm"].rpartition(" @")[0].split(" | ") for row in own]
    if len(own) < 2:
        return ""
    shared = [w for at, w in enumerate(words[0]) if all(other[at : at + 1] == [w] for other in words)]
    levels = {row["in_flight"] for row in own}
    return ", ".join([*shared, *([f"{levels.pop()} in flight"] if len(levels) == 1 else [])])
