"""A verdict on every row of a race, pure: faster, slower, equivalent or unresolved over the run's yardstick.

The yardstick is the arm that is raced twice in every block (the A/A arm): it was chosen before the finals began, so
that comparing with it is a test declared beforehand, and its two samples per block halve what one disturbance does.
Comparing with the best *found* is not: the winner set (:mod:`packhorse.bench.race.decide`) answers that question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from packhorse.bench.race.decide import Costs
from packhorse.bench.race.exits import Exit

if TYPE_CHECKING:
    from packhorse.bench.stats.verdict import Verdict, VerdictRule

#: The verdict of a row that left the finals at a look.
LEFT = "slower"


def rule_of(seed: int) -> VerdictRule:
    """Margin and levels of a race's verdicts, seeded by the race."""
    from packhorse.bench.stats.verdict import VerdictRule

    return replace(VerdictRule(), seed=seed)


def rule_fields(seed: int) -> dict[str, Any]:
    """The rule as the record keeps it."""
    return asdict(rule_of(seed))


def row_verdicts(
    costs: Costs, yardstick: str, twin: str, *, exits: Sequence[Exit] = (), seed: int
) -> dict[str, dict[str, Any]]:
    """Verdicts on every arm but the yardstick itself.

    Args:
        costs: Arm → block → cost, smaller is better.
        yardstick: The arm that the others are compared with.
        twin: The same under its second name; its blocks make the yardstick's steadier, and the noise floor.
        exits: Who left at a look: that look has found them slower, at the error that it could spend.
        seed: Seeds intervals and simulated runs.

    Returns:
        Arm → JSON-able fields of ``verdict`` in the record. Empty without a block of the yardstick.
    """
    from packhorse.bench.stats.verdict import judge

    base = _yardstick(costs, yardstick, twin)
    if not base:
        return {}
    left = {exit_.arm: exit_ for exit_ in exits}
    rows = {name: by_block for name, by_block in costs.items() if name not in (yardstick, twin)}
    tested = {name: _log_ratios(by_block, base) for name, by_block in rows.items() if name not in left}
    twins = _log_ratios(costs.get(twin, {}), costs.get(yardstick, {}))
    verdicts = judge(tested, rule_of(seed), aa_log_ratios=twins or None)
    fields = {name: _fields(verdict, yardstick, len(tested[name])) for name, verdict in verdicts.items()}
    for name, exit_ in left.items():
        fields[name] = _left(exit_, _log_ratios(rows[name], costs[exit_.over]), seed)
    return fields


def _log_ratios(of: Mapping[int, float], over: Mapping[int, float]) -> list[float]:
    """Paired within the blocks that both have."""
    return [math.log(_positive(of[block]) / _positive(over[block])) for block in sorted(set(of) & set(over))]


def _yardstick(costs: Costs, yardstick: str, twin: str) -> dict[int, float]:
    """Block → cost of the yardstick: the geometric mean of its two samples where it has both."""
    found: dict[int, float] = {}
    both = [costs.get(yardstick, {}), costs.get(twin, {})]
    for block in sorted(set(both[0]) | set(both[1])):
        logs = [math.log(_positive(by_block[block])) for by_block in both if block in by_block]
        found[block] = math.exp(sum(logs) / len(logs))
    return found


def _positive(cost: float) -> float:
    return max(cost, 1e-12)


def _fields(verdict: Verdict, over: str, blocks: int) -> dict[str, Any]:
    return {
        "outcome": str(verdict.outcome),
        "over": over,
        "basis": "test",
        "blocks": blocks,
        **_effect(verdict.interval.estimate, verdict.interval.low, verdict.interval.high),
        "p_value": verdict.p_value,
        "p_adjusted": verdict.p_adjusted,
        "p_equivalence": verdict.p_equivalence,
        "detectable": _finite(verdict.detectable),
        "more_blocks": verdict.more_blocks,
    }


def _left(exit_: Exit, ratios: Sequence[float], seed: int) -> dict[str, Any]:
    from packhorse.bench.stats.interval import bca_interval

    found = bca_interval(list(ratios), rule_of(seed).level, seed=seed)
    return {
        "outcome": LEFT,
        "over": exit_.over,
        "basis": f"left at the look after {exit_.block} blocks",
        "blocks": len(ratios),
        **_effect(found.estimate, found.low, found.high),
        "p_value": None,
        "p_adjusted": exit_.p_value,
        "p_equivalence": None,
        "detectable": None,
        "more_blocks": None,
    }


def _effect(estimate: float, low: float, high: float) -> dict[str, float | None]:
    return {"log_ratio": _finite(estimate), "low": _finite(low), "high": _finite(high)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
