"""Judging a record again by another objective: the same samples, the same statistics, another cost. Nothing is run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from statistics import median

from packhorse.bench.race import lineup
from packhorse.bench.race.cost import Tariff, packaged_tariff, priced
from packhorse.bench.race.exits import Exit
from packhorse.bench.race.findings import Findings
from packhorse.bench.race.goals import Require
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.interactions import interactions
from packhorse.bench.race.options import Objective, RaceOptions
from packhorse.bench.race.outcome import against_best, method_fields, noise_fields, verdict_of, verdict_rows
from packhorse.bench.race.overlooked import overlooked
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.record import Record, read_record, upgraded, write_record
from packhorse.bench.race.results import winner_fields
from packhorse.bench.race.score import upload_cost
from packhorse.bench.race.spec import Arm, Kind, Sample
from packhorse.errors import InputError, RecordError
from packhorse.profiles.publish import REQUIRED

#: Overlooked compressors that are named.
SHOWN = 4


def judge_folder(
    folder: Path, objective: Objective | None = None, tariff: Tariff | None = None, require: Require | None = None
) -> Record:
    """Read a race's record and judge it by ``objective``. The record stays as it is.

    Args:
        folder: A race's folder, or its record's file.
        objective: What decides now; None for the race's own.
        tariff: Prices and retention for ``cost``; None for the packaged ones.
        require: What the chosen pipeline must meet.

    Raises:
        RecordError: Unreadable, or without what the objective needs.
    """
    file = folder / "record.json" if folder.is_dir() else folder
    record = read_record(file)
    source_sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    chosen = objective or Objective(_steered(record))
    return judge(record, chosen, source_sha256=source_sha256, tariff=tariff, require=require)


def write_judged(record: Record, folder: Path, *, source: Path) -> None:
    """Write a judged record with its reports into ``folder``, made when it is missing.

    Raises:
        InputError: ``folder`` is where the record came from; nothing is written.
    """
    from packhorse.bench.report import write as write_report

    origin = source if source.is_dir() else source.parent
    if folder.resolve() == origin.resolve():
        raise InputError(f"{folder}: holds the record that was judged, which is never changed; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_record(record, folder / "record.json")
    write_report(folder)


def judge(
    record: Record,
    objective: Objective,
    *,
    source_sha256: str,
    tariff: Tariff | None = None,
    require: Require | None = None,
) -> Record:
    """The record with another objective's verdict: winner, set, noise floor and every row's place.

    Measured figures are taken over. ``judged`` says which objective had steered the race, and what that means for the
    new verdict: only what was raced end to end can win here.

    Raises:
        RecordError: Nothing was measured end to end, or not what the objective needs.
    """
    record = upgraded(record)
    _check(record, objective)
    found = _findings(record)
    options = RaceOptions(objective=objective, seed=record["seed"], tariff=tariff, require=require)
    verdicts = verdict_rows(options, found)
    verdict = verdict_of(options, found)
    prices = (tariff or packaged_tariff()) if objective is Objective.COST else None
    rows = [
        {
            **row,
            "against_best": against_best(verdict, row["arm"]),
            "verdict": verdicts.get(row["arm"]),
            "usd_per_million": priced(row, prices),
        }
        for row in record["results"]
    ]
    judged: Record = {**record, "objective": str(objective), "require": require and str(require)}
    judged.pop("tariff", None)
    if prices is not None:
        judged["tariff"] = prices.as_dict()
    judged["results"] = rows
    judged["winner"] = winner_fields(found, verdict, rows)
    judged["noise"] = noise_fields(verdict)
    # Looks were declared for the race's own samples, and stay as they were.
    judged["method"] = {**method_fields(options, found), "looks": record["method"]["looks"]}
    judged["interactions"] = interactions(judged, objective, tariff)
    steered = _steered(record)
    notes = [] if steered == objective and require is None else _notes(judged, found, options, steered)
    judged["judged"] = {"from_objective": steered, "source_sha256": source_sha256, "notes": notes}
    return judged


def _steered(record: Record) -> str:
    """The objective that the samples were taken for: arms left early by it and no other."""
    return str(record["judged"]["from_objective"] if "judged" in record else record["objective"])


def _check(record: Record, objective: Objective) -> None:
    rows = [row for row in record["results"] if row["samples"]]
    if not rows:
        raise RecordError("the record has no end-to-end samples, so there is nothing to judge")
    if objective is Objective.LATENCY:
        without = next((r for r in rows if any(s.get("latency_p50_s") is None for s in r["samples"])), None)
        if without is not None:
            raise RecordError(f"objective latency: {without['arm']!r} has samples without latency_p50_s; race again")
    if objective is Objective.MEMORY and all(row["peak_rss_bytes"] is None for row in rows):
        raise RecordError(
            "objective memory: no row has peak_rss_bytes (the race was stopped before it measured memory); race again"
        )


def _findings(record: Record) -> Findings:
    """What the race had found, as far as the verdict needs it."""
    finals = _phase("finals", record["results"])
    finals.errors.update((row["arm"], row["error"]) for row in record["errors"] if row["phase"] == "finals")
    finals.dropped.update((r["arm"], r["left_early"]) for r in record["results"] if r.get("left_early"))
    finals.exits += [Exit.from_dict(one) for one in record["exits"] if one["phase"] == "finals"]
    memory = PhaseData("memory")
    memory.notes += [
        {"event": "memory", "arm": row["arm"], "peak_rss_bytes": row["peak_rss_bytes"]}
        for row in record["results"]
        if row["peak_rss_bytes"] is not None
    ]
    held_out = record["held_out"]
    twin = next((row["arm"] for row in record["results"] if row["role"] == "aa-twin"), None)
    return Findings(
        captures=[_capture(file) for file in record["captures"]],
        held_out=[_capture(file) for file in held_out["captures"]],
        held_out_note=held_out["note"],
        eligible=frozenset(row["arm"] for row in record["results"] if row.get("eligible", row["role"] == "candidate")),
        for_text=frozenset(row["arm"] for row in record["results"] if row.get("for_text")),
        steered=Objective(_steered(record)),
        phases={"finals": finals, "memory": memory, "held-out": _phase("held-out", held_out["results"])},
        reference=_reference(record, finals),
        twin=finals.arms.get(twin.removesuffix(lineup.TWIN)) if twin else None,
        interrupted=record["interrupted"],
    )


def _phase(name: str, rows: list[Record]) -> PhaseData:
    arms = {row["arm"]: Arm(row["arm"], Kind.UPLOAD, row["pipeline"], row["in_flight"]) for row in rows}
    return PhaseData(name, arms=arms, samples=[Sample.from_dict(data) for row in rows for data in row["samples"]])


def _reference(record: Record, finals: PhaseData) -> Arm | None:
    wanted = (record["reference"].get("pipeline"), record["reference"].get("in_flight"))
    return next((arm for arm in finals.arms.values() if (arm.pipeline, arm.in_flight) == wanted), None)


def _capture(data: Mapping[str, object]) -> CaptureFile:
    known = {field.name: data[field.name] for field in fields(CaptureFile) if field.name in data}
    return replace(CaptureFile(**known), notes=tuple(data.get("notes") or ()))  # type: ignore[arg-type]


def _notes(judged: Record, found: Findings, options: RaceOptions, steered: str) -> list[str]:
    """What the reader has to know before believing the new verdict."""
    objective = options.objective
    count = sum(row["against_best"] is not None for row in judged["results"])
    wanted = f" and {REQUIRED[options.require]}" if options.require else ""
    notes = [
        f"Judged among the {count} pipelines that a race by {steered} had taken to its end{wanted}; nothing was run."
    ]
    early = _left_too_early(judged, found, options)
    if early:
        notes.append(
            f"Not judged, since the race stopped measuring it before half of its blocks: {', '.join(early)}; the "
            f"samples that it has are cheaper than the choice's. Race with --objective {objective} to be sure."
        )
    unknown = [row["arm"] for row in judged["results"] if row["samples"] and row["peak_rss_bytes"] is None]
    if objective is Objective.MEMORY and unknown:
        notes.append(f"Not judged, since its memory was not measured: {', '.join(unknown)}.")
    if objective is Objective.LATENCY:
        levels = sorted({row["in_flight"] for row in judged["results"] if row["samples"]})
        notes.append(
            f"Latencies are those at {', '.join(map(str, levels))} in flight, which include waiting for a turn; "
            "a race by latency measures one in flight."
        )
    better = [] if options.require else overlooked(judged, objective, options.tariff)
    if better:
        more = " and others" if len(better) > SHOWN else ""
        notes.append(
            f"Screened out by {steered}, never raced end to end, but predicted to be cheaper by {objective}: "
            f"{', '.join(better[:SHOWN])}{more}. Race with --objective {objective}, or name them with --pipeline."
        )
    return notes


def _left_too_early(judged: Record, found: Findings, options: RaceOptions) -> list[str]:
    """Arms without a place that look cheaper than the choice by the samples they have."""
    chosen = next((row for row in judged["results"] if row["pipeline"] == judged["winner"]["pipeline"]), None)
    if options.objective is Objective.MEMORY or chosen is None:
        return []
    costs = found.phases["finals"].costs(upload_cost(options.objective, options.tariff))
    least = median(costs[chosen["arm"]].values())
    eligible = found.eligible - set(found.phases["finals"].errors)
    out = [row["arm"] for row in judged["results"] if row["against_best"] is None and row["arm"] in eligible]
    return [arm for arm in out if arm in costs and median(costs[arm].values()) < least]
