"""The gate's record: one versioned JSON document, as typed classes that check what is read and what is written.

``gate.schema.json`` beside this module is made from these classes (``python -m packhorse.bench.schemas``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from packhorse.bench.race.record import load_json
from packhorse.bench.race.record_types import Strict
from packhorse.errors import RecordError
from packhorse.files import write_text

GATE_SCHEMA_VERSION = 2
#: A gate's record as plain JSON data, as reports read it.
GateData: TypeAlias = dict[str, Any]

Outcome = Literal[
    "passed", "regressed", "unresolved", "inconclusive: environment", "broken", "new", "base failed"
]  # fmt: skip


class Timing(Strict):
    """One process's figures for one row of one block.

    Attributes:
        measurement: 1 for the first, 2 for the one that is made again.
        block: Index within its measurement.
        arm: ``base``, ``base-again`` or ``head``; the self-test has more.
        row: The row's name.
        passes: Passes in each sample.
        wall_s, cpu_s: Of each sample, round by round.
        foreign_share: What part of the machine others took in each round; empty in records of older packhorses.
        counted: False for a round that others disturbed, and that was taken again.
    """

    measurement: int
    block: int
    arm: str
    row: str
    passes: int
    wall_s: list[float]
    cpu_s: list[float]
    foreign_share: list[float]
    counted: list[bool]

    @property
    def counted_s(self) -> list[float]:
        """Wall seconds of the samples that count."""
        return [wall_s for wall_s, counts in zip(self.wall_s, self.counted, strict=True) if counts]


class GateRowRecord(Strict, omit_defaults=True):
    """One row.

    ``ratio``, its interval, ``base_s``, ``head_s`` and ``noise_floor_ratio`` are of the same data: the blocks of the
    measurements in ``judged_measurements``. A row that an interrupt kept from being judged has none of them.

    Attributes:
        name, margin_ratio: As declared.
        outcome: What the gate says.
        bytes_out: Side → bytes that a pass gives; None where it did not run.
        error: Why it could not be compared.
        ratio, low, high, level: Head over base, with its interval and that one's confidence.
        p_slower, p_within: Tests that the slowdown is above the margin (after Holm), and below it.
        blocks, measurements, judged_measurements: What the figures stand on.
        base_s, head_s: Seconds of a pass.
        noise_floor_ratio: The far end of the interval of base over itself; None where that ran too seldom.
    """

    name: str
    margin_ratio: float
    outcome: Outcome
    bytes_out: dict[str, int | None]
    error: str | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    p_slower: float | None = None
    p_within: float | None = None
    blocks: int | None = None
    measurements: int | None = None
    judged_measurements: list[int] | None = None
    base_s: float | None = None
    head_s: float | None = None
    noise_floor_ratio: float | None = None


class GateCapture(Strict):
    """A capture, by its content."""

    name: str
    sha256: str
    plain_bytes: int


class GateRecord(Strict, omit_defaults=True):
    """A whole gate, from which every rendering is made."""

    schema_version: Literal[2]
    kind: Literal["gate"]
    packhorse_version: str
    command: str
    base: str
    head: str
    machine: dict[str, Any]
    link: str
    target: str | None
    captures: list[GateCapture]
    settings: dict[str, Any]
    rows: list[GateRowRecord]
    exit_code: Literal[0, 1, 3]
    timings: list[Timing]
    interrupted: bool = False
    incidents: list[str] = msgspec.field(default_factory=list)


def validate(record: object, *, source: str) -> GateData:
    """Check a gate's record, and bring one of an older version up to the present one.

    Returns:
        JSON data, as reports read it.

    Raises:
        RecordError: Names ``source``, the field and what is wrong with it.
    """
    data = msgspec.to_builtins(record)
    if not isinstance(data, dict) or data.get("kind") != "gate":
        raise RecordError(f"{source}: not a gate's record")
    version = data.get("schema_version")
    if version == 1:
        data = _upgraded(data, source)
    elif version != GATE_SCHEMA_VERSION:
        raise RecordError(f"{source}: schema_version is {version!r}, this packhorse reads 1 to {GATE_SCHEMA_VERSION}")
    try:
        found: GateData = msgspec.to_builtins(msgspec.convert(data, GateRecord))
    except msgspec.ValidationError as error:
        raise RecordError(f"{source}: {str(error)[:300]}") from error
    return found


def _upgraded(old: GateData, source: str) -> GateData:
    """A record of version 1: blocks that were measured again do not count, and nobody noted how busy others were."""
    try:
        timings = [
            {
                **{key: t[key] for key in ("measurement", "block", "arm", "row", "wall_s", "cpu_s")},
                "passes": t["rounds"],
                "foreign_share": [],
                "counted": [t.get("judged", True)] * len(t["wall_s"]),
            }
            for t in old["timings"]
        ]
    except (KeyError, TypeError) as error:
        raise RecordError(f"{source}: {type(error).__name__}: {error}") from error
    return {**old, "schema_version": GATE_SCHEMA_VERSION, "timings": timings}


def write_gate(record: GateRecord | GateData, path: Path) -> None:
    """Write a gate's record; it appears whole or not at all. Raises RecordError and then writes nothing."""
    data = validate(record, source=path.name)
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_gate(path: Path) -> GateData:
    """Read a gate's record, given its file or its folder. Raises RecordError."""
    file, loaded = load_json(path, "gate.json", kind="gate")
    return validate(loaded, source=file.name)
