"""What the page says first: the choice's figures, and how many times faster it is than what it replaces."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from packhorse.bench.race.cost import Price, Tariff, packaged_tariff, priced

Record = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times more captures a second, with its 95 % interval.

    Attributes:
        value: Times.
        low, high: The interval's ends; None where it stands on too little.
        covers: What the interval is over.
    """

    value: float
    low: float | None
    high: float | None
    covers: str


def multiple(value: float) -> str:
    """``3.6 ×``: the one form in which the page writes how many times faster the choice is."""
    if value < 0.995:
        return f"{value:.2g} ×"
    return f"{value:.1f} ×" if value < 9.95 else f"{value:,.0f} ×"


def of_role(rows: list[Row], role: str) -> Row | None:
    """The measured row of a role."""
    return next((row for row in rows if row["role"] == role and row["captures_per_s"] is not None), None)


def times_over(record: Record, preset: str) -> Ratio | None:
    """How many times faster than a preset: the uploader as it is imported, or the choice in the finals."""
    if record["published"]:
        found = record["published"][f"over_{preset}"]
        return Ratio(**found) if found else None
    value = record["winner"][f"speedup_over_{preset}"]
    return None if value is None else Ratio(value, None, None, "the race, a median over processes")


def per_process(row: Row) -> dict[int, float]:
    """Wall seconds per capture of the row's mean size: medians over each process's counted samples."""
    if not row["wall_s"] or not row["raw_bytes_per_s"]:
        return {}
    mean_bytes = row["raw_bytes_per_s"] * row["wall_s"]
    found: dict[int, list[float]] = {}
    for sample in row["samples"]:
        if sample["counted"]:
            found.setdefault(sample["process"], []).append(sample["wall_s"] * mean_bytes / sample["raw_bytes"])
    return {process: median(values) for process, values in found.items()}


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
    sizes = [file["plain_bytes"] for file in record["captures"]]
    return sum(sizes) / len(sizes) if sizes else None
