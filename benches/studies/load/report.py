"""The report of ``packhorse study load``, from its document alone."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.text import number, plain, seconds, table

Document = dict[str, Any]
_SHARES = ("p50_s", "p90_s", "p99_s", "p999_s", "max_s")
_HEADER = ("p50", "p90", "p99", "p99.9", "max")


def markdown(document: Document) -> str:
    """The whole report, ending in a newline."""
    settings = document["settings"]
    lines = [
        "# What a stall does to percentiles",
        "",
        f"Command: `{' '.join(document['command'])}`.",
        "",
        f"Captures of {settings['capture_bytes'] / 1000:g} kB to {settings['target']} on loopback,",
        f"{settings['duration_s']:g} s a row, {settings['blocks']} block(s). After {settings['stall_after_s']:g} s the",
        f"server is stopped for {settings['stall_s']:g} s. The closed loop has {settings['workers']} workers; open",
        f"loops are asked for {settings['rate_per_s']:g} captures/s.",
        "",
    ]
    if document["interrupted"]:
        lines += ["Interrupted: what follows was measured until then.", ""]
    rows = document["rows"]
    lines += [*_finding(document), *_percentiles(rows, document), *_rates(rows)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _finding(document: Document) -> list[str]:
    rows = document["rows"]
    closed, opened = rows.get("closed loop"), rows.get("open loop, steady")
    if closed is None or opened is None:
        return []
    stall_s = document["settings"]["stall_s"]
    return [
        f"**The same stall of {stall_s:g} s: p99 is {seconds(closed['response']['p99_s'])} by the closed loop,",
        f"{seconds(opened['response']['p99_s'])} by the open one.** From the stall alone, steady arrivals have",
        f"{seconds(document['expected']['p99_s'])}; what is beyond is the queue being worked off.",
        "",
    ]


def _percentiles(rows: dict[str, Any], document: Document) -> list[str]:
    lines = []
    for name, row in rows.items():
        kinds = {"from due to done": "response", "from sent to done alone": "service"}
        if row["corrected"]:
            kinds = {"as it shows them": "response", "with HdrHistogram's correction": "corrected"}
        for words, kind in kinds.items():
            lines.append([plain(name), words, *(seconds(row[kind].get(share)) for share in _SHARES)])
    theory = [seconds(document["expected"].get(share)) for share in _SHARES]
    lines.append(["open loop, steady", "expected from the stall alone", *theory])
    return ["## Latencies", "", *table(("row", "counted", *_HEADER), lines), ""]


def _rates(rows: dict[str, Any]) -> list[str]:
    lines = []
    for name, row in rows.items():
        failed = ", ".join(f"{count} {plain(kind)}" for kind, count in row["failed"].items()) or "0"
        rates = [number(row["asked_per_s"]), number(row["achieved_per_s"])]
        lag = seconds(row["lag"].get("p99_s"))
        lines.append([plain(name), *rates, f"{row['done']:,} of {row['asked']:,}", failed, f"{row['held']:,}", lag])
    header = ("row", "asked/s", "achieved/s", "done", "failed", "held for a place", "generator late, p99")
    return ["## Asked and achieved", "", *table(header, lines), ""]
