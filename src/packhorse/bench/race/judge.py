"""Judging a record again by another objective: the same samples, the same statistics, another cost. Nothing is run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from statistics import median

import msgspec

from packhorse.bench.race.bench import Findings
from packhorse.bench.race.cost import Tariff, packaged_tariff
from packhorse.bench.race.goals import Require
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.record import read_record, write_record
from packhorse.bench.race.record_types import Judged, RaceRecord
from packhorse.bench.race.results import Asked, capture_bytes, decision_of, result_rows, twin_of, winner_of
from packhorse.bench.race.score import cost_of
from packhorse.bench.race.spec import Arm, Way
from packhorse.errors import InputError, RecordError
from packhorse.profiles.publish import REQUIRED


def judge_folder(
    folder: Path, objective: Objective | None = None, tariff: Tariff | None = None, require: Require | None = None
) -> RaceRecord:
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
    chosen = objective or steered(record)
    return judge(record, Asked(chosen, require, tariff), source_sha256=source_sha256)


def write_judged(record: RaceRecord, folder: Path, *, source: Path) -> None:
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


def steered(record: RaceRecord) -> Objective:
    """The objective that the samples were taken for: arms left early by it and no other."""
    return Objective(record.judged.from_objective) if record.judged is not None else record.objective


def judge(record: RaceRecord, asked: Asked, *, source_sha256: str) -> RaceRecord:
    """The record with another objective's verdict: winner, set, and every row's place.

    Measured figures are taken over. ``judged`` says which objective had steered the race, and what that means for the
    new verdict: only what was raced end to end can win here.

    Raises:
        RecordError: Nothing was measured end to end, or not what the objective needs.
    """
    _check(record, asked.objective)
    was = steered(record)
    same = was is asked.objective and asked.require is None
    asked = replace(asked, as_raced=same)
    found = findings_of(record)
    decision = decision_of(found, asked)
    rows = result_rows(found, asked, decision)
    published = record.published if decision is not None and _was_published(record, decision.choice) else None
    winner = winner_of(found, asked, decision, rows, published)
    tariff = (asked.tariff or packaged_tariff()) if asked.objective is Objective.COST else None
    judged = msgspec.structs.replace(
        record,
        objective=asked.objective,
        require=str(asked.require) if asked.require else None,
        tariff=tariff.as_dict() if tariff else None,
        results=rows,
        winner=winner,
        twin=twin_of(found, asked),
        published=published,
    )
    notes = [] if same else _notes(judged, found, asked, was)
    return msgspec.structs.replace(judged, judged=Judged(str(was), source_sha256, notes))


def _was_published(record: RaceRecord, choice: str) -> bool:
    """Whether the uploader was measured with this choice, too (the race's own, and those of its other goals were)."""
    rows = record.published.results if record.published is not None else []
    return any(row.way is Way.UPLOADER and row.arm.startswith(f"{choice} (") and row.captures_per_s for row in rows)


def _check(record: RaceRecord, objective: Objective) -> None:
    rows = [row for row in record.results if row.samples]
    if not rows:
        raise RecordError("the record has no end-to-end samples, so there is nothing to judge")
    if objective is Objective.LATENCY:
        without = next((r for r in rows if any(s.latency_p50_s is None for s in r.samples)), None)
        if without is not None:
            raise RecordError(f"objective latency: {without.arm!r} has samples without latency_p50_s; race again")
    if objective is Objective.MEMORY and all(row.peak_rss_bytes is None for row in rows):
        raise RecordError(
            "objective memory: no row has peak_rss_bytes (a quick race does not measure it, and one that was stopped "
            "has not come to it); race without --quick"
        )


def findings_of(record: RaceRecord) -> Findings:
    """What the race had found, as far as verdicts need it."""
    found = Findings(
        captures=record.captures,
        held_out=record.held_out,
        held_out_note=record.published.note if record.published else "",
        rounds=record.rounds,
        looks=record.looks,
        errors=record.errors,
        steered=steered(record),
        interrupted=record.interrupted,
        stages=record.stages,
        seconds=record.seconds,
    )
    for row in record.results:
        found.arms[row.arm] = Arm(row.arm, row.pipeline, row.in_flight, row.way, row.role)
        found.samples.setdefault("finals", []).extend(row.samples)
        if row.peak_rss_bytes is not None:
            found.peaks[row.arm] = (row.peak_rss_bytes, row.working_rss_bytes or 0)
    found.eligible = frozenset(row.arm for row in record.results if row.eligible)
    found.for_text = frozenset(row.arm for row in record.results if row.for_text)
    return found


def _notes(judged: RaceRecord, found: Findings, asked: Asked, was: Objective) -> list[str]:
    """What the reader has to know before believing the new verdict."""
    objective = asked.objective
    count = sum(row.verdict is not None for row in judged.results)
    wanted = f" and {REQUIRED[asked.require]}" if asked.require else ""
    notes = [f"Judged among the {count} pipelines that a race by {was} had taken to its end{wanted}; nothing was run."]
    early = _left_too_early(judged, found, asked)
    if early:
        notes.append(
            f"Left the race early, as beaten by {was}, and so stand on fewer processes: {', '.join(early)}. "
            f"Race with --objective {objective} to be sure."
        )
    unknown = [row.arm for row in judged.results if row.samples and row.peak_rss_bytes is None]
    if objective is Objective.MEMORY and unknown:
        notes.append(f"Not judged, since its memory was not measured: {', '.join(unknown)}.")
    if objective is Objective.LATENCY:
        levels = sorted({row.in_flight for row in judged.results if row.samples})
        notes.append(
            f"Latencies are those at {', '.join(map(str, levels))} in flight, which include waiting for a turn; "
            "a race by latency measures one in flight."
        )
    if judged.published is None and judged.winner.pipeline is not None:
        notes.append("The uploader was not measured with this choice: its figures are those of the race.")
    return notes


def _left_too_early(judged: RaceRecord, found: Findings, asked: Asked) -> list[str]:
    """Arms that left early and look no dearer than the choice by what counts now."""
    winner = judged.winner.arm
    if asked.objective is Objective.MEMORY or winner is None:
        return []
    cost = cost_of(asked.objective, capture_bytes(found), asked.tariff)
    left = {one.arm for look in found.looks for one in look.left}

    def typical(arm: str) -> float:
        return median(cost(s) for s in found.samples["finals"] if s.arm == arm and s.counted)

    least = typical(winner)
    return [row.arm for row in judged.results if row.arm in left and typical(row.arm) < least * 1.05]
