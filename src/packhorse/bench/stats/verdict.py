"""Four verdicts on a row, and one on the run: faster, slower, equivalent, unresolved; inconclusive: environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import check_fraction, finite_vector
from packhorse.bench.stats.equivalence import Question, log_margin, more_blocks, smallest_detectable, tost_p
from packhorse.bench.stats.interval import Interval, bca_interval
from packhorse.bench.stats.paired import MAD_TO_SD, mad
from packhorse.bench.stats.significance import holm, signed_rank_p


class Outcome(StrEnum):
    """What the data say about a candidate against its reference."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    UNRESOLVED = "unresolved"
    ENVIRONMENT = "inconclusive: environment"


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """How verdicts are reached; declared before the run and written into its record.

    Attributes:
        margin_ratio: Equivalence margin as a ratio (0.02 = within 2 %).
        alpha: Level of every decision: Holm over rows for differences, per row for equivalence.
        level: Confidence level of the intervals.
        alpha_environment: Level at which the reference counts as different from itself.
        power: Chance with which the smallest detectable effect would be detected.
        seed: Seeds the intervals and the simulated runs.
    """

    margin_ratio: float = 0.02
    alpha: float = 0.05
    level: float = 0.95
    alpha_environment: float = 0.01
    power: float = 0.8
    seed: int = 0


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The A/A arm: the reference against itself.

    Attributes:
        interval: Centre of the A/A log ratios and its interval.
        spread: Scaled MAD of the A/A log ratios, in log units: the noise of one block.
        p_value: Signed-rank test that the two differ.
        differs: The run's environment cannot be trusted: A/A came out faster or slower.
    """

    interval: Interval
    spread: float
    p_value: float
    differs: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one row with what stands behind it.

    Attributes:
        outcome: The verdict.
        interval: Median log ratio over the reference with its interval.
        p_value: Two-sided signed-rank test of a difference.
        p_adjusted: The same after Holm over all rows.
        p_equivalence: TOST; small means equivalent.
        detectable: Smallest effect, in log units, that this run could have seen; None unless unresolved, infinity where
            no effect could have been.
        more_blocks: Blocks on top that would settle it; None unless unresolved, or when 400 would not.
    """

    outcome: Outcome
    interval: Interval
    p_value: float
    p_adjusted: float
    p_equivalence: float
    detectable: float | None = None
    more_blocks: int | None = None


def classify(interval: Interval, p_adjusted: float, p_equivalence: float, alpha: float) -> Outcome:
    """The decision itself.

    Equivalent comes first: a difference that is certain but lies inside the margin is none that matters. Faster and
    slower need both the test and an interval that excludes zero, so that no verdict contradicts the printed interval.
    """
    if p_equivalence <= alpha:
        return Outcome.EQUIVALENT
    if p_adjusted <= alpha and interval.excludes(0.0):
        return Outcome.FASTER if interval.estimate < 0 else Outcome.SLOWER
    return Outcome.UNRESOLVED


def noise_floor(aa_log_ratios: ArrayLike, rule: VerdictRule) -> NoiseFloor:
    """Judge the A/A arm as a row, at ``alpha_environment``: it differs when it would be called faster or slower.

    Of two arms that are the same, a sound environment then has some 1 % of its runs thrown away, and no verdict wrong.
    """
    interval = bca_interval(aa_log_ratios, rule.level, seed=rule.seed)
    p_value = signed_rank_p(aa_log_ratios)
    equivalent = tost_p(aa_log_ratios, rule.margin_ratio) <= rule.alpha
    return NoiseFloor(
        interval=interval,
        spread=MAD_TO_SD * mad(aa_log_ratios),
        p_value=p_value,
        differs=not equivalent and p_value <= rule.alpha_environment and interval.excludes(0.0),
    )


def judge(
    rows: Mapping[str, ArrayLike], rule: VerdictRule, *, aa_log_ratios: ArrayLike | None = None
) -> dict[str, Verdict]:
    """Verdict on every row of a table.

    Args:
        rows: Per row the paired log ratios over the reference, one per block, NaN = missing. The A/A arm is not a row.
        rule: Margin, levels and seed.
        aa_log_ratios: The A/A arm. When it differs, every verdict is ``inconclusive: environment``. None only where the
            caller judges the environment by itself.

    Returns:
        The verdicts in the order of ``rows``. A row without a single block is unresolved.

    Raises:
        InputError: A row is not a vector, or the rule's margin or levels make no sense.
    """
    check_fraction(rule.alpha, name="alpha")
    check_fraction(rule.level, name="level")
    check_fraction(rule.alpha_environment, name="alpha_environment")
    log_margin(rule.margin_ratio)
    untrusted = aa_log_ratios is not None and noise_floor(aa_log_ratios, rule).differs
    data = {name: finite_vector(values, name=name) for name, values in rows.items()}
    p_values = [signed_rank_p(values) if values.size else math.nan for values in data.values()]
    adjusted = np.nan_to_num(holm(p_values), nan=1.0) if data else np.empty(0)
    question = Question(
        margin_ratio=rule.margin_ratio,
        alpha=rule.alpha / max(1, len(data)),
        alpha_equivalence=rule.alpha,
        power=rule.power,
        seed=rule.seed,
    )
    verdicts = {}
    for (name, values), p_value, p_adjusted in zip(data.items(), p_values, adjusted, strict=True):
        interval = bca_interval(values, rule.level, seed=rule.seed)
        p_equivalence = tost_p(values, rule.margin_ratio)
        outcome = classify(interval, float(p_adjusted), p_equivalence, rule.alpha)
        open_row = outcome is Outcome.UNRESOLVED and values.size > 1
        verdicts[name] = Verdict(
            outcome=Outcome.ENVIRONMENT if untrusted else outcome,
            interval=interval,
            p_value=p_value if values.size else 1.0,
            p_adjusted=float(p_adjusted),
            p_equivalence=p_equivalence,
            detectable=smallest_detectable(values, question) if open_row else None,
            more_blocks=more_blocks(values, question) if open_row else None,
        )
    return verdicts
