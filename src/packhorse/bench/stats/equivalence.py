"""Equivalence inside a margin, and what this run could have seen: smallest detectable effect, blocks still needed.

A margin is given as a ratio: 0.02 means "within 2 %", that is log ratios between −log 1.02 and +log 1.02, so that A
over B and B over A are judged alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, check_fraction, finite_vector
from packhorse.bench.stats.paired import MAD_TO_SD, hodges_lehmann
from packhorse.bench.stats.significance import EXACT_UP_TO_BLOCKS, least_blocks, signed_rank_p
from packhorse.errors import InputError

#: Simulated runs per question: a power of 0.8 is then known to ± 0.02.
REPLICATIONS = 400
#: More blocks than this are not offered: "no number of blocks within reach settles it".
MOST_BLOCKS = 400
#: Bisection steps: the effect is found to a millionth of the search range.
_STEPS = 20


@dataclass(frozen=True, slots=True)
class Question:
    """What a run has to be able to decide.

    Attributes:
        margin_ratio: Equivalence margin as a ratio (0.02 = within 2 %).
        alpha: Two-sided level of the difference test, already divided by the number of rows where there are several.
        alpha_equivalence: Level of each of TOST's two tests; not divided, since both must reject.
        power: Chance with which the answer should come.
        seed: Seeds the simulated runs.
    """

    margin_ratio: float = 0.02
    alpha: float = 0.05
    alpha_equivalence: float = 0.05
    power: float = 0.8
    seed: int = 0


def log_margin(margin_ratio: float) -> float:
    """Margin in log units.

    Raises:
        InputError: The margin is not above zero.
    """
    if not margin_ratio > 0:
        raise InputError(f"margin={margin_ratio}: must be above zero; 0.02 means within 2 %")
    return math.log1p(margin_ratio)


def tost_p(log_ratios: ArrayLike, margin_ratio: float) -> float:
    """p-value of two one-sided signed-rank tests that the effect lies outside the margin; small = equivalent.

    Schuirmann's TOST (J. Pharmacokinetics and Biopharmaceutics 15, 1987) with Wilcoxon's test in place of Student's,
    for heavy tails (Wellek, "Testing Statistical Hypotheses of Equivalence", 2010, chapter 5). The larger of the two.
    """
    margin = log_margin(margin_ratio)
    above = signed_rank_p(log_ratios, shift=-margin, alternative="greater")
    below = signed_rank_p(log_ratios, shift=margin, alternative="less")
    return max(above, below)


def smallest_detectable(log_ratios: ArrayLike, question: Question) -> float:
    """Smallest true effect that a run like this one would have called a difference with the asked power.

    Simulated: this run's own scatter, its sign left to chance, shifted until the signed-rank test finds it. Nothing is
    assumed about its shape.

    Returns:
        The effect in log units (``math.expm1`` of it is the ratio); infinity where the run has too few blocks for any
        effect to be significant.
    """
    values = _checked(log_ratios, question)
    if values.size < least_blocks(1, question.alpha):
        return math.inf
    scatter = _scatter(values, values.size, question.seed)
    high = float(np.abs(scatter).max()) * 2
    if high == 0:
        return 0.0
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _share_different(scatter + middle, question.alpha) >= question.power:
            high = middle
        else:
            low = middle
    return high


def more_blocks(log_ratios: ArrayLike, question: Question) -> int | None:
    """How many more blocks would settle an unresolved row: call it different or equivalent with the asked power.

    Supposes that the effect is what it looks like now (Hodges–Lehmann estimate) and that the scatter stays the same; a
    plan, not a promise.

    Returns:
        Blocks on top of the present ones, at least 0; None when not even 400 blocks in all would do.
    """
    values = _checked(log_ratios, question)
    if values.size < 2:
        return None
    start = max(values.size, least_blocks(1, question.alpha))
    if not _settles(values, MOST_BLOCKS, question):
        return None
    low, high = start, MOST_BLOCKS
    while low < high:
        middle = (low + high) // 2
        if _settles(values, middle, question):
            high = middle
        else:
            low = middle + 1
    return high - values.size


def _checked(log_ratios: ArrayLike, question: Question) -> FloatArray:
    check_fraction(question.alpha, name="alpha")
    check_fraction(question.alpha_equivalence, name="alpha_equivalence")
    check_fraction(question.power, name="power")
    log_margin(question.margin_ratio)
    return finite_vector(log_ratios, name="log_ratios")


def _settles(values: FloatArray, blocks: int, question: Question) -> bool:
    samples = _scatter(values, blocks, question.seed) + hodges_lehmann(values)
    margin = log_margin(question.margin_ratio)
    level = question.alpha_equivalence
    equivalent = (_rank_p(samples - margin, "less") <= level) & (_rank_p(samples + margin, "greater") <= level)
    different = _rank_p(samples, "two-sided") <= question.alpha
    return bool(np.mean(equivalent | different) >= question.power)


def _share_different(samples: FloatArray, alpha: float) -> float:
    return float(np.mean(_rank_p(samples, "two-sided") <= alpha))


def _scatter(values: FloatArray, blocks: int, seed: int) -> FloatArray:
    """Simulated runs of this run's scatter around zero: residuals drawn with a random sign, slightly smoothed.

    The factor √(n/(n−1)) undoes what centring on the sample itself takes away; a tenth of the MAD of normal noise
    keeps the draws free of ties.
    """
    rng = np.random.default_rng(seed)
    residuals = values - hodges_lehmann(values)
    shape = (REPLICATIONS, blocks)
    drawn = rng.choice(residuals, shape) * rng.choice((-1.0, 1.0), shape)
    smoothing = 0.1 * MAD_TO_SD * float(np.median(np.abs(residuals)))
    return np.asarray(
        (drawn + rng.normal(0.0, 1.0, shape) * smoothing) * math.sqrt(values.size / (values.size - 1)), dtype=np.float64
    )


def _rank_p(samples: FloatArray, alternative: str) -> FloatArray:
    from scipy import stats

    method = "exact" if samples.shape[1] <= EXACT_UP_TO_BLOCKS else "asymptotic"
    result = stats.wilcoxon(samples, axis=1, alternative=alternative, method=method, zero_method="pratt")
    # A sample of zeros only has no p-value: nothing differs there.
    return np.nan_to_num(np.asarray(result.pvalue, dtype=np.float64), nan=1.0)
