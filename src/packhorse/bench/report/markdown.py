"""A race record as a Markdown report: the answer first, then what it stands on. Same record, same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from packhorse.bench.report import judged
from packhorse.bench.report.limits import limits
from packhorse.bench.report.names import PRESETS, letters, shown_rows
from packhorse.bench.report.text import bytes_, code, number, percent, plain, rate, seconds, table, times
from packhorse.units import format_bytes

Record = dict[str, Any]
Row = dict[str, Any]


def render(record: Record) -> str:
    """The whole report, ending in a newline.

    Args:
        record: A valid record (see ``record.schema.json``) as JSON data. Names in it may be hostile; they are escaped.
    """
    sections: Sequence[Callable[[Record], list[str]]] = (
        _answer,
        _ranking,
        _published,
        judged.sections,
        _limits,
        _next_steps,
        _looks,
        _stages,
        _failures,
        _captures,
        _machine,
    )
    lines = [line for section in sections for line in section(record)]
    return "\n".join(lines).rstrip("\n") + "\n"


def headline(record: Record) -> str:
    """The verdict in one sentence of plain text."""
    return str(record["winner"]["sentence"])


def _answer(record: Record) -> list[str]:
    winner = record["winner"]
    lines = ["# Race report", "", f"**{plain(headline(record))}**", ""]
    if winner["pipeline"] is None:
        return lines
    lines += [code(winner["pipeline"]), ""]
    width = "unknown" if winner["half_width"] is None else f"± {percent(winner['half_width'])}"
    lines.append(
        f"* Decided over {winner['processes']} processes and {winner['rounds']} rounds; intervals in the set {width}; "
        f"chosen by {plain(winner['decided_by'])}."
    )
    lines.append(
        f"* Per capture of the race: {seconds(winner['wall_s'])} wall, {seconds(winner['cpu_s'])} CPU, "
        f"{bytes_(winner['bytes_out'])} stored; peak memory above the loaded captures "
        f"{bytes_(winner['peak_rss_bytes'])}."
    )
    if winner["cpu_best"]:
        lines.append(
            f"* By client CPU {code(winner['cpu_best'])} is best; the declared objective, "
            f"{plain(record['objective'])}, decides."
        )
    if len(winner["set_arms"]) > 1:
        lines += ["", "May be as good:", ""]
        lines += [f"* {code(arm)}" for arm in winner["set_arms"] if arm != winner["arm"]]
    return [*lines, ""]


def _ranking(record: Record) -> list[str]:
    rows = [row for row in shown_rows(record) if row["captures_per_s"] is not None]
    if not rows:
        return ["## Verdicts", "", "Nothing was measured end to end.", ""]
    letter = letters(record)
    body = [
        (
            letter.get(row["arm"], ""),
            code(row["pipeline"]),
            str(row["in_flight"]),
            PRESETS.get(row["role"]) or (row["verdict"]["text"] if row["verdict"] else "–"),
            difference(row["verdict"]),
            row["cpu_verdict"]["text"] if row["cpu_verdict"] else "–",
            rate(row["captures_per_s"]),
            bytes_(row["raw_bytes_per_s"]) + "/s",
            times(row["speedup_over_common"]),
            times(row["speedup_over_reference"]),
            seconds(row["cpu_s"]),
            bytes_(row["bytes_out"]),
            f"{seconds(row['latency']['p50_s'])} / {seconds(row['latency']['p99_s'])}",
            bytes_(row["peak_rss_bytes"]),
            f"{row['processes']}{' (left early)' if row['left'] else ''}",
        )
        for row in rows
    ]
    header = (
        "", "pipeline", "in flight", f"by {plain(record['objective'])}", "behind the best (95 %, all at once)",
        "by client CPU", "captures/s", "raw bytes", "× common", "× original", "CPU", "stored", "p50 / p99",
        "peak memory", "processes",
    )  # fmt: skip
    way = "with redaction, the way of one thread of the uploader" if record["redacted"] else "without redaction"
    about = (
        f"Finals went {way}. Rates are captures per second over the whole mix, medians over rounds. The presets are "
        "loops written by hand: no redaction, no retries. CPU is the client's, all threads."
    )
    return ["## Verdicts", "", *table(header, body), "", about, ""]


def difference(verdict: Row | None) -> str:
    """``+3.1% (+2.0% to +4.4%)``; an end that is not known is ``?``."""
    if verdict is None:
        return "–"
    if verdict["log_ratio"] == verdict["low"] == verdict["high"] == 0:
        return "best"
    ends = ["?" if verdict[key] is None else f"{math.expm1(verdict[key]):+.1%}" for key in ("low", "high")]
    return f"{math.expm1(verdict['log_ratio']):+.1%} ({ends[0]} to {ends[1]})"


def _published(record: Record) -> list[str]:
    found = record["published"]
    if not found:
        return []
    body = [
        (
            PRESETS.get(row["role"]) or plain(row["way"]),
            code(row["pipeline"]),
            str(row["in_flight"]),
            rate(row["captures_per_s"]),
            bytes_(row["raw_bytes_per_s"]) + "/s",
            seconds(row["cpu_s"]),
            bytes_(row["bytes_out"]),
            str(len(row["samples"])),
        )
        for row in found["results"]
        if row["captures_per_s"] is not None
    ]
    header = ("", "pipeline", "in flight", "captures/s", "raw bytes", "CPU", "stored", "samples")
    about = (
        f"The uploader itself with its default settings, on {plain(found['note'])}; every capture new to its process. "
        "From the bare parts to the uploader each step adds what makes it safe."
    )
    lines = [
        "## As imported",
        "",
        about,
        "",
        *table(header, body),
        "",
    ]
    for ratio, name in ((found["over_common"], "the common stack"), (found["over_reference"], "the original design")):
        if ratio:
            lines.append(f"* {times(ratio['value'])} {name}{interval(ratio)}.")
    each = found["per_capture"]
    if len(each) > 1:
        rows = [
            (code(one["capture"]), rate(one["captures_per_s"]), times(one["over_common"]), times(one["over_reference"]))
            for one in each
        ]
        lines += ["", *table(("capture", "captures/s", "× common", "× original"), rows)]
    return [*lines, ""]


def interval(ratio: Row) -> str:
    """`` (95 %: 1.2× to 1.5×, over 3 captures)``."""
    if ratio["low"] is None:
        return f" (no interval: {plain(ratio['covers'])})"
    return f" (95 %: {times(ratio['low'])} to {times(ratio['high'])}, over {plain(ratio['covers'])})"


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


def _looks(record: Record) -> list[str]:
    if not record["looks"]:
        return []
    body = [
        (
            str(look["processes"]),
            number(look["alpha"]),
            "–" if look["half_width"] is None else f"± {percent(math.expm1(look['half_width']))}",
            "<br>".join(code(one["arm"]) for one in look["left"]) or "–",
        )
        for look in record["looks"]
    ]
    header = ("after processes", "error it may spend", "intervals in the set", "left, beaten")
    return ["## Looks", "", *table(header, body), ""]


_STAGE_TITLES = {
    "encode": "Encoders alone",
    "compress": "Compressors alone, on the compact JSON",
    "base64": "base64 alone, on zlib:1 output",
    "store": "Store clients alone, on zlib:1 output",
}


def _stages(record: Record) -> list[str]:
    lines: list[str] = []
    raw = sum(file["plain_bytes"] for file in record["captures"]) / max(1, len(record["captures"]))
    for stage, title in _STAGE_TITLES.items():
        rows = record["stages"].get(stage, ())
        if not rows:
            continue
        body = [
            (
                code(row["candidate"]),
                seconds(row["cpu_s"]),
                seconds(row["wall_s"]),
                bytes_(row["bytes_out"]),
                number(row["bytes_out"] / raw if row["bytes_out"] is not None and raw else None),
                str(row["passes"]),
                plain(row["error"] or row["not_raced"] or ""),
            )
            for row in rows
        ]
        header = ("candidate", "client CPU", "wall", "out", "out ÷ raw", "passes", "")
        lines += [f"## {title}", "", *table(header, body), ""]
    if lines:
        lines.insert(0, "The screening goes by the client's CPU time and by bytes at the declared link's price.\n")
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


def capture_uses(record: Record) -> list[tuple[Row, str]]:
    """Every capture once, with what it was used for."""
    raced = {file["sha256"] for file in record["captures"]}
    held_out = {file["sha256"] for file in record["held_out"]}
    files = {file["sha256"]: file for file in (*record["captures"], *record["held_out"])}
    uses = {(True, True): "raced, held-out", (True, False): "raced", (False, True): "held-out"}
    return [(file, uses[digest in raced, digest in held_out]) for digest, file in files.items()]


def _captures(record: Record) -> list[str]:
    body = [
        (
            code(file["name"]),
            use,
            format_bytes(file["plain_bytes"]),
            "–" if file["entries"] is None else str(file["entries"]),
            plain(file["origin"]),
            code(file["sha256"][:16]),
        )
        for file, use in capture_uses(record)
    ]
    return ["## Captures", "", *table(("file", "use", "compact JSON", "entries", "origin", "SHA-256"), body), ""]


def _machine(record: Record) -> list[str]:
    rows = [(plain(key), plain(value)) for key, value in _flat(record["machine"]) if value is not None]
    libraries = [(plain(key), plain(value)) for key, value in sorted(record["versions"]["libraries"].items())]
    cores = [(plain(key), plain(value)) for key, value in sorted(record["versions"]["cores"].items())]
    target = f"{record['target'].get('name')} {record['target'].get('version') or ''}".strip()
    spent = ", ".join(f"{plain(name)} {seconds(value)}" for name, value in record["seconds"].items())
    provenance = (
        f"Command: {code(record['command'])}; seed {record['seed']}; target {plain(target)}; "
        f"packhorse {plain(record['versions']['packhorse'])}. Time: {spent or 'not noted'}."
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
