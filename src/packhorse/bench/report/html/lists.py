"""What went wrong or was left out, and what the race ran on: tables without plots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from packhorse.bench.report.html.model import Line, Table, figure, text
from packhorse.bench.report.text import bytes_, seconds, times
from packhorse.bench.report.verdicts import by_stage

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
            text(by_stage(row["stages"])),
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


def _line(*values: object) -> Line:
    return Line(tuple(text(value, code=index == 1) for index, value in enumerate(values)))
