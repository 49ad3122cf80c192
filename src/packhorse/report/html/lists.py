"""What went wrong or was left out, and what the race ran on: tables without plots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from packhorse.report.html.model import Line, Table, figure, text
from packhorse.report.text import bytes_, rate, seconds, times

Record = dict[str, Any]


def failures(record: Record) -> Table:
    """Error rows."""
    lines = [_line(row["phase"], row["arm"], row["error"]) for row in record["errors"]]
    return Table("errors", ("phase", "what", "error"), tuple(lines), "What failed, and why")


def unavailable(record: Record) -> Table:
    """Candidates whose libraries are not there."""
    lines = [_line(row["stage"], row["name"], row["reason"]) for row in record["unavailable"]]
    return Table("unavailable", ("stage", "candidate", "why"), tuple(lines), "Candidates that could not race here")


def suspects(record: Record) -> Table:
    """Samples that something else disturbed, and that were measured again."""
    lines = [
        Line((
            text(row["phase"]), text(row["arm"], code=True), figure(row["block"], str(row["block"])),
            figure(row["wall_s"] / row["captures"], seconds(row["wall_s"] / row["captures"])),
            text("; ".join(row["suspect"])),
        ), row["arm"])
        for row in record["suspect_samples"]
    ]  # fmt: skip
    columns = ("phase", "arm", "block", "wall per capture", "why suspect")
    return Table("suspects", columns, tuple(lines), "Suspect samples; each was measured again and is kept")


def interactions(record: Record) -> Table:
    """Finalists' cost over the yardstick: as their stages alone predict, and as raced."""
    lines = [
        Line((
            text(row["arm"], code=True),
            text(" · ".join(f"{stage} {value:.2f}" for stage, value in row["stages"].items())),
            figure(row["predicted"], times(row["predicted"])),
            figure(row["measured"], f"{times(row['measured'])} ({row['low']:.2f} to {row['high']:.2f})"),
            text("the other way round" if row["reversed"] else "interaction" if row["interaction"] else "as predicted"),
        ), row["arm"])
        for row in record["interactions"]
    ]  # fmt: skip
    columns = ("pipeline", "stages alone", "predicted", "end to end (95 %)", "verdict")
    return Table("interactions", columns, tuple(lines), "Cost over the yardstick: predicted by stages, and as raced")


def exits(record: Record) -> Table:
    """Arms that left a phase early, and by which rule."""
    lines = [
        Line((
            text(row["phase"]), text(row["arm"], code=True), figure(row["block"], str(row["block"])), text(row["rule"]),
            text(row["reason"]),
        ), row["arm"])
        for row in record["exits"]
    ]  # fmt: skip
    columns = ("phase", "what", "after block", "rule", "why")
    return Table("exits", columns, tuple(lines), "What left early, at looks declared beforehand")


def captures(record: Record) -> Table:
    """The captures, by content hash."""
    files = [*record["captures"], *(f for f in record["held_out"]["captures"] if f not in record["captures"])]
    lines = [
        Line((
            text(file["name"], code=True), text(file["use"]), figure(file["plain_bytes"], bytes_(file["plain_bytes"])),
            figure(file["entries"], "–" if file["entries"] is None else str(file["entries"])), text(file["origin"]),
            text(file["sha256"][:16], code=True),
        ))
        for file in files
    ]  # fmt: skip
    return Table("captures", ("file", "use", "compact JSON", "entries", "origin", "SHA-256"), tuple(lines), "Captures")


def machine(record: Record) -> Table:
    """The machine, its limits, the target and the command."""
    target = f"{record['target'].get('name')} {record['target'].get('version') or ''}".strip()
    told = [("command", record["command"]), ("seed", record["seed"]), ("target", target), ("link", record["link"])]
    rows = [*told, *((key, value) for key, value in flat(record["machine"]) if value is not None)]
    return Table("machine", ("what", "value"), tuple(_line(*row) for row in rows), "What the race ran on")


def versions(record: Record) -> Table:
    """Versions of every library and of its compiled core."""
    found = record["versions"]
    rows = [("packhorse", found["packhorse"]), *sorted(found["libraries"].items()), *sorted(found["cores"].items())]
    return Table("versions", ("library", "version"), tuple(_line(*row) for row in rows), "Versions")


def flat(machine: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Nested facts as one list of names and values."""
    for key, value in sorted(machine.items()):
        if isinstance(value, dict):
            yield from ((f"{key}: {inner}", found) for inner, found in sorted(value.items()))
        else:
            yield key, value


def limits(record: Record) -> Iterator[str]:
    """Sentences on what the result does not say."""
    if record["winner"].get("streaming") is False:
        yield (
            "The chosen pipeline does not stream: a stage of it makes its whole output at once. For captures of tens "
            "of megabytes beside an event loop, prefer a streaming one."
        )
    limited = [row for row in record["results"] if row.get("target_limited") and row["role"] != "aa-twin"]
    if limited:
        yield (
            f"The target limits {len(limited)} pipeline(s): they reach over 70 % of what it takes of ready bodies of "
            "their size, so their order says as much of the target as of them."
        )
    if record["target"].get("name") == "moto":
        yield "moto answers some 170 PUTs a second: right for correctness, useless for judging clients."
    ceiling = record["target"].get("ceiling")
    if ceiling:
        puts = ", ".join(f"{rate(value)}/s ({name})" for name, value in sorted(ceiling["puts_per_s"].items()))
        yield f"The target's ceiling, ready bodies through {ceiling['client']}, 8 in flight: {puts}."
    null = next((row for row in record["stages"].get("encode", ()) if row["candidate"] == "(null)"), None)
    if null and null.get("wall_s") is not None:
        yield f"The harness's own cost, the null pipeline: {seconds(null['wall_s'])} per capture; not subtracted."
    yield f"The link is {record['link']}."
    if record["interrupted"]:
        yield "The race was interrupted."


def _line(*values: object) -> Line:
    return Line(tuple(text(value, code=index == 1) for index, value in enumerate(values)))
