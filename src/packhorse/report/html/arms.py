"""End-to-end rows of a record, as the page orders, names and colours them."""

from __future__ import annotations

import math
from typing import Any

Record = dict[str, Any]
Row = dict[str, Any]

_MARKS = {"chosen": "◆ chosen", "set": "● in the set", "reference": "the original design", "common": "the common stack"}


def ordered(record: Record) -> list[Row]:
    """Measured rows from the best on, the A/A twin left out: the set by distance from the best, others by time."""
    rows = [row for row in record["results"] if row["captures_per_s"] is not None and row["role"] != "aa-twin"]
    return sorted(rows, key=lambda row: (_behind(row), row["wall_s"], row["arm"]))


def _behind(row: Row) -> float:
    rival = row.get("against_best")
    return float(rival["log_ratio"]) if rival else math.inf


def tone(row: Row, record: Record) -> str:
    """``chosen``, ``set``, ``candidate``, ``common`` or ``reference``."""
    winner = record["winner"]
    if row["pipeline"] == winner["pipeline"] and row["in_flight"] == winner.get("in_flight"):
        return "chosen"
    if row["arm"] in winner.get("set_arms", ()):
        return "set"
    return str(row["role"]) if row["role"] in {"common", "reference"} else "candidate"


def mark(row: Row, record: Record) -> str:
    """The tone in words; empty for a plain candidate."""
    return _MARKS.get(tone(row, record), "")


def label(row: Row, record: Record) -> str:
    """The arm, with its mark in front or what it stands for behind."""
    sign = {"chosen": "◆ ", "set": "● "}.get(tone(row, record), "")
    name = {"common": " (common stack)", "reference": " (original design)"}.get(tone(row, record), "")
    return f"{sign}{row['arm']}{name}"
