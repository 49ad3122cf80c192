"""Planning, pure: running orders, when a phase ends, and who goes on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from packhorse.bench.race.options import PhasePlan


def order(names: Sequence[str], *, seed: int, phase: str, block: int) -> list[str]:
    """Running order of a block: shuffled by seed, the second block of each pair in the reverse order of the first.

    Args:
        names: Arms still in the race, in any order; an arm that has left does not change the others' order.
        seed: The race's seed.
        phase: The phase's name, so that phases differ.
        block: Index of the block in its phase.
    """

    def place(name: str) -> float:
        return random.Random(f"{seed}:{phase}:{block // 2}:{name}").random()

    return sorted(names, key=lambda name: (place(name), name), reverse=bool(block % 2))


def able_to_decide(plan: PhasePlan, *, rows: int, seed: int) -> PhasePlan:
    """The plan with as many blocks, at the least, as the tests of its verdicts need to find anything at all.

    With 8 blocks a signed-rank test cannot go below p = 0.0078, and Holm over 14 rows makes 0.11 of that: even an arm
    ten times slower would be "unresolved".

    Args:
        plan: The phase's own bounds; its ``max_blocks`` holds.
        rows: Arms that get a verdict.
        seed: The race's.
    """
    from packhorse.bench.race.verdicts import rule_of
    from packhorse.bench.stats.significance import least_blocks

    needed = least_blocks(max(1, rows), rule_of(seed).alpha)
    return replace(plan, min_blocks=min(plan.max_blocks, max(plan.min_blocks, needed)))


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When a phase should be over, and when no further block is begun even below its least number, on one clock."""

    planned_s: float
    latest_s: float


def another_block(plan: PhasePlan, *, done: int, now_s: float, deadlines: Deadlines, block_s: float) -> bool:
    """Whether a phase measures another block. One is always measured.

    Args:
        plan: Its bounds.
        done: Blocks done.
        now_s: The present, on the same clock as the deadlines.
        deadlines: When to stop.
        block_s: Seconds the last block took.
    """
    if done == 0:
        return True
    limit_s = deadlines.latest_s if done < plan.min_blocks else deadlines.planned_s
    return done < plan.max_blocks and now_s + block_s <= limit_s


def best_of(costs: Mapping[str, Sequence[float]], count: int) -> list[str]:
    """The ``count`` arms with the lowest median cost, best first; ties by name."""
    middle = {name: median(values) for name, values in costs.items() if values}
    return sorted(middle, key=lambda name: (middle[name], name))[:count]
