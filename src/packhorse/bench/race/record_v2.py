"""Records of older packhorses as today's: the same samples, decided by today's rules.

Their blocks become processes of one round. What had no sample in them (the uploader itself, client CPU of the
screening by itself) stays empty, and says so.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import msgspec

from packhorse.bench.race.bench import Findings
from packhorse.bench.race.goals import Require
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.record_types import ErrorRow, StageRow
from packhorse.bench.race.results import Asked, decision_of, result_rows, twin_of, winner_of
from packhorse.bench.race.spec import Arm, Role, Sample, Way

Old = dict[str, Any]


def upgraded(old: Old) -> Old:
    """A record of version 1 or 2 as JSON data of today's version.

    Raises:
        KeyError, TypeError, ValueError: It lacks what every record of its version had.
    """
    found = _findings(old)
    objective = Objective(old["objective"])
    require = Require(old["require"]) if old.get("require") else None
    asked = Asked(objective, require, None, as_raced=False)
    decision = decision_of(found, asked)
    rows = result_rows(found, asked, decision)
    for row in rows:
        before: Old = next((one for one in old["results"] if one["arm"] == row.arm), {})
        row.usd_per_million = before.get("usd_per_million")
    winner = winner_of(found, asked, decision, rows, None)
    return {
        "schema_version": 3,
        **{key: old[key] for key in ("command", "interrupted", "objective", "quick", "seed", "wires", "whole")},
        "redacted": False,
        "also": old.get("also", []),
        "require": old.get("require"),
        "tariff": old.get("tariff"),
        "link": old["link"],
        "link_figures": old.get("link_figures"),
        "target": {key: old["target"].get(key) for key in ("name", "version", "key_prefix") if key in old["target"]},
        **{key: old[key] for key in ("machine", "versions", "unavailable")},
        "captures": msgspec.to_builtins(found.captures),
        "held_out": msgspec.to_builtins(found.held_out),
        "seconds": {},
        "stages": msgspec.to_builtins(found.stages),
        "results": msgspec.to_builtins(rows),
        "reference": _reference(old),
        "winner": msgspec.to_builtins(winner),
        "twin": msgspec.to_builtins(twin_of(found, asked)),
        "looks": [],
        "busy": False,
        "published": None,
        "errors": msgspec.to_builtins(found.errors),
        "rounds": [],
        "warmups": [],
        "judged": old.get("judged"),
    }


def _findings(old: Old) -> Findings:
    captures = [_capture(file) for file in old["captures"]]
    mean_bytes = sum(file.plain_bytes for file in captures) / max(1, len(captures))
    found = Findings(
        captures=captures,
        held_out=[_capture(file) for file in old["held_out"]["captures"]],
        held_out_note=old["held_out"]["note"],
        steered=Objective(old["objective"]),
        interrupted=old["interrupted"],
    )
    for row in old["results"]:
        role = Role(row["role"])
        way = Way.BARE if role in (Role.REFERENCE, Role.COMMON) else Way.UNREDACTED
        found.arms[row["arm"]] = Arm(row["arm"], row["pipeline"], row["in_flight"], way, role)
        found.samples.setdefault("finals", []).extend(_sample(one, mean_bytes) for one in row["samples"])
        if row.get("peak_rss_bytes") is not None:
            found.peaks[row["arm"]] = (row["peak_rss_bytes"], row.get("working_rss_bytes") or 0)
    found.eligible = frozenset(
        row["arm"] for row in old["results"] if row.get("eligible", row["role"] == "candidate") and not row.get("error")
    )
    found.for_text = frozenset(row["arm"] for row in old["results"] if row.get("for_text"))
    found.errors = [ErrorRow(row["phase"], row["arm"], row["error"]) for row in old["errors"]]
    for stage, new in (("encode", "encode"), ("compress", "compress"), ("base64", "base64")):
        rows = [row for row in old["stages"].get(stage, ()) if row["candidate"] != "(null)"]
        found.stages[new] = [_stage_row(row) for row in rows]
    return found


def _capture(file: Old) -> CaptureFile:
    return msgspec.convert({key: value for key, value in file.items() if key != "use"}, CaptureFile)


def _sample(one: Old, mean_bytes: float) -> Sample:
    known = {key: one[key] for key in Sample.__struct_fields__ if key in one}
    return msgspec.convert(
        {
            **known,
            "process": one["block"],
            "round": 0,
            "raw_bytes": max(1, round(one["captures"] * mean_bytes)),
            "foreign_s": 0.0,
        },
        Sample,
    )


def _stage_row(row: Old) -> StageRow:
    samples = row["samples"]
    cpus = [(s["user_s"] + s["system_s"]) / s["captures"] for s in samples]
    return StageRow(
        candidate=row["candidate"],
        cpu_s=median(cpus) if cpus else None,
        wall_s=row.get("wall_s"),
        bytes_out=row.get("bytes_out"),
        raw_bytes_per_s=row.get("raw_bytes_per_s"),
        passes=len(samples),
        error=row.get("error"),
        not_raced=row.get("not_raced"),
    )


def _reference(old: Old) -> Old:
    keys = ("pipeline", "in_flight", "captures_per_s", "raw_bytes_per_s", "wall_s", "cpu_s", "bytes_out")
    return {key: old["reference"].get(key) for key in keys}
