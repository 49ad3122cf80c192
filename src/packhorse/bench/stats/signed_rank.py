"""Wilcoxon's signed-rank test on log ratios of blocks, the interval that belongs to it, and Holm's correction.

The gate's blocks are many enough for ranks to decide, and their figures have long tails: decided by means, the same
data need half as many blocks again. A race's four processes are too few for ranks
(:mod:`packhorse.bench.stats.against_best`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, check_fraction, finite_vector
from packhorse.errors import InputError

Alternative = Literal["two-sided", "less", "greater"]
#: Blocks beyond which rank sums are not counted any more.
MOST_BLOCKS = 1000


def signed_rank_p(log_ratios: ArrayLike, *, shift: float = 0.0, alternative: Alternative = "two-sided") -> float:
    """p-value of the signed-rank test that the log ratios are centred on ``shift``. Exact, ties and zeros included.

    Zeros are ranked and then dropped (Pratt, JASA 54, 1959), so that equal values count as evidence of equality rather
    than vanish.

    Args:
        log_ratios: One per block, NaN = missing.
        shift: Centre under the null hypothesis, in log units.
        alternative: ``less``: the log ratios lie below ``shift`` (faster); ``greater``: above (slower).

    Returns:
        The p-value; 1.0 when there is no block or every difference is zero.

    Raises:
        InputError: More than :data:`MOST_BLOCKS` blocks.
    """
    values = finite_vector(log_ratios, name="log_ratios") - shift
    if values.size > MOST_BLOCKS:
        raise InputError(f"log_ratios: {values.size} blocks; at most {MOST_BLOCKS} are ranked")
    if not np.any(values):
        return 1.0
    double_ranks = _double_ranks(np.abs(values))[values != 0]
    signs = values[values != 0] > 0
    chances = _chances(double_ranks)
    observed = int(double_ranks[signs].sum())
    less, greater = float(chances[: observed + 1].sum()), float(chances[observed:].sum())
    p_value = {"less": less, "greater": greater, "two-sided": 2 * min(less, greater)}[alternative]
    return min(1.0, p_value)


def centre_interval(log_ratios: ArrayLike, level: float) -> tuple[float, float, float]:
    """Hodges and Lehmann's centre with the interval of all shifts that the signed-rank test does not reject.

    Returns:
        The centre, and the interval's ends: infinite with too few blocks for this level.

    Raises:
        InputError: No block, or a level outside (0, 1).
    """
    check_fraction(level, name="level")
    values = finite_vector(log_ratios, name="log_ratios")
    if values.size == 0:
        raise InputError("log_ratios: no block, no centre")
    first, second = np.triu_indices(values.size)
    means = np.sort((values[first] + values[second]) / 2)
    centre = float(np.median(means))
    chances = _chances(2 * np.arange(1, values.size + 1))[::2]  # of rank sums without ties
    below = np.cumsum(chances)
    cut = int(np.searchsorted(below, (1 - level) / 2, side="right"))
    if cut == 0:
        return centre, -math.inf, math.inf
    return centre, float(means[cut - 1]), float(means[-cut])


def _double_ranks(magnitudes: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Twice the mid-ranks, which are whole numbers."""
    ordered = np.sort(magnitudes)
    below = np.searchsorted(ordered, magnitudes, side="left")
    upto = np.searchsorted(ordered, magnitudes, side="right")
    return np.asarray(below + upto + 1, dtype=np.int64)


def _chances(double_ranks: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    """Chance of every sum of ranks when each sign is a fair coin's (the shift algorithm: Streitberg & Röhmel, 1986)."""
    chances = np.zeros(int(double_ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in double_ranks:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: chances.size - rank]
        chances = (chances + moved) / 2
    return chances


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false rejection stays at the level (Holm, 1979), in the given order.

    Raises:
        InputError: A value outside [0, 1].
    """
    if any(not 0 <= p_value <= 1 for p_value in p_values):
        raise InputError("p_values: expected values in [0, 1]")
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def least_blocks(rows: int, alpha: float) -> int:
    """Fewest blocks with which a one-sided test can be significant at all in a table of ``rows`` under Holm.

    The smallest p-value of n blocks is 1 / 2ⁿ; the first step of Holm asks for ``alpha / rows``.

    Raises:
        InputError: ``rows`` below 1 or ``alpha`` outside (0, 1).
    """
    check_fraction(alpha, name="alpha")
    if rows < 1:
        raise InputError(f"rows={rows}: must be at least 1")
    return math.ceil(math.log2(rows / alpha))
