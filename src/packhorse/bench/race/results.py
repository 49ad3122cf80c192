"""From findings to record: rows, stage tables, interactions, the verdict. No measuring here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from packhorse.bench.race import lineup, machine
from packhorse.bench.race.cost import Tariff, packaged_tariff, priced
from packhorse.bench.race.decide import paired_ratio
from packhorse.bench.race.driver import with_pool
from packhorse.bench.race.findings import Findings
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.interactions import interactions
from packhorse.bench.race.options import CEILING_SHARE, Objective, RaceOptions
from packhorse.bench.race.outcome import (
    Verdict,
    against_best,
    memory_notes,
    method_fields,
    noise_fields,
    verdict_of,
    verdict_rows,
)
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.record import SCHEMA_VERSION, Record
from packhorse.bench.race.score import upload_cost
from packhorse.bench.race.spec import Arm, Kind, Sample
from packhorse.pipeline import Pipeline


def build_record(options: RaceOptions, found: Findings, argv: Sequence[str]) -> Record:
    """The whole record. Never fails for want of data: an interrupted race has a record too."""
    verdict = verdict_of(options, found)
    tariff = (options.tariff or packaged_tariff()) if options.objective is Objective.COST else None
    rows = _result_rows(options, found, verdict, tariff)
    libraries, unavailable = machine.versions()
    record: Record = {
        "schema_version": SCHEMA_VERSION,
        "command": machine.command(argv),
        "interrupted": found.interrupted,
        "objective": str(options.objective),
        "quick": options.quick,
        "seed": options.seed,
        "wires": list(options.wires),
        "whole": options.whole,
        "also": list(options.also),
        "require": options.require and str(options.require),
        **({"tariff": tariff.as_dict()} if tariff else {}),
        "link": options.link_name,
        "link_figures": found.link,
        "target": {**found.target, **_ceiling(found)},
        "machine": machine.describe(),
        "versions": libraries,
        "unavailable": unavailable,
        "captures": [_capture(file, "raced") for file in found.captures],
        "held_out": {
            "note": found.held_out_note,
            "captures": [_capture(file, "held-out") for file in found.held_out],
            "results": _held_out_rows(found),
        },
        "results": rows,
        "winner": winner_fields(found, verdict, rows),
        "reference": _reference(found, rows),
        "noise": noise_fields(verdict),
        "stages": _stages(found),
        "interactions": [],
        "exits": [{"phase": data.name, **one.as_dict()} for data in found.phases.values() for one in data.exits],
        "method": method_fields(options, found),
        "errors": _errors(found),
        "blocks": [block for data in found.phases.values() for block in data.blocks],
        "suspect_samples": [_raw(s, data.name) for data in found.phases.values() for s in data.suspect_samples],
        "warmups": [_raw(s, data.name) for data in found.phases.values() for s in data.warmups],
    }
    record["interactions"] = interactions(record, options.objective, options.tariff)
    return record


def row_of(arm: Arm, samples: Sequence[Sample], captures: Sequence[CaptureFile]) -> dict[str, Any]:
    """Medians over blocks of one arm, with its raw samples. Every figure is per capture, unless its name says more."""
    walls = [s.wall_s / s.captures for s in samples]
    wall_s = median(walls) if walls else None
    plain = sum(file.plain_bytes for file in captures) / max(1, len(captures))

    def middle(values: Iterable[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return median(present) if present else None

    return {
        "pipeline": arm.pipeline,
        "captures_per_s": 1 / wall_s if wall_s else None,
        "raw_bytes_per_s": plain / wall_s if wall_s else None,
        "wall_s": wall_s,
        "cpu_s": middle(s.cpu_s / s.captures for s in samples),
        "gc_share": middle(s.gc_s / s.wall_s for s in samples),
        "bytes_out": middle(s.bytes_out / s.captures for s in samples),
        "latency": {
            "p50_s": middle(s.latency_p50_s for s in samples),
            "p99_s": middle(s.latency_p99_s for s in samples),
        },
        "put_s": middle(None if s.put_s is None else s.put_s / s.captures for s in samples),
        "blocks": len(samples),
        "samples": [s.as_dict() for s in samples],
    }


def _result_rows(
    options: RaceOptions, found: Findings, verdict: Verdict | None, tariff: Tariff | None
) -> list[dict[str, Any]]:
    finals, checks = _phase(found, "finals"), _phase(found, "check")
    memory = {note["arm"]: note for note in memory_notes(found)}
    rows = []
    verdicts = verdict_rows(options, found)
    failed = {name: arm for name, arm in checks.arms.items() if arm.kind is Kind.UPLOAD and name in checks.errors}
    for name, arm in {**finals.arms, **failed}.items():
        pooled = replace(arm, pipeline=str(with_pool(Pipeline.parse(arm.pipeline), arm.in_flight)))
        row = row_of(pooled, finals.of(name), found.captures)
        peak = memory.get(name, {})
        rate, ceiling = row["captures_per_s"], None
        if found.price is not None and row["bytes_out"] is not None:
            ceiling = found.price.ceiling_per_s(row["bytes_out"])
        row.update(
            arm=name,
            role=_role(found, name),
            eligible=name in found.eligible,
            for_text=name in found.for_text,
            in_flight=arm.in_flight,
            speedup_over_reference=speedup(found, finals, name),
            peak_rss_bytes=peak.get("peak_rss_bytes"),
            working_rss_bytes=peak.get("working_rss_bytes"),
            ceiling_per_s=ceiling,
            target_limited=bool(rate and ceiling and rate > CEILING_SHARE * ceiling),
            error=checks.errors.get(name) or finals.errors.get(name) or _phase(found, "memory").errors.get(name),
            left_early=finals.dropped.get(name),
            against_best=against_best(verdict, name),
            verdict=verdicts.get(name),
            usd_per_million=priced(row, tariff),
        )
        rows.append(row)
    return sorted(rows, key=lambda row: (row["wall_s"] is None, row["wall_s"] or 0.0, row["arm"]))


def _phase(found: Findings, name: str) -> PhaseData:
    """A phase's data, empty when the race did not get that far."""
    return found.phases.get(name) or PhaseData(name)


