"""The gate's record: one versioned JSON document, from which every rendering is made."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from packhorse.bench.gate.measure import ARMS, BASE, BASE_AGAIN, HEAD, Bench
from packhorse.bench.gate.probe import Probe
from packhorse.bench.race.machine import scrub
from packhorse.bench.race.record import load_json
from packhorse.bench.stats.gate import GateState
from packhorse.bench.stats.interval import bca_interval
from packhorse.errors import RecordError
from packhorse.files import write_text

GATE_SCHEMA_VERSION = 1
#: Confidence of the noise floor: the outer end of the interval of base over itself.
FLOOR_LEVEL = 0.95
#: A gate's record as plain JSON data; ``gate.schema.json`` beside this module says what is in it.
GateRecord: TypeAlias = dict[str, Any]


def row_record(name: str, state: GateState | None, bench: Bench, margin_ratio: float, seen: Probe) -> dict[str, Any]:
    """One row of the record: its outcome, and the figures behind it.

    ``ratio``, its interval, ``base_s``, ``head_s`` and ``noise_floor_ratio`` are of the same data: the blocks of the
    measurements in ``judged_measurements``. A row that an interrupt kept from being judged has none of them.
    """
    row: dict[str, Any] = {"name": name, "margin_ratio": margin_ratio}
    row["bytes_out"] = {arm: seen.bytes_out[arm].get(name) for arm in (BASE, HEAD)}
    failure = seen.failure(name)
    if failure is not None:
        return row | {"outcome": failure[0], "error": scrub(failure[1])}
    result = state.rows.get(name) if state is not None else None
    if result is None:
        return row | {"outcome": "unresolved"}
    low, centre, high = result.interval.as_ratios()
    seconds = _seconds(bench, name, result.judged_measurements)
    aa = [math.log(again / once) for once, again in zip(seconds[BASE], seconds[BASE_AGAIN], strict=True)]
    # The ratio is over the mean of both base processes of a block, and so is this.
    base_s = [math.sqrt(once * again) for once, again in zip(seconds[BASE], seconds[BASE_AGAIN], strict=True)]
    floor = bca_interval(aa, FLOOR_LEVEL, seed=0)
    return row | {
        "outcome": str(result.outcome),
        "ratio": centre,
        "low": low,
        "high": high,
        "level": result.interval.level,
        "p_slower": result.p_slower,
        "p_within": result.p_within,
        "blocks": int(result.log_ratios.size),
        "measurements": result.measurements,
        "judged_measurements": list(result.judged_measurements),
        "base_s": statistics.median(base_s),
        "head_s": statistics.median(seconds[HEAD]),
        "noise_floor_ratio": math.exp(max(abs(floor.low), abs(floor.high))),
    }


def _seconds(bench: Bench, row: str, measurements: Sequence[int]) -> dict[str, list[float]]:
    """Arm → median seconds of a pass, block by block, of the measurements that decided."""
    judged = sorted(
        (t for t in bench.timings if t.row == row and t.judged and t.measurement in measurements),
        key=lambda t: (t.measurement, t.block),
    )
    return {arm: [t.median_s for t in judged if t.arm == arm] for arm in ARMS}


def validate(record: object, *, source: str) -> GateRecord:
    """Check a gate's record against its schema.

    Raises:
        RecordError: Names ``source``, the field and what is wrong with it.
    """
    if not isinstance(record, dict) or record.get("kind") != "gate":
        raise RecordError(f"{source}: not a gate's record")
    if record.get("schema_version") != GATE_SCHEMA_VERSION:
        raise RecordError(
            f"{source}: schema_version is {record.get('schema_version')!r}, this packhorse reads {GATE_SCHEMA_VERSION}"
        )
    import jsonschema  # type: ignore[import-untyped]

    rules = json.loads((resources.files("packhorse.bench.gate") / "gate.schema.json").read_text(encoding="utf-8"))
    errors = sorted(jsonschema.Draft202012Validator(rules).iter_errors(record), key=lambda e: e.json_path)
    if errors:
        raise RecordError(f"{source}: {errors[0].json_path}: {errors[0].message[:300]}")
    return record


def write_gate(record: GateRecord, path: Path) -> None:
    """Write a gate's record; it appears whole or not at all. Raises RecordError and then writes nothing."""
    validate(record, source=path.name)
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_gate(path: Path) -> GateRecord:
    """Read a gate's record, given its file or its folder. Raises RecordError."""
    file, loaded = load_json(path, "gate.json", kind="gate")
    return validate(loaded, source=file.name)
