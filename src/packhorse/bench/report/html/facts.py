"""What the page says first: the choice's figures, and how many times faster it is than what it replaces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from packhorse.bench.race.cost import Price, Tariff, packaged_tariff, priced
from packhorse.bench.report.html.order import median_interval, middle

Record = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times more captures a second, as the median over blocks, with its 95 % interval.

    Attributes:
        value: Times.
        low: Lower end; None with fewer than six blocks.
        high: Upper end.
        blocks: Blocks that measured both.
    """

    value: float
    low: float | None
    high: float | None
    blocks: int


def chosen(rows: list[Row], record: Record) -> Row | None:
    """The row of the chosen pipeline, its A/A twin aside; None where it was not measured.

    ``rows`` are the record's results, or those of its last measurement. Arms are compared: texts of pipelines differ
    where one names a pool that goes without saying in the other.
    """
    winner = record["winner"]
    wanted = (winner["pipeline"], winner.get("in_flight"))
    arms = {r["arm"] for r in record["results"] if (r["pipeline"], r["in_flight"]) == wanted and r["role"] != "aa-twin"}
    return next((row for row in rows if row["arm"] in arms and row["role"] != "aa-twin"), None)


def of_role(rows: list[Row], role: str) -> Row | None:
    """The fastest measured row of a role: the original design counts at the better of its concurrencies."""
    found = [row for row in rows if row["role"] == role and row["captures_per_s"] is not None]
    return max(found, key=lambda row: row["captures_per_s"], default=None)


def ratio(row: Row | None, other: Row | None) -> Ratio | None:
    """How many times faster ``row`` is than ``other``, paired within blocks; None where they share none."""
    if row is None or other is None:
        return None
    mine, theirs = per_block(row), per_block(other)
    logs = [math.log(theirs[block] / mine[block]) for block in sorted(mine.keys() & theirs.keys())]
    value = middle(logs)
    if value is None:
        return None
    ends = median_interval(logs)
    low, high = (math.exp(ends[0]), math.exp(ends[1])) if ends else (None, None)
    return Ratio(math.exp(value), low, high, len(logs))


def per_block(row: Row) -> dict[int, float]:
    """Wall seconds per capture of each block."""
    return {sample["block"]: sample["wall_s"] / sample["captures"] for sample in row["samples"]}


def tariff_of(record: Record) -> Tariff:
    """The prices the record was judged by, or the packaged ones."""
    found = record.get("tariff")
    if not found:
        return packaged_tariff()
    prices = {key: Price(**found[key]) for key in ("vcpu_hour", "put_per_1000", "gb_month")}
    return Tariff(name=found["name"], retention_days=found["retention_days"], **prices)


def usd_per_million(row: Row | None, record: Record) -> float | None:
    """Dollars per million captures of a row, all parts together."""
    parts = priced(row, tariff_of(record)) if row else None
    return parts["total"] if parts else None


def raw_bytes(record: Record) -> float | None:
    """Mean size in bytes of the captures that were raced."""
    sizes = [file["plain_bytes"] for file in record["captures"] if file["use"] == "raced"]
    return sum(sizes) / len(sizes) if sizes else None
