"""A race record as a Markdown report: the answer first, then what it stands on. Same record, same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from packhorse.bench.report import judged, verdicts
from packhorse.bench.report.limits import limits
from packhorse.bench.report.text import bytes_, code, number, percent, plain, rate, seconds, table, times
from packhorse.units import format_bytes

Record = dict[str, Any]


def render(record: Record) -> str:
    """The whole report, ending in a newline.

    Args:
        record: A valid record (see ``record.schema.json``). Names in it may be hostile; they are escaped.
    """
    sections: Sequence[Callable[[Record], list[str]]] = (
        _verdict,
        _ranking,
        verdicts.sections,
        judged.sections,
        _held_out,
        _limits,
        _next_steps,
        _stages,
        _failures,
        _captures,
        _machine,
    )
    lines = [line for section in sections for line in section(record)]
    return "\n".join(lines).rstrip("\n") + "\n"


def headline(record: Record) -> str:
    """The verdict in one sentence of plain text."""
    winner = record["winner"]
    if winner["pipeline"] is None:
        return f"No winner: {winner['decided_by']}."
    what = f"{winner['pipeline']} at {winner['in_flight']} in flight"
    if record["interrupted"]:
        return f"No winner is named, since the race was interrupted; ahead so far: {what}."
    if not winner["conclusive"]:
        return f"No winner is named ({winner['why']}); ahead so far: {what}."
    if winner["named"]:
        return f"Winner by {record['objective']}: {what}."
    count = len(winner["set_arms"])
    return (
        f"No single winner by {record['objective']}: {count} pipelines cannot be told apart. "
        f"Chosen among them ({winner['decided_by']}): {what}."
    )


def _verdict(record: Record) -> list[str]:
    winner = record["winner"]
    lines = ["# Race report", "", f"**{plain(headline(record))}**", ""]
    if winner["pipeline"] is None:
        return lines
    lines += [code(winner["pipeline"]), ""]
    published = winner["held_out"] or winner
    where = "measured again on held-out captures" if winner["held_out"] else "as raced (not measured again)"
    lines.append(
        f"* {rate(published['captures_per_s'])} captures/s, {bytes_(published['raw_bytes_per_s'])}/s of raw capture, "
        f"{times(published['speedup_over_reference'])} the reference, {where}."
    )
    lines.append(
        f"* Per capture: {seconds(published['wall_s'])} wall, {seconds(published['cpu_s'])} CPU, "
        f"{bytes_(published['bytes_out'])} stored; peak memory above the loaded captures "
        f"{bytes_(winner['peak_rss_bytes'])}."
    )
    reference = record["reference"]
    if reference["captures_per_s"] is not None:
        lines.append(
            f"* Reference (the original design): {code(reference['pipeline'])} at {reference['in_flight']} in flight: "
            f"{rate(reference['captures_per_s'])} captures/s, from {reference['blocks']} blocks."
        )
    lines.append(f"* Decided over {winner['blocks']} blocks by {plain(winner['method'])}; {_noise(record)}")
    if len(winner["set_arms"]) > 1:
        lines += ["", "The set that the data cannot tell from the best:", ""]
        lines += [f"* {code(arm)}" for arm in winner["set_arms"]]
    return [*lines, ""]


def _noise(record: Record) -> str:
    noise = record["noise"]
    if not noise or noise["log_ratio"] is None:
        return "no A/A arm was measured, so the noise floor is not known."
    return (
        f"noise floor {percent(_change(noise['floor']))} (A/A: the same pipeline under two names differed by "
        f"{_change(noise['log_ratio']):+.1%} in the median of {noise['blocks']} blocks)."
    )


def _ranking(record: Record) -> list[str]:
    rows = [row for row in record["results"] if row["captures_per_s"] is not None]
    if not rows:
        return ["## Ranking", "", "Nothing was measured end to end.", ""]
    best = {row["arm"]: row["against_best"] for row in rows}
    figures = (
        "captures/s",
        "raw bytes",
        "× reference",
        "behind the best (95 %)",
        "verdict",
        "CPU",
        "stored",
        "p50 / p99",
    )
    header = ("", "pipeline", "in flight", *figures, "peak memory", "blocks")
    ordered = sorted(rows, key=_rank_key)
    body = [
        (
            _mark(row, record),
            code(row["pipeline"]),
            str(row["in_flight"]),
            rate(row["captures_per_s"]),
            bytes_(row["raw_bytes_per_s"]) + "/s",
            times(row["speedup_over_reference"]),
            _behind(best[row["arm"]]),
            _verdict_cell(row, record),
            seconds(row["cpu_s"]),
            bytes_(row["bytes_out"]),
            f"{seconds(row['latency']['p50_s'])} / {seconds(row['latency']['p99_s'])}",
            bytes_(row["peak_rss_bytes"]),
            str(row["blocks"]) + (" (left early)" if row["left_early"] else ""),
        )
        for row in ordered
    ]
    lines = ["## Ranking, end to end", "", *table(header, body), ""]
    lines.append(
        f"By {record['objective']}; rates are captures per second over the whole mix, medians over blocks; "
        "● in the winner set, ◆ chosen, A/A the twin that gives the noise floor. "
        "Verdicts are over the yardstick, beside the noise floor. "
        "× reference is paired within blocks, over the original design at the better of its concurrencies. "
        "Presets have a place only where they were asked for. CPU is the client's, all threads."
    )
    return [*lines, ""]


def _verdict_cell(row: Record, record: Record) -> str:
    shown = verdicts.word(row, record)
    return f"{shown}, noise {verdicts.noise(record)}" if row.get("verdict") else shown


def _rank_key(row: dict[str, Any]) -> tuple[float, float, str]:
    rival = row["against_best"]
    return (rival["log_ratio"] if rival else math.inf, row["wall_s"], row["arm"])


def _mark(row: dict[str, Any], record: Record) -> str:
    winner = record["winner"]
    if row["role"] == "aa-twin":
        return "A/A"
    if row["pipeline"] == winner["pipeline"] and row["in_flight"] == winner.get("in_flight"):
        return "◆"
    if row["arm"] in winner.get("set_arms", ()):
        return "●"
    return {"reference": "reference", "common": "common"}.get(row["role"], "")


def _behind(rival: dict[str, Any] | None) -> str:
    if rival is None:
        return "–"
    if rival["log_ratio"] == rival["low"] == rival["high"] == 0:
        return "best"
    low, middle, high = (_change(rival[key]) for key in ("low", "log_ratio", "high"))
    return f"{middle:+.1%} ({low:+.1%} to {high:+.1%})"


def _change(log_ratio: float) -> float:
    return math.expm1(log_ratio)


def _held_out(record: Record) -> list[str]:
    rows = [row for row in record["held_out"]["results"] if row["captures_per_s"] is not None]
    if not rows:
        return []
    body = [
        (
            code(row["pipeline"]),
            str(row["in_flight"]),
            rate(row["captures_per_s"]),
            bytes_(row["raw_bytes_per_s"]) + "/s",
            times(row["speedup_over_reference"]),
            bytes_(row["bytes_out"]),
            str(row["blocks"]),
        )
        for row in rows
    ]
    header = ("pipeline", "in flight", "captures/s", "raw bytes", "× reference", "stored", "blocks")
    return [
        "## Measured again",
        "",
        f"Whatever wins a race is flattered by it. Here: fresh processes, {plain(record['held_out']['note'])}.",
        "Captures of other sizes give other captures/s; compare raw bytes/s and × reference.",
        "",
        *table(header, body),
        "",
    ]


def _limits(record: Record) -> list[str]:
    shown = ((f"**{plain(one.strong)}**: " if one.strong else "") + plain(one.text) for one in limits(record))
    return ["## What limits this result", "", *(f"* {text}" for text in shown), ""]


def _next_steps(record: Record) -> list[str]:
    if record["winner"]["pipeline"] is None:
        return []
    return [
        "## Publish and use",
        "",
        "```sh",
        "packhorse publish DIR --to my-profile.toml    # DIR is this report's folder",
        "packhorse upload my.har s3://bucket/prefix --profile my-profile.toml",
        "```",
        "",
        "```python",
        "from packhorse import Uploader",
        'with Uploader("s3://bucket/prefix", profile="my-profile.toml") as up:',
        "    ticket = up.submit(capture)",
        "```",
        "",
    ]


_STAGE_TITLES = {
    "encode": "Encoders alone",
    "compress": "Compressors alone, on the compact JSON",
    "base64": "base64 alone, on zlib:1 output",
    "cross": "Survivors crossed, CPU only",
    "stores": "Store clients and concurrencies, best CPU pipeline",
}


def _stages(record: Record) -> list[str]:
    lines: list[str] = []
    raw = sum(file["plain_bytes"] for file in record["captures"]) / max(1, len(record["captures"]))
    for stage, title in _STAGE_TITLES.items():
        rows = [row for row in record["stages"].get(stage, ()) if row["candidate"] != "(null)"]
        if not rows:
            continue
        body = []
        for row in rows:
            early = f"left: {row['left_early']}" if row.get("left_early") else ""
            note = row.get("error") or row.get("not_raced") or early
            out = row.get("bytes_out")
            body.append(
                (
                    code(row["candidate"]),
                    seconds(row.get("wall_s")),
                    seconds(row.get("cpu_s")),
                    bytes_(out),
                    number(out / raw if out is not None and raw else None),
                    bytes_(row.get("raw_bytes_per_s")) + "/s" if row.get("raw_bytes_per_s") else "–",
                    str(row.get("blocks", 0)),
                    plain(note),
                )
            )
        header = ("candidate", "wall", "CPU", "out", "out ÷ raw", "raw bytes", "blocks", "")
        lines += [f"## {title}", "", *table(header, body), ""]
    return lines


def _failures(record: Record) -> list[str]:
    lines: list[str] = []
    if record["errors"]:
        body = [(plain(row["phase"]), code(row["arm"]), plain(row["error"])) for row in record["errors"]]
        lines += ["## Failed", "", *table(("phase", "what", "error"), body), ""]
    if record["unavailable"]:
        body = [(plain(row["stage"]), code(row["name"]), plain(row["reason"])) for row in record["unavailable"]]
        lines += ["## Not available here", "", *table(("stage", "candidate", "why"), body), ""]
    return lines


def _captures(record: Record) -> list[str]:
    files = [*record["captures"], *(f for f in record["held_out"]["captures"] if f not in record["captures"])]
    body = [
        (
            code(file["name"]),
            plain(file["use"]),
            format_bytes(file["plain_bytes"]),
            "–" if file["entries"] is None else str(file["entries"]),
            plain(file["origin"]),
            code(file["sha256"][:16]),
        )
        for file in files
    ]
    return ["## Captures", "", *table(("file", "use", "compact JSON", "entries", "origin", "SHA-256"), body), ""]


def _machine(record: Record) -> list[str]:
    rows = [(plain(key), plain(value)) for key, value in _flat(record["machine"]) if value is not None]
    libraries = [(plain(key), plain(value)) for key, value in sorted(record["versions"]["libraries"].items())]
    cores = [(plain(key), plain(value)) for key, value in sorted(record["versions"]["cores"].items())]
    target = f"{record['target'].get('name')} {record['target'].get('version') or ''}".strip()
    provenance = (
        f"Command: {code(record['command'])}; seed {record['seed']}; target {plain(target)}; "
        f"packhorse {plain(record['versions']['packhorse'])}."
    )
    return [
        "## Machine and versions",
        "",
        provenance,
        "",
        *table(("machine", ""), rows),
        "",
        *table(("library", "version"), [*libraries, *cores]),
        "",
    ]


def _flat(machine: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in sorted(machine.items()):
        if isinstance(value, dict):
            yield from ((f"{key}: {inner}", found) for inner, found in sorted(value.items()))
        else:
            yield key, value
