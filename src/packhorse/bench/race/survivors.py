"""Who goes on from the screening to the finals, pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from packhorse.bench.race import lineup
from packhorse.bench.race.goals import Goal, Require, meets
from packhorse.bench.race.phase import Cost, PhaseData
from packhorse.bench.race.plan import best_of
from packhorse.bench.race.score import own_cost
from packhorse.bench.race.spec import Arm, Kind
from packhorse.pipeline import Choice, Pipeline

#: Levels of one client count as equal within this factor of its best.
LEVEL_MARGIN = 1.1
#: Part of the raw pipeline's predicted cost that a base64 one has to fall below to be believed.
BASE64_CLEARLY_CHEAPER = 0.9
#: Pipelines that go to the finals for each further goal.
PER_GOAL = 2
#: For text only one: every base64 pipeline is the same one with raw bytes and more work.
FOR_TEXT = 1


def alone(arm: Arm, pipeline: Pipeline) -> tuple[Choice, ...]:
    """The choices that an arm is about: one stage's when it measures a stage alone."""
    stages = {Kind.ENCODE: pipeline.encode_with, Kind.COMPRESS: pipeline.compress, Kind.BASE64: pipeline.base64}
    return (stages[arm.kind],) if arm.kind in stages else pipeline.choices


def best_level(costs: dict[int, float], wanted: int) -> int:
    """A client's concurrency for the finals: ``wanted`` unless others are clearly better, then the highest of those.

    On a link without round trips levels hardly differ, and the best of them by a hair may be one at a time, which would
    be the worst advice for any real link.
    """
    near = [level for level, cost in costs.items() if cost <= LEVEL_MARGIN * min(costs.values())]
    return wanted if wanted in near else max(near)


def best_clients(data: PhaseData, cost: Cost, wanted: int, *, beaten: bool = False) -> list[tuple[str, int]]:
    """Store clients of the stores phase, best first, each with its level for the finals.

    Args:
        data: What that phase measured.
        cost: What counts.
        wanted: The level to keep where none is clearly better.
        beaten: Whether those count, too, that left early.
    """
    out = frozenset[str]() if beaten else frozenset(data.dropped)
    costs = {name: list(by.values()) for name, by in data.costs(cost).items() if name not in out}
    clients: dict[str, dict[int, float]] = {}
    for name in best_of(costs, len(costs)):
        arm = data.arms[name]
        clients.setdefault(arm.pipeline.rsplit(" | ", 1)[1], {})[arm.in_flight] = median(costs[name])
    return [(client, best_level(levels, wanted)) for client, levels in clients.items()]


def for_threads(data: PhaseData, cost: Cost, wanted: int, cpu: Sequence[str]) -> list[Arm]:
    """The best CPU pipelines behind the best client that is called from threads; nothing where there is no such client.

    That client may have left the stores phase early, as beaten by asyncio ones.

    Args:
        data: What the stores phase measured.
        cost: What counts.
        wanted: The level to keep where none is clearly better.
        cpu: CPU pipelines, best first.
    """
    for client, level in best_clients(data, cost, wanted, beaten=True):
        if meets(Pipeline.parse(f"{cpu[0]} | {client}"), Require.THREADS):
            return [lineup.upload_arm(f"{text} | {client}", level) for text in cpu[:PER_GOAL]]
    return []


def undominated(costs: dict[str, list[float]]) -> dict[str, list[float]]:
    """Leave out every base64 pipeline that is not clearly cheaper than the same one with raw bytes.

    It does more work and stores a third more, so where it looks a little cheaper that is noise; and without this rule
    it would take a finalist's place.
    """
    middle = {name: median(values) for name, values in costs.items()}
    raws = {name: f"{name.rsplit(' | ', 1)[0]} | raw" for name in costs}
    return {
        name: values
        for name, values in costs.items()
        if raws[name] == name or middle[name] < BASE64_CLEARLY_CHEAPER * middle.get(raws[name], math.inf)
    }


def for_goal(
    goal: Goal, phases: Mapping[str, PhaseData], predicted: Callable[[float], Cost], may_win: Callable[[Arm], bool]
) -> list[str]:
    """CPU pipelines that a goal is to be decided among, best predicted first.

    Arms that left a screening phase early by the race's objective are looked at too: by another they may be the best.

    Args:
        goal: Objective and condition on the objects (for one on the client see :func:`for_threads`).
        phases: The screening, by stage.
        predicted: Given the seconds of the encoder, the whole's predicted cost by the goal's objective of a compressor.
        may_win: Whether an arm is safe enough to be chosen at all.
    """
    own = own_cost(goal.objective)
    encoders = _best(phases["encode"], own, [a for a in phases["encode"].arms.values() if may_win(a)], 1)
    if not encoders:
        return []
    before_s = phases["encode"].middle(own)[f"encode/{encoders[0]}"]
    arms = [arm for arm in phases["compress"].arms.values() if may_win(arm)]
    if goal.require is Require.PLAIN:
        arms = [arm for arm in arms if Pipeline.parse(arm.pipeline).compress.candidate.wire == "gzip"]
    count = FOR_TEXT if goal.require is Require.TEXT else PER_GOAL
    compressors = _best(phases["compress"], predicted(before_s), arms, count)
    carriers = ["raw"]
    if goal.require is Require.TEXT:
        carriers = _best(phases["base64"], own, phases["base64"].arms.values(), 1)
    return [arm.pipeline for arm in lineup.crossed(encoders, compressors, carriers)]


def _best(data: PhaseData, cost: Cost, arms: Iterable[Arm], count: int) -> list[str]:
    costs = {name: list(by.values()) for name, by in data.costs(cost, [arm.name for arm in arms]).items()}
    return [lineup.stage_part(name)[1] for name in best_of(costs, count)]