def _role(found: Findings, name: str) -> str:
    if lineup.TWIN in name:
        return "aa-twin"
    if found.reference is not None and name.rsplit(" @", 1)[0] == found.reference.pipeline:
        return "reference"
    if found.common is not None and name == found.common.name:
        return "common"
    return "candidate"


def better_reference(found: Findings, data: PhaseData) -> Arm | None:
    """The reference at the concurrency that it was fastest at in a phase; None where it has no samples."""
    if found.reference is None:
        return None
    pipeline = found.reference.pipeline
    names = [name for name, arm in data.arms.items() if arm.pipeline == pipeline and lineup.TWIN not in name]
    costs = data.costs(upload_cost(Objective.THROUGHPUT), names)
    # An arm that stopped early, as one that was given may, has met other blocks than its siblings.
    complete = max((len(by) for by in costs.values()), default=0)
    middle = {name: median(by.values()) for name, by in costs.items() if len(by) >= complete / 2}
    return data.arms[min(middle, key=lambda name: (middle[name], name))] if middle else None


def speedup(found: Findings, data: PhaseData, name: str) -> float | None:
    """Times the better reference's captures per second, paired within blocks."""
    reference = better_reference(found, data)
    costs = data.costs(upload_cost(Objective.THROUGHPUT))
    if reference is None or name not in costs:
        return None
    return paired_ratio(costs[reference.name], costs[name])


