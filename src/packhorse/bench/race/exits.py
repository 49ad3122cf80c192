"""Who leaves a phase early, pure: by fixed margins while there are too few blocks to test, by tests afterwards.

The looks and the error that each may spend are declared before the phase begins (``bench/stats/looks.py``), so that the
chance of losing a best arm to all looks of a phase together stays below the phase's share of error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any, Literal

#: Looks of the screening phases before any test is possible: after how many blocks, and how many times the best's cost
#: an arm must reach in *every* block. Single blocks are off by up to 6 % (METHOD's noise), so that twice the cost is
#: more than ten times what noise does, and these looks spend no error worth counting. The finals do not use them.
HOPELESS = ((1, 4.0), (2, 2.0))
#: Costs below this are taken for it: free work has no logarithm.
_LEAST_COST = 1e-12


@dataclass(frozen=True, slots=True)
class LookSchedule:
    """What is declared for a phase before it begins.

    Attributes:
        alpha: Error of all tests together.
        blocks: Blocks after which is tested.
        alpha_steps: Error that each test spends.
        margins: Looks by fixed margin, ``(blocks, times the best's cost)``.
        least_deficit: In log units; an arm leaves only when it is slower by more than this.
    """

    alpha: float
    blocks: tuple[int, ...]
    alpha_steps: tuple[float, ...]
    margins: tuple[tuple[int, float], ...]
    least_deficit: float

    def as_dict(self) -> dict[str, Any]:
        """For the record: lists for tuples, as JSON has them."""
        return {
            "alpha": self.alpha,
            "blocks": list(self.blocks),
            "alpha_steps": list(self.alpha_steps),
            "margins": [list(look) for look in self.margins],
            "least_deficit": self.least_deficit,
        }


def schedule(total_blocks: int, *, alpha: float, margins: bool, least_deficit: float) -> LookSchedule:
    """Declare a phase's looks.

    Args:
        total_blocks: The most blocks that the phase may measure; looks lie before its last one.
        alpha: Error of all tests together.
        margins: Whether hopeless arms leave before the first test (:data:`HOPELESS`).
        least_deficit: See :class:`LookSchedule`.
    """
    from packhorse.bench.stats.looks import LookPlan, declared

    plan = declared(total_blocks, alpha) if total_blocks > 1 else LookPlan((), ())
    early = tuple(look for look in HOPELESS if look[0] < total_blocks) if margins else ()
    return LookSchedule(alpha, plan.blocks, plan.alpha_steps, early, least_deficit)


@dataclass(frozen=True, slots=True)
class Exit:
    """An arm that left early: when, by which rule, and beaten by whom.

    Attributes:
        arm: Who left.
        block: Blocks done at this look.
        rule: ``margin`` (in every block) or ``test`` (error spent).
        over: The best arm at this look.
        ratio: Median over blocks of its cost over the best's.
        limit: The margin, or the error that this look could spend.
        p_value: Of the test, adjusted for all pairs; None for a margin.
    """

    arm: str
    block: int
    rule: Literal["margin", "test"]
    over: str
    ratio: float
    limit: float
    p_value: float | None = None

    @property
    def reason(self) -> str:
        """One phrase for people."""
        what = f"{self.ratio:.3g}x the best's cost after {self.block} block(s)"
        if self.rule == "margin":
            return f"{what}, in every one at least {self.limit:g}x"
        return f"{what}, p = {self.p_value:.2g} where this look may spend {self.limit:.2g}"

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "reason": self.reason}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Exit:
        """Undo :meth:`as_dict`; unknown keys are ignored."""
        return cls(**{one.name: data[one.name] for one in fields(cls)})


def leavers(
    costs: Mapping[str, Mapping[int, float]],
    declared: LookSchedule,
    *,
    keep: int,
    protected: frozenset[str] = frozenset(),
    noise_floor: float = 0.0,
) -> list[Exit]:
    """Arms that are clearly beaten at this look.

    Args:
        costs: Arm → block → cost so far, of the arms still racing against each other.
        declared: The phase's looks.
        keep: Never fewer than this many arms stay.
        protected: Arms that stay whatever they cost.
        noise_floor: In log units: what two copies of one pipeline may differ by in this run. Arms closer than this to
            the best stay.

    Returns:
        The worst first; empty when this number of blocks is not a declared look.
    """
    blocks = sorted({block for by_block in costs.values() for block in by_block})
    done = len(blocks)
    if len(costs) <= keep:
        return []
    margin = dict(declared.margins).get(done)
    step = dict(zip(declared.blocks, declared.alpha_steps, strict=True)).get(done)
    if step is not None:
        found = _tested(costs, blocks, step, max(declared.least_deficit, noise_floor))
    elif margin is not None:
        found = _hopeless(costs, done, margin)
    else:
        return []
    out = [exit_ for exit_ in found if exit_.arm not in protected]
    return sorted(out, key=lambda exit_: (-exit_.ratio, exit_.arm))[: len(costs) - keep]


def _hopeless(costs: Mapping[str, Mapping[int, float]], done: int, margin: float) -> list[Exit]:
    whole = {name: list(by_block.values()) for name, by_block in costs.items() if len(by_block) == done}
    if not whole:
        return []
    middle = {name: median(values) for name, values in whole.items()}
    best = min(whole, key=lambda name: (middle[name], name))
    found = []
    for name, values in whole.items():
        ratios = [_ratio(mine, least) for mine, least in zip(values, whole[best], strict=True)]
        if name != best and min(ratios) >= margin:
            found.append(Exit(name, done, "margin", best, min(median(ratios), 1e9), margin))
    return found


def _tested(
    costs: Mapping[str, Mapping[int, float]], blocks: Sequence[int], step: float, least_deficit: float
) -> list[Exit]:
    from packhorse.bench.stats.looks import look

    names = sorted(costs)
    logs = [
        [math.log(max(costs[name][block], _LEAST_COST)) if block in costs[name] else math.nan for name in names]
        for block in blocks
    ]
    seen = look(logs, step, least_deficit=least_deficit)
    best = names[seen.best]
    found = []
    for column in seen.dropped:
        shared = [row[column] - row[seen.best] for row in logs if not math.isnan(row[column] + row[seen.best])]
        ratio = math.exp(min(median(shared), 20.0))
        found.append(Exit(names[column], len(blocks), "test", best, ratio, step, seen.p_values[column]))
    return found


def _ratio(mine: float, best: float) -> float:
    return mine / best if best > 0 else (math.inf if mine > 0 else 1.0)
