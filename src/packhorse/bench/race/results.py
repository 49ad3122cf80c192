"""From findings to record: rows, verdicts, the published figure. No measuring here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from packhorse.bench.race import lineup, machine
from packhorse.bench.race.bench import Findings
from packhorse.bench.race.cost import Tariff, packaged_tariff, priced
from packhorse.bench.race.decide import Decision, Member, Question, costs, decide
from packhorse.bench.race.goals import Require, meets
from packhorse.bench.race.hot_path import with_pool
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.publishing import published_of
from packhorse.bench.race.record_types import (
    HeldOutFigures,
    Latency,
    Published,
    RaceRecord,
    Row,
    RowVerdict,
    Twin,
    Winner,
)
from packhorse.bench.race.score import cost_of
from packhorse.bench.race.sentence import sentence
from packhorse.bench.race.spec import Arm, Role, Sample, Way
from packhorse.bench.sampler import busy
from packhorse.bench.stats import looks
from packhorse.bench.stats.against_best import fitted
from packhorse.bench.stats.critical import Family, critical_value
from packhorse.bench.stats.rounds import by_process
from packhorse.bench.stats.two_way import Fit, fit
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline

#: Level at which the A/A twin raises its alarm.
TWIN_ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class Asked:
    """By what a record is judged.

    Attributes:
        objective, require, tariff: As of :class:`RaceOptions`.
        as_raced: Whether the samples were taken for this: only then do early exits count against an arm.
    """

    objective: Objective
    require: Require | None = None
    tariff: Tariff | None = None
    as_raced: bool = True


def build_record(options: RaceOptions, found: Findings, argv: Sequence[str]) -> RaceRecord:
    """The whole record. Never fails for want of data: an interrupted race has a record too."""
    asked = Asked(options.objective, options.require, options.tariff)
    tariff = (options.tariff or packaged_tariff()) if options.objective is Objective.COST else None
    decision = decision_of(found, asked)
    published = published_of(found, decision)
    rows = result_rows(found, asked, decision)
    versions, unavailable = machine.versions()
    return RaceRecord(
        schema_version=3,
        command=machine.command(argv),
        interrupted=found.interrupted,
        objective=options.objective,
        quick=options.quick,
        seed=options.seed,
        redacted=options.redact,
        wires=list(options.wires),
        whole=options.whole,
        also=list(options.also),
        require=str(options.require) if options.require else None,
        tariff=tariff.as_dict() if tariff else None,
        link=options.link_name,
        link_figures=found.link,
        target=found.target,
        machine=machine.describe(),
        versions=versions,
        unavailable=unavailable,
        captures=found.captures,
        held_out=found.held_out,
        seconds=found.seconds,
        stages=found.stages,
        results=rows,
        reference=_reference(found, rows),
        winner=winner_of(found, asked, decision, rows, published),
        twin=twin_of(found, asked),
        looks=found.looks,
        busy=busy([row.foreign_share for row in found.rounds if row.phase == "finals"]),
        published=published,
        errors=found.errors,
        rounds=found.rounds,
        warmups=found.warmups,
    )


def decision_of(found: Findings, asked: Asked) -> Decision | None:
    """The finals decided; None when nothing that may win was measured."""
    if asked.objective is Objective.MEMORY:
        return _by_memory(found, asked)
    names = _may_be_chosen(found, asked)
    leavers = [leaver for look in found.looks for leaver in look.left if leaver.arm in names] if asked.as_raced else []
    last = next((look.alpha for look in reversed(found.looks) if look.last), None) if asked.as_raced else None
    members = {
        name: Member(0.0, found.peaks[name][0] if name in found.peaks else None, _dependencies(found.arms[name]))
        for name in names
    }
    alpha = last if last is not None else looks.level(looks.FIRST_LOOK, last=True)
    question = Question(alpha, leavers, members, _process_s(found))
    decision = _decided(found, asked, names, question)
    if decision is not None and asked.objective is Objective.SIZE and len(decision.members) > 1:
        # Equal bytes: among those the faster ones, by the same rule.
        faster = replace(asked, objective=Objective.THROUGHPUT)
        again = _decided(found, faster, list(decision.members), replace(question, leavers=()))
        if again is not None:
            return replace(decision, members=again.members, choice=again.choice, decided_by=again.decided_by)
    return decision


def _process_s(found: Findings) -> float | None:
    """Seconds of one process of the finals: what another one would take."""
    processes = len({sample.process for sample in found.samples.get("finals", ())})
    return found.seconds["finals"] / processes if processes and "finals" in found.seconds else None


def _decided(found: Findings, asked: Asked, names: Iterable[str], question: Question) -> Decision | None:
    cost = cost_of(asked.objective, capture_bytes(found), asked.tariff)
    try:
        return decide(costs(found.samples.get("finals", ()), cost, names), question)
    except InputError:  # an interrupt, or failures, left arms that share no process
        return None


def _may_be_chosen(found: Findings, asked: Asked) -> list[str]:
    # base64 was raced for those who require it; for all others it is the same pipeline with more work and more bytes.
    eligible = found.eligible | (found.for_text if asked.require is Require.TEXT else frozenset())
    out = found.failed("finals")
    names = [name for name in found.arms if name in eligible and name not in out]
    return [name for name in names if meets(Pipeline.parse(found.arms[name].pipeline), asked.require)]


def _by_memory(found: Findings, asked: Asked) -> Decision | None:
    """By peak memory: one measurement per arm, equal within a tenth of the lowest; among those the faster ones."""
    peaks = {name: found.peaks[name][0] for name in _may_be_chosen(found, asked) if name in found.peaks}
    if not peaks:
        return None
    least = max(1, min(peaks.values()))
    equal = [name for name, peak in peaks.items() if peak <= least * 1.1]
    faster = _decided(found, replace(asked, objective=Objective.THROUGHPUT), equal, Question())
    if faster is None:
        return None
    lowest = min(peaks, key=lambda name: peaks[name])
    verdicts = {}
    for name, peak in sorted(peaks.items(), key=lambda item: item[1]):
        ratio = math.log(max(1, peak) / least)
        word = "fastest" if name == faster.choice else "as fast" if name in equal else "slower"
        text = "least memory" if name in equal else f"{100 * math.expm1(ratio):.0f} % more memory"
        verdicts[name] = RowVerdict(word, text, ratio, ratio, ratio, lowest, 1)  # type: ignore[arg-type]
    return Decision(faster.standing, verdicts, tuple(equal), faster.choice, faster.decided_by, 1)


def _dependencies(arm: Arm) -> int:
    return len({dist for choice in Pipeline.parse(arm.pipeline).choices for dist in choice.candidate.dists})


def capture_bytes(found: Findings) -> float:
    """Mean compact JSON of the captures that were raced."""
    return sum(file.plain_bytes for file in found.captures) / max(1, len(found.captures))


def result_rows(found: Findings, asked: Asked, decision: Decision | None) -> list[Row]:
    """A row for every arm of the finals: the chosen first, then by cost, the presets last."""
    by_cpu = decision_of(found, replace(asked, objective=Objective.CPU, as_raced=False))
    tariff = (asked.tariff or packaged_tariff()) if asked.objective is Objective.COST else None
    finals = found.samples.get("finals", [])
    references = {role: _per_process(finals, _of_role(found, role)) for role in (Role.REFERENCE, Role.COMMON)}
    errors = {row.arm: row.error for row in found.errors if row.phase in ("finals", "memory")}
    left = {one.arm: one.over for look in found.looks for one in look.left}
    rows = []
    for name, arm in found.arms.items():
        samples = [sample for sample in finals if sample.arm == name]
        figures = figures_of(samples, capture_bytes(found))
        mine = _per_process(samples, name)
        peak = found.peaks.get(name)
        rows.append(
            Row(
                arm=name,
                pipeline=str(with_pool(Pipeline.parse(arm.pipeline), arm.in_flight)),
                in_flight=arm.in_flight,
                way=arm.way,
                role=arm.role,
                eligible=name in found.eligible,
                for_text=name in found.for_text,
                **figures,
                processes=len({sample.process for sample in samples if sample.counted}),
                speedup_over_reference=_times(mine, references[Role.REFERENCE]),
                speedup_over_common=_times(mine, references[Role.COMMON]),
                verdict=decision.verdicts.get(name) if decision else None,
                cpu_verdict=by_cpu.verdicts.get(name) if by_cpu else None,
                peak_rss_bytes=peak[0] if peak else None,
                working_rss_bytes=peak[1] if peak else None,
                usd_per_million=priced(figures, tariff),
                error=errors.get(name),
                left=f"beaten by {left[name]}" if name in left else None,
                samples=samples,
            )
        )
    return sorted(rows, key=lambda row: _place(row, decision))


def _place(row: Row, decision: Decision | None) -> tuple[float, ...]:
    preset = {Role.COMMON: 2.0, Role.REFERENCE: 3.0, Role.TWIN: 1.0}.get(row.role, 0.0)
    chosen = decision is not None and row.arm == decision.choice
    cost = row.verdict.log_ratio if row.verdict else math.inf
    return (preset, 0.0 if chosen else 1.0, cost, row.wall_s if row.wall_s is not None else math.inf)


def figures_of(samples: Sequence[Sample], mean_bytes: float) -> dict[str, Any]:
    """Medians over counted samples, per capture of the mean size."""
    counted = [sample for sample in samples if sample.counted]
    walls = [s.wall_s * mean_bytes / s.raw_bytes for s in counted]
    wall_s = median(walls) if walls else None

    def middle(values: Iterable[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return median(present) if present else None

    return {
        "captures_per_s": 1 / wall_s if wall_s else None,
        "raw_bytes_per_s": mean_bytes / wall_s if wall_s else None,
        "wall_s": wall_s,
        "cpu_s": middle(s.cpu_s * mean_bytes / s.raw_bytes for s in counted),
        "bytes_out": middle(s.bytes_out * mean_bytes / s.raw_bytes for s in counted),
        "latency": Latency(middle(s.latency_p50_s for s in counted), middle(s.latency_p99_s for s in counted)),
        "gc_share": middle(s.gc_s / s.wall_s for s in counted),
        "put_s": middle(None if s.put_s is None else s.put_s / s.captures for s in counted),
        "connections": sum(s.connections for s in counted),
    }


def _of_role(found: Findings, role: Role) -> str | None:
    return next((name for name, arm in found.arms.items() if arm.role is role), None)


def _per_process(samples: Iterable[Sample], arm: str | None) -> dict[int, float]:
    """Process → median wall seconds per raw byte of an arm."""
    found: dict[int, list[float]] = {}
    for s in samples:
        if s.arm == arm and s.counted:
            found.setdefault(s.process, []).append(s.wall_s / s.raw_bytes)
    return {process: median(values) for process, values in found.items()}


def _times(mine: Mapping[int, float], theirs: Mapping[int, float]) -> float | None:
    """Times faster than a preset: the median, paired within processes."""
    ratios = [theirs[process] / mine[process] for process in mine.keys() & theirs.keys()]
    return median(ratios) if ratios else None


def _reference(found: Findings, rows: Sequence[Row]) -> dict[str, Any]:
    row = next((row for row in rows if row.role is Role.REFERENCE), None)
    if row is None:
        return {"pipeline": None, "captures_per_s": None}
    keys = ("pipeline", "in_flight", "captures_per_s", "raw_bytes_per_s", "wall_s", "cpu_s", "bytes_out", "processes")
    return {key: getattr(row, key) for key in keys}


def twin_of(found: Findings, asked: Asked) -> Twin | None:
    """The A/A alarm; None where it was not raced, or by memory."""
    twin = _of_role(found, Role.TWIN)
    if twin is None or asked.objective is Objective.MEMORY:
        return None
    first = twin.removesuffix(lineup.TWIN)
    names = [name for name, arm in found.arms.items() if not arm.preset]
    cost = cost_of(asked.objective, capture_bytes(found), asked.tariff)
    processes = by_process(costs(found.samples.get("finals", ()), cost, names))
    if twin not in processes.table or first not in processes.table:
        return None
    try:
        model = fitted(processes)
    except InputError:
        return None
    log_ratio, error = model.difference(twin, first)
    pair = fit({first: {0: 0.0, 1: 0.0}, twin: {0: 0.0, 1: 0.0}})
    alone = Fit(pair.arms, pair.effects, pair.covariance, model.residual_sd, model.df)
    factor = critical_value(alone, TWIN_ALPHA, Family.ALL_PAIRS)
    half = factor * error * model.residual_sd
    if not math.isfinite(half):
        return Twin(twin, log_ratio, None, None, differs=False)
    return Twin(twin, log_ratio, log_ratio - half, log_ratio + half, differs=abs(log_ratio) > max(half, 1e-3))


def winner_of(
    found: Findings, asked: Asked, decision: Decision | None, rows: Sequence[Row], published: Published | None
) -> Winner:
    """The record's ``winner``."""
    if decision is None:
        winner = Winner(sentence="", pipeline=None, decided_by="nothing that may win was measured")
        winner.sentence = sentence(winner, rows, published, asked.objective, interrupted=found.interrupted)
        return winner
    by_arm = {row.arm: row for row in rows}
    row = by_arm[decision.choice]
    width = decision.standing.half_width
    cpu_set = [r.arm for r in rows if r.cpu_verdict is not None and r.cpu_verdict.word != "slower"]
    cpu_best = next((r.arm for r in rows if r.cpu_verdict is not None and r.cpu_verdict.log_ratio == 0), None)
    why = "no difference below 25 % could have been seen" if decision.blind else ""
    winner = Winner(
        sentence="",
        pipeline=row.pipeline,
        in_flight=row.in_flight,
        arm=row.arm,
        set=list(dict.fromkeys(by_arm[name].pipeline for name in decision.members)),
        set_arms=list(decision.members),
        named=len(decision.members) == 1 and not decision.blind and not found.interrupted,
        decided_by=decision.decided_by,
        conclusive=not decision.blind,
        why=why,
        half_width=math.expm1(width) if math.isfinite(width) else None,
        processes=decision.processes,
        rounds=sum(1 for one in found.rounds if one.phase == "finals" and one.counted),
        captures_per_s=row.captures_per_s,
        raw_bytes_per_s=row.raw_bytes_per_s,
        wall_s=row.wall_s,
        cpu_s=row.cpu_s,
        bytes_out=row.bytes_out,
        peak_rss_bytes=row.peak_rss_bytes,
        speedup_over_reference=row.speedup_over_reference,
        speedup_over_common=row.speedup_over_common,
        streaming=all(choice.candidate.streaming for choice in Pipeline.parse(row.pipeline).choices),
        cpu_best=cpu_best if not set(cpu_set) & set(decision.members) else None,
        held_out=_held_out(published, row),
    )
    winner.sentence = sentence(winner, rows, published, asked.objective, interrupted=found.interrupted)
    return winner


def _held_out(published: Published | None, chosen: Row) -> HeldOutFigures | None:
    if published is None:
        return None
    row = next(one for one in published.results if one.way is Way.UPLOADER and one.arm.startswith(f"{chosen.arm} ("))
    return HeldOutFigures(
        captures_per_s=row.captures_per_s,
        raw_bytes_per_s=row.raw_bytes_per_s,
        wall_s=row.wall_s,
        cpu_s=row.cpu_s,
        bytes_out=row.bytes_out,
        latency=row.latency,
        speedup_over_reference=published.over_reference.value if published.over_reference else None,
        speedup_over_common=published.over_common.value if published.over_common else None,
        on=published.note,
    )