def winner_fields(found: Findings, verdict: Verdict | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The record's ``winner``, from the verdict and the rows of every arm in it."""
    if verdict is None:
        return {"pipeline": None, "set": [], "named": False, "decided_by": "nothing eligible was measured"}
    by_arm = {row["arm"]: row for row in rows}
    row = by_arm[verdict.choice.name]
    members = [by_arm[name] for name in verdict.decision.members]
    held_out = found.phases.get("held-out")
    confirmed = None
    if held_out is not None and held_out.of(verdict.choice.name):
        confirmed = _figures(row_of(verdict.choice, held_out.of(verdict.choice.name), found.held_out))
        confirmed["speedup_over_reference"] = speedup(found, held_out, verdict.choice.name)
        confirmed["on"] = found.held_out_note
    return {
        "pipeline": row["pipeline"],
        "in_flight": verdict.choice.in_flight,
        "set": list(dict.fromkeys(member["pipeline"] for member in members)),
        "set_arms": [member["arm"] for member in members],
        "named": verdict.decision.named and not found.interrupted,
        "decided_by": verdict.decided_by,
        "conclusive": verdict.decision.conclusive,
        "why": verdict.decision.why,
        "method": verdict.decision.method,
        "blocks": verdict.decision.blocks,
        **_figures(row),
        "peak_rss_bytes": row["peak_rss_bytes"],
        "streaming": all(choice.candidate.streaming for choice in Pipeline.parse(row["pipeline"]).choices),
        "speedup_over_reference": row["speedup_over_reference"],
        "held_out": confirmed,
    }


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("captures_per_s", "raw_bytes_per_s", "wall_s", "cpu_s", "bytes_out", "latency")}


def _reference(found: Findings, rows: list[dict[str, Any]]) -> dict[str, Any]:
    better = better_reference(found, _phase(found, "finals"))
    row = next((row for row in rows if better is not None and row["arm"] == better.name), None)
    if found.reference is None or row is None:
        return {"pipeline": found.reference.pipeline if found.reference else None, "captures_per_s": None}
    return {"pipeline": row["pipeline"], "in_flight": row["in_flight"], **_figures(row), "blocks": row["blocks"]}


def _held_out_rows(found: Findings) -> list[dict[str, Any]]:
    data = found.phases.get("held-out")
    if data is None:
        return []
    rows = []
    for name, arm in data.arms.items():
        row = row_of(arm, data.of(name), found.held_out)
        row.update(arm=name, in_flight=arm.in_flight, role=_role(found, name), error=data.errors.get(name))
        row["speedup_over_reference"] = speedup(found, data, name)
        rows.append(row)
    return rows


def _stages(found: Findings) -> dict[str, list[dict[str, Any]]]:
    tables = {}
    checks = found.phases.get("check", PhaseData("check"))
    for stage in ("encode", "compress", "base64", "cross", "stores", "alone"):
        data = found.phases.get(stage)
        if data is None:
            continue
        rows = []
        for name, arm in data.arms.items():
            row = row_of(arm, data.of(name), found.captures)
            text = lineup.stage_part(name)[1] if stage in ("encode", "compress", "base64") else name
            row.update(candidate=text or name, in_flight=arm.in_flight, error=data.errors.get(name))
            row["left_early"] = data.dropped.get(name)
            rows.append(row)
        for name, reason in checks.dropped.items():
            if name.startswith(stage + "/"):
                rows.append({"candidate": lineup.stage_part(name)[1], "not_raced": reason, "samples": []})
        tables[stage] = sorted(rows, key=lambda row: (row.get("wall_s") is None, row.get("wall_s") or 0.0))
    return tables


def _errors(found: Findings) -> list[dict[str, str]]:
    return [
        {"phase": data.name, "arm": arm, "error": machine.scrub(error)}
        for data in found.phases.values()
        for arm, error in data.errors.items()
    ]


def _ceiling(found: Findings) -> dict[str, Any]:
    data = found.phases.get("ceiling")
    if data is None or found.price is None:
        return {"ceiling": None}
    puts = {name: row_of(arm, data.of(name), found.captures) for name, arm in data.arms.items()}
    return {
        "ceiling": {
            **asdict(found.price),
            "puts_per_s": {name: row["captures_per_s"] for name, row in puts.items()},
            "client": next(iter(data.arms.values())).pipeline.rsplit(" | ", 1)[1],
            "in_flight": next(iter(data.arms.values())).in_flight,
            "samples": [sample.as_dict() for sample in data.samples],
        }
    }


def _capture(file: CaptureFile, use: str) -> dict[str, Any]:
    return {**asdict(file), "notes": list(file.notes), "use": use}


def _raw(sample: Sample, phase: str) -> dict[str, Any]:
    return {"phase": phase, **sample.as_dict()}
