"""What went wrong or was left out, and what the race ran on: tables without plots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from packhorse.bench.report.html.model import Line, Table, figure, text
from packhorse.bench.report.markdown import capture_uses, difference
from packhorse.bench.report.text import bytes_, percent

Record = dict[str, Any]


def failures(record: Record) -> Table:
    """Error rows."""
    lines = [_line(row["phase"], row["arm"], row["error"]) for row in record["errors"]]
    return Table("errors", ("phase", "what", "error"), tuple(lines), "What failed, and why")


def unavailable(record: Record) -> Table:
    """Candidates whose libraries are not there."""
    lines = [_line(row["stage"], row["name"], row["reason"]) for row in record["unavailable"]]
    return Table("unavailable", ("stage", "candidate", "why"), tuple(lines), "Candidates that could not race here")


def disturbed(record: Record) -> Table:
    """Rounds that others disturbed, and that do not count."""
    lines = [
        Line((
            text(row["phase"]), figure(row["process"], str(row["process"] + 1)),
            figure(row["round"], str(row["round"] + 1)), figure(row["foreign_share"], percent(row["foreign_share"])),
        ))
        for row in record["rounds"] if not row["counted"]
    ]  # fmt: skip
    columns = ("phase", "process", "round", "taken by others")
    return Table("disturbed", columns, tuple(lines), "Rounds left out, since others were busy; their samples are kept")


def exits(record: Record) -> Table:
    """Arms that left the finals early, and at which look."""
    lines = [
        Line((
            text(one["arm"], code=True), figure(look["processes"], str(look["processes"])),
            text(one["over"], code=True), figure(one["log_ratio"], difference(one)),
        ), one["arm"])
        for look in record["looks"] for one in look["left"]
    ]  # fmt: skip
    columns = ("what", "after processes", "beaten by", "behind it (95 %, all at once)")
    return Table("exits", columns, tuple(lines), "What left the finals early, at looks declared beforehand")


def captures(record: Record) -> Table:
    """The captures, by content hash."""
    lines = [
        Line((
            text(file["name"], code=True), text(use), figure(file["plain_bytes"], bytes_(file["plain_bytes"])),
            figure(file["entries"], "–" if file["entries"] is None else str(file["entries"])), text(file["origin"]),
            text(file["sha256"][:16], code=True),
        ))
        for file, use in capture_uses(record)
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
