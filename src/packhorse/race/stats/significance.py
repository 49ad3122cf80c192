"""Wilcoxon's signed-rank test on paired log ratios, and Holm's correction over the rows of a table."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from packhorse.errors import InputError
from packhorse.race.stats.arrays import FloatArray, check_fraction, finite_vector

Alternative = Literal["two-sided", "less", "greater"]

#: Up to here the null distribution is enumerated; beyond, scipy's normal approximation is good to 4 digits.
EXACT_UP_TO_BLOCKS = 50


def signed_rank_p(log_ratios: ArrayLike, *, shift: float = 0.0, alternative: Alternative = "two-sided") -> float:
    """p-value of Wilcoxon's signed-rank test that the log ratios are centred on ``shift``.

    Exact up to 50 blocks when no difference is zero and no two are tied, exact by enumeration of the signs up to 13
    blocks otherwise, normal approximation with tie correction beyond (``scipy.stats.wilcoxon``). Zeros are ranked and
    then dropped (Pratt, 1959), so that equal values count as evidence of equality rather than vanish.

    Args:
        log_ratios: One per block, NaN = missing.
        shift: Centre under the null hypothesis, in log units.
        alternative: ``less``: the log ratios lie below ``shift`` (faster); ``greater``: above (slower).

    Returns:
        The p-value; 1.0 when there is no block or every difference is zero.
    """
    from scipy import stats

    values = finite_vector(log_ratios, name="log_ratios") - shift
    if not np.any(values):
        return 1.0
    magnitudes = np.abs(values)
    tied = bool((magnitudes == 0).any() or np.unique(magnitudes).size < magnitudes.size)
    method: object = "exact" if values.size <= EXACT_UP_TO_BLOCKS else "asymptotic"
    if tied:
        # 2¹³ sign patterns at most: the size at which scipy itself stops to enumerate them.
        method = stats.PermutationMethod(n_resamples=np.inf) if values.size <= 13 else "asymptotic"
    return float(stats.wilcoxon(values, zero_method="pratt", alternative=alternative, method=method).pvalue)


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
