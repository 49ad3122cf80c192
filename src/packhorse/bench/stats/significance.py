"""Wilcoxon's signed-rank test on paired log ratios, and Holm's correction over the rows of a table."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, check_fraction, finite_vector
from packhorse.errors import InputError

Alternative = Literal["two-sided", "less", "greater"]

#: Up to here the null distribution is exact; beyond, the normal approximation is good to three digits.
EXACT_UP_TO_BLOCKS = 50


def signed_rank_p(log_ratios: ArrayLike, *, shift: float = 0.0, alternative: Alternative = "two-sided") -> float:
    """p-value of Wilcoxon's signed-rank test that the log ratios are centred on ``shift``.

    Exact up to 50 blocks, ties included; beyond, the normal approximation with tie correction
    (``scipy.stats.wilcoxon``). Zeros are ranked and then dropped (Pratt, JASA 54, 1959), so that equal values count as
    evidence of equality rather than vanish.

    Args:
        log_ratios: One per block, NaN = missing.
        shift: Centre under the null hypothesis, in log units.
        alternative: ``less``: the log ratios lie below ``shift`` (faster); ``greater``: above (slower).

    Returns:
        The p-value; 1.0 when there is no block or every difference is zero.
    """
    values = finite_vector(log_ratios, name="log_ratios") - shift
    if not np.any(values):
        return 1.0
    magnitudes = np.abs(values)
    tied = bool((magnitudes == 0).any() or np.unique(magnitudes).size < magnitudes.size)
    if tied and values.size <= EXACT_UP_TO_BLOCKS:
        return _tied_exact_p(values, alternative)
    from scipy import stats

    method = "exact" if values.size <= EXACT_UP_TO_BLOCKS else "asymptotic"
    return float(stats.wilcoxon(values, zero_method="pratt", alternative=alternative, method=method).pvalue)


def _tied_exact_p(values: FloatArray, alternative: Alternative) -> float:
    """Exact p-value where ties or zeros are: scipy's exact distribution knows neither.

    Counts, for every rank sum, the sign patterns that give it (the shift algorithm: Streitberg & Röhmel, Statistical
    Software Newsletter 12, 1986). Mid-ranks are halves, so twice the ranks are whole numbers.
    """
    from scipy import stats

    double_ranks = np.rint(2 * stats.rankdata(np.abs(values))).astype(np.int64)[values != 0]
    signs = values[values != 0] > 0
    patterns = np.zeros(int(double_ranks.sum()) + 1)
    patterns[0] = 1.0
    for rank in double_ranks:
        patterns[rank:] += patterns[:-rank].copy()
    patterns /= patterns.sum()
    observed = int(double_ranks[signs].sum())
    less, greater = float(patterns[: observed + 1].sum()), float(patterns[observed:].sum())
    p_value = {"less": less, "greater": greater, "two-sided": 2 * min(less, greater)}[alternative]
    return min(1.0, p_value)


def holm(p_values: ArrayLike) -> FloatArray:
    """p-values adjusted by Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979), in given order.

    Rejecting where the adjusted value is at most α keeps the chance of one or more false rejections at α or below,
    whatever the dependence between the rows. NaN (a row without data) stays NaN and does not count as a row.

    Raises:
        InputError: Not a vector, or a value outside [0, 1].
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or bool(((given < 0) | (given > 1)).any()):
        raise InputError("p_values: expected a vector of values in [0, 1]")
    adjusted = np.full(given.shape, np.nan)
    rows = np.flatnonzero(~np.isnan(given))
    order = rows[np.argsort(given[rows], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return adjusted


def least_blocks(rows: int, alpha: float = 0.05, *, sides: Literal[1, 2] = 2) -> int:
    """Fewest blocks with which a signed-rank test can be significant at all in a table of ``rows`` under Holm.

    The smallest p-value of n blocks is ``sides / 2**n``; the first step of Holm asks for ``alpha / rows``.

    Raises:
        InputError: ``rows`` below 1 or ``alpha`` outside (0, 1).
    """
    check_fraction(alpha, name="alpha")
    if rows < 1:
        raise InputError(f"rows={rows}: must be at least 1")
    return int(np.ceil(np.log2(sides * rows / alpha)))
