"""Planning, pure: running orders, when a phase ends, and who leaves early."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from packhorse.race.options import PhasePlan

#: Looks at which beaten arms leave, declared beforehand: after how many blocks, and how many times the best's cost an
#: arm must reach in the median *and* in every single block. The margins shrink as blocks come in; all of them are far
#: above the noise of a block (single blocks are off by up to 6 %, METHOD.md), so an early exit is no close call.
LOOKS = ((1, 4.0), (2, 2.0), (4, 1.5), (6, 1.3))


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


@dataclass(frozen=True, slots=True)
class Exit:
    """An arm that left early, and by which rule."""

    arm: str
    reason: str


def leavers(costs: Mapping[str, Sequence[float]], protected: frozenset[str], *, keep: int) -> list[Exit]:
    """Arms that are clearly beaten at this look.

    Args:
        costs: Arm → cost in each block so far; arms of equal length are compared.
        protected: Arms that stay whatever they cost.
        keep: Never fewer than this many arms stay.

    Returns:
        The worst first; empty when this number of blocks is not a declared look.
    """
    blocks = max((len(values) for values in costs.values()), default=0)
    margin = dict(LOOKS).get(blocks)
    whole = {name: list(values) for name, values in costs.items() if len(values) == blocks}
    if margin is None or len(whole) <= keep:
        return []
    middle = {name: median(values) for name, values in whole.items()}
    best = min(whole, key=lambda name: (middle[name], name))
    found: list[Exit] = []
    for name in sorted(whole, key=lambda name: -middle[name]):
        ratios = [_ratio(a, b) for a, b in zip(whole[name], whole[best], strict=True)]
        if name not in protected and name != best and min(ratios) >= margin and len(whole) - len(found) > keep:
            found.append(
                Exit(
                    name,
                    f"{median(ratios):.1f}x the best's cost after {blocks} block(s), limit {margin}x",
                )
            )
    return found


def best_of(costs: Mapping[str, Sequence[float]], count: int) -> list[str]:
    """The ``count`` arms with the lowest median cost, best first; ties by name."""
    middle = {name: median(values) for name, values in costs.items() if values}
    return sorted(middle, key=lambda name: (middle[name], name))[:count]


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else (math.inf if a > 0 else 1.0)
