"""From findings to the decision: who is chosen by an objective, and what is said of every row. No measuring here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from packhorse.bench.race import lineup
from packhorse.bench.race.decide import Decision, Member, decide, decide_peaks, tie_break
from packhorse.bench.race.findings import Findings
from packhorse.bench.race.goals import Require, meets
from packhorse.bench.race.options import Objective, RaceOptions
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.score import upload_cost
from packhorse.bench.race.spec import Arm
from packhorse.bench.race.verdicts import row_verdicts, rule_fields
from packhorse.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Verdict:
    """The finals' decision and the arm that is chosen in the end."""

    decision: Decision
    choice: Arm
    decided_by: str


def verdict_of(options: RaceOptions, found: Findings) -> Verdict | None:
    """Decide the finals; None when nothing eligible was measured."""
    finals = found.phases.get("finals")
    if finals is None:
        return None
    peaks = {note["arm"]: note["peak_rss_bytes"] for note in memory_notes(found)}
    decision = _decision(options, found, finals, peaks)
    if decision is None:
        return None
    members = list(decision.members)
    if options.objective in (Objective.SIZE, Objective.MEMORY) and len(members) > 1:
        # Equal bytes: among those the faster ones, by the same rule.
        fastest = finals.costs(upload_cost(Objective.THROUGHPUT), members)
        floor = twins_of(replace(options, objective=Objective.THROUGHPUT), found)
        members = list(decide(fastest, twins=floor, seed=options.seed).members)
        decision = replace(decision, members=tuple(members))
    stored = finals.costs(upload_cost(Objective.SIZE), members)
    chosen, decided_by = tie_break(
        {
            name: Member(peaks.get(name), median(stored[name].values()), _dependencies(finals.arms[name]))
            for name in members
        }
    )
    return Verdict(decision, finals.arms[chosen], decided_by)


def choices(options: RaceOptions, found: Findings) -> list[Arm]:
    """The race's choice and those of its other goals, which are all measured again; empty where the race has none.

    Each is published by what it does on other captures.
    """
    chosen = verdict_of(options, found)
    if chosen is None:
        return []
    wanted = [replace(options, objective=goal.objective, require=goal.require) for goal in options.goals]
    others = [verdict_of(one, found) for one in wanted]
    return [chosen.choice, *(verdict.choice for verdict in others if verdict is not None)]


def _decision(options: RaceOptions, found: Findings, finals: PhaseData, peaks: Mapping[str, int]) -> Decision | None:
    out = set(finals.errors) | (set(finals.dropped) if _as_raced(options, found) else set())
    sampled = finals.costs(upload_cost(Objective.THROUGHPUT))
    # base64 was raced for those who require it; for all others it is the same pipeline with more work and more bytes.
    may_win = found.eligible | (found.for_text if options.require is Require.TEXT else frozenset())
    names = [name for name in sampled if name in may_win and name not in out]
    names = [name for name in names if meets(Pipeline.parse(finals.arms[name].pipeline), options.require)]
    complete = max((len(sampled[name]) for name in names), default=0)
    names = [name for name in names if len(sampled[name]) >= complete / 2]
    if options.objective is Objective.MEMORY:
        measured = {name: peaks[name] for name in names if name in peaks}
        return decide_peaks(measured) if measured else None
    costs = finals.costs(upload_cost(options.objective, options.tariff), names)
    if not costs or not set.intersection(*(set(by) for by in costs.values())):
        return None
    return decide(costs, twins=twins_of(options, found), seed=options.seed)


def method_fields(options: RaceOptions, found: Findings) -> dict[str, Any]:
    """The record's ``method``: what was declared before measuring, of verdicts and of looks."""
    looks = {data.name: data.looks.as_dict() for data in found.phases.values() if data.looks is not None}
    yardstick = found.twin.name if found.twin is not None else None
    return {"yardstick": yardstick, "verdicts": rule_fields(options.seed), "looks": looks}


def verdict_rows(options: RaceOptions, found: Findings) -> dict[str, dict[str, Any]]:
    """Arm → its row's ``verdict``; empty by memory, which is measured once, and before an A/A arm was."""
    finals = found.phases.get("finals")
    if finals is None or found.twin is None or options.objective is Objective.MEMORY:
        return {}
    costs = finals.costs(upload_cost(options.objective, options.tariff))
    exits = finals.exits if _as_raced(options, found) else []
    return row_verdicts(costs, found.twin.name, lineup.twin_of(found.twin).name, exits=exits, seed=options.seed)


def against_best(verdict: Verdict | None, name: str) -> dict[str, Any] | None:
    """A row's ``against_best``; None for an arm that did not decide."""
    rivals = verdict.decision.rivals if verdict else ()
    return next((asdict(rival) for rival in rivals if rival.arm == name), None)


def noise_fields(verdict: Verdict | None) -> dict[str, Any] | None:
    """The record's ``noise``; None without a verdict."""
    return asdict(verdict.decision.noise) if verdict else None


def twins_of(options: RaceOptions, found: Findings) -> tuple[dict[int, float], dict[int, float]] | None:
    """Costs by block of the yardstick under its two names; None where it was not raced twice."""
    finals = found.phases.get("finals")
    if found.twin is None or finals is None:
        return None
    costs = finals.costs(upload_cost(options.objective, options.tariff))
    first, second = costs.get(found.twin.name), costs.get(lineup.twin_of(found.twin).name)
    return (first, second) if first and second else None


def _dependencies(arm: Arm) -> int:
    return len({dist for choice in Pipeline.parse(arm.pipeline).choices for dist in choice.candidate.dists})


def memory_notes(found: Findings) -> list[dict[str, Any]]:
    """What the memory processes said of each arm."""
    data = found.phases.get("memory") or PhaseData("memory")
    return [note for note in data.notes if note["event"] == "memory"]


def _as_raced(options: RaceOptions, found: Findings) -> bool:
    """Whether the samples are decided as they were taken: only then does leaving early count against an arm."""
    return found.steered in (None, options.objective) and options.require is None
