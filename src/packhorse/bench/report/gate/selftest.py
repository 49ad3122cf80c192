"""The gate's self-test as Markdown."""

from __future__ import annotations

from typing import Any

from packhorse.bench.gate.config import DEFAULT_BLOCKS
from packhorse.bench.report.gate.facts import percent
from packhorse.bench.report.text import code, plain, table


def markdown(record: dict[str, Any]) -> str:
    """Power curve, false alarms and the loaded measurement, ending with a newline."""
    verdict = record["verdict"]
    power = ", ".join(
        f"{_share(share)} on {row} (above {_share(verdict['power_lower'][row])})"
        for row, share in verdict["power"].items()
    )
    blocks = max(int(achieved["blocks"]) for achieved in record["achieved"])
    lines = [
        f"# The gate, measured: goals {'met' if verdict['goals_met'] else 'missed'}",
        "",
        (
            f"{code(record['command'])}, on {plain(record['machine'].get('cpu_model'))},"
            f" {record['machine'].get('cores_usable')} cores."
        ),
        "",
        (
            f"* False failures, one tree against its copy: {_share(verdict['false_alarm_share'])} of drawn gates"
            f" (below {_share(verdict['false_alarm_upper'])} with 95 % confidence; goal: at most 1 %)."
        ),
        f"* Power (goal: at least 90 %, at +3 % on CPU stages and +5 % end to end): {power}.",
        (
            "* Goals are held against these limits, not against the shares. They are limits of the drawing from"
            f" {blocks} blocks: how far so many drawn gates can be off, not how far other blocks would be."
        ),
        *_misplanted(record["achieved"]),
        (
            f"* With the machine loaded: {_share(verdict['loaded_false_alarm_share'])} false failures"
            f" (below {_share(verdict['loaded_false_alarm_upper'])}; the same goal),"
            f" {_share(verdict['loaded_unresolved_share'])} unresolved."
        ),
        "",
        "## Gates drawn from all blocks",
        "",
        *_power(record["drawn"]),
        "",
        "## Gates on consecutive blocks",
        "",
        *_consecutive(record),
        "",
        "## What was planted, and what all blocks show of it",
        "",
        *table(
            ["row", "planted", "measured [95 %]", "blocks"],
            [
                [plain(a["row"]), percent(1 + a["planted_ratio"]), _interval(a), f"{a['blocks']:.0f}"]
                for a in record["achieved"]
            ],
        ),
        "",
        "## Noise: the base over itself, by block",
        "",
        *table(
            ["row", "median [95 %]", "standard deviation", "half of the blocks within"],
            [
                [plain(name), _interval(n), f"{100 * n['sd_log']:.1f} %", f"± {100 * n['half_within_log']:.1f} %"]
                for name, n in record["noise"].items()
            ],
        ),
        "",
    ]
    return "\n".join(lines)


def _misplanted(achieved: list[dict[str, Any]]) -> list[str]:
    """Where the power is that of another slowdown than the one it is listed under."""
    missed = [
        f"{plain(a['row'])} {percent(1 + a['planted_ratio'])} ({_interval(a)})"
        for a in achieved
        if not a["low"] <= 1 + a["planted_ratio"] <= a["high"]
    ]
    said = "* Planted, but outside the interval that was measured, so that the power is that of the measured slowdown:"
    return [f"{said} {'; '.join(missed)}."] if missed else []


def _power(items: list[dict[str, Any]]) -> list[str]:
    header = ["planted in", "slowdown", "gates", "passed", "regressed", "unresolved", "row found slower"]
    return table(header, [_cells(item) for item in items if item["gates"]])


def _consecutive(record: dict[str, Any]) -> list[str]:
    if any(item["gates"] for item in record["consecutive"]):
        return _power(record["consecutive"])
    blocks = max(int(achieved["blocks"]) for achieved in record["achieved"])
    needed = f"a gate and its second measurement take {2 * DEFAULT_BLOCKS} blocks"
    return [f"None: {needed}, and {blocks} were measured (without `--quick` there are more)."]


def _cells(item: dict[str, Any]) -> list[str]:
    row = item["row"]
    found = "–" if row is None else _share(item["rows"][row].get("regressed", 0) / item["gates"])
    counts = [_share(item[key] / item["gates"]) for key in ("passed", "regressed", "unresolved")]
    return [plain(row or "nothing"), percent(1 + item["planted_ratio"]), str(item["gates"]), *counts, found]


def _interval(item: dict[str, Any]) -> str:
    return f"{percent(item['ratio'])} [{percent(item['low'])}, {percent(item['high'])}]"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
