"""What a record that was judged again, or by dollars, shows beside the rest: its source, its notes, its prices."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.text import code, plain, table

_PRICES = {"vcpu_hour": "vCPU-hour", "put_per_1000": "1,000 PUT requests", "gb_month": "GB-month stored"}


def sections(record: dict[str, Any]) -> list[str]:
    """Markdown of both; empty for a record that was raced by time or bytes and never judged again."""
    lines: list[str] = []
    about = record.get("judged")
    if about:
        origin = (
            f"* The samples of a race by {plain(about['from_objective'])} were judged by {plain(record['objective'])}; "
            f"SHA-256 of its record: {code(about['source_sha256'][:16])}."
        )
        lines += ["## Judged again", "", origin, *(f"* {plain(note)}" for note in about["notes"]), ""]
    return lines + _dollars(record)


def _dollars(record: dict[str, Any]) -> list[str]:
    tariff = record.get("tariff")
    if not tariff:
        return []
    rows = sorted(_priced(record), key=lambda row: (row["usd_per_million"]["total"], row["arm"]))
    header = ("pipeline", "in flight", "$ per million", "CPU", "PUT", "storage")
    body = [
        (
            code(row["pipeline"]),
            str(row["in_flight"]),
            *(_usd(row["usd_per_million"][key]) for key in ("total", "cpu", "put", "storage")),
        )
        for row in rows
    ]
    prices = [
        (name, f"\\${tariff[key]['usd']:g}", plain(tariff[key]["source"]), plain(tariff[key]["as_of"]))
        for key, name in _PRICES.items()
    ]
    about = (
        f"{plain(tariff['name'])}; objects kept for {tariff['retention_days']:g} days; one PUT per capture; CPU "
        "seconds as used, idle time not charged; the captures of this race."
    )
    return [
        "## Dollars per million captures",
        "",
        about,
        "",
        *table(header, body),
        "",
        *table(("price of one", "", "source", "as of"), prices),
        "",
    ]


def _priced(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in record["results"] if row.get("usd_per_million") and row["role"] != "aa-twin"]


def _usd(value: float) -> str:
    return f"\\${value:.3g}"
