"""Early elimination: clearly beaten candidates leave at looks declared beforehand, with the error spent across them.

Spending functions after Lan & DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983). At a
look every candidate still in the race is tested against the current best by a one-sided paired t test, Bonferroni over
all ordered pairs, since any candidate may turn out to be the best: by the union bound over looks and pairs the chance
that a candidate leaves to one that is truly no faster stays at or below α, however many candidates are tied.

A t test, not a rank test: at four blocks no rank test has a p-value below 1/16, and then nothing could leave early.
Under heavy-tailed noise it errs on the side of keeping (``python -m benches.studies.statistics.simulate``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, block_matrix, check_fraction
from packhorse.errors import InputError

Spending = Literal["pocock", "obrien-fleming"]

#: A paired t test over three blocks has two degrees of freedom: one disturbed block decides it. Four is the least.
LEAST_BLOCKS = 4
#: Blocks after which a race looks, where it plans for more: early ones save the most, later ones see the most.
RACE_LOOKS = (4, 6, 8, 12, 16)


@dataclass(frozen=True, slots=True)
class LookPlan:
    """The looks, declared before the race starts.

    Attributes:
        blocks: Blocks after which a look is taken, ascending, each at least 4.
        alpha_steps: Error spent at each look; their sum is at most α.
    """

    blocks: tuple[int, ...]
    alpha_steps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw.

    Attributes:
        best: Column of the current best.
        dropped: Columns that leave, in order of column.
        p_values: Per column the adjusted p-value of "no slower than the current best"; NaN for the best itself and
            where too few blocks are shared with it. A column leaves when it is at most the error spent at this look.
    """

    best: int
    dropped: tuple[int, ...]
    p_values: tuple[float, ...]


def spent(fraction: float, alpha: float, spending: Spending = "pocock") -> float:
    """Error spent once ``fraction`` of the planned blocks are in (Lan & DeMets 1983, table 1, one-sided).

    ``pocock`` spends early, which suits a race: α · ln(1 + (e − 1) · t). ``obrien-fleming`` spends late:
    2 − 2 · Φ(z(1 − α/2) / √t). Both give 0 at t = 0 and α at t = 1.

    Raises:
        InputError: ``fraction`` outside [0, 1], ``alpha`` outside (0, 1), or no such spending function.
    """
    from scipy import stats

    check_fraction(alpha, name="alpha")
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction={fraction}: must lie between 0 and 1")
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * fraction)
    if spending == "obrien-fleming":
        return 0.0 if fraction == 0 else float(2 * stats.norm.sf(stats.norm.isf(alpha / 2) / math.sqrt(fraction)))
    raise InputError(f"spending={spending!r}: choose pocock or obrien-fleming")


def plan_looks(
    looks: Sequence[int], total_blocks: int, alpha: float = 0.05, *, spending: Spending = "pocock"
) -> LookPlan:
    """Declare the looks of a race and the error that each may spend.

    Args:
        looks: Blocks after which to look, ascending.
        total_blocks: Blocks of the whole race; no look lies beyond them.
        alpha: Error of all looks together.
        spending: How it is spread.

    Raises:
        InputError: Looks not ascending, below 4 blocks or beyond the race.
    """
    ordered = list(looks)
    if ordered != sorted(set(ordered)) or any(not LEAST_BLOCKS <= look <= total_blocks for look in ordered):
        raise InputError(f"looks={ordered}: must be ascending, from {LEAST_BLOCKS} to {total_blocks} blocks")
    sums = [0.0, *(spent(look / total_blocks, alpha, spending) for look in ordered)]
    return LookPlan(tuple(ordered), tuple(after - before for before, after in itertools.pairwise(sums)))


def declared(total_blocks: int, alpha: float) -> LookPlan:
    """The looks of a race of at most ``total_blocks``: those of :data:`RACE_LOOKS` that lie before its end."""
    return plan_looks([blocks for blocks in RACE_LOOKS if blocks < total_blocks], total_blocks, alpha)


def look(log_times: ArrayLike, alpha_step: float, *, least_deficit: float = 0.0) -> Look:
    """Which candidates are clearly beaten after the blocks so far.

    Args:
        log_times: Block × pipeline matrix of log seconds of the candidates still in the race, NaN = missing.
        alpha_step: Error that this look may spend (``LookPlan.alpha_steps``).
        least_deficit: Test "slower than the best by more than this", in log units; 0 tests "slower".

    Raises:
        InputError: Not a matrix, or no column has a value.
    """
    matrix = block_matrix(log_times, name="log_times")
    best = _current_best(matrix)
    columns = matrix.shape[1]
    pairs = columns * (columns - 1)
    raw = np.array([_slower_p(matrix[:, column] - matrix[:, best], least_deficit) for column in range(columns)])
    raw[best] = math.nan
    adjusted = np.minimum(1.0, raw * pairs)
    dropped = tuple(int(column) for column in np.flatnonzero(adjusted <= alpha_step))
    return Look(best=best, dropped=dropped, p_values=tuple(float(value) for value in adjusted))


def _current_best(matrix: FloatArray) -> int:
    """Column with the lowest median against its block's median: a disturbed block counts as one block, no more."""
    present = ~np.isnan(matrix)
    if not present.any():
        raise InputError(f"log_times: no data, the matrix has shape {matrix.shape}")
    rows = matrix[present.any(axis=1)]
    centred = rows - np.nanmedian(rows, axis=1, keepdims=True)
    centres = [
        float(np.median(column[~np.isnan(column)])) if not np.isnan(column).all() else math.inf for column in centred.T
    ]
    return int(np.argmin(centres))


def _slower_p(differences: FloatArray, least_deficit: float) -> float:
    """One-sided p-value of the paired t test that the mean difference is at most ``least_deficit``."""
    from scipy import stats

    values = differences[~np.isnan(differences)] - least_deficit
    if values.size < LEAST_BLOCKS:
        return math.nan
    spread = float(values.std(ddof=1))
    if spread == 0:
        return 0.0 if values[0] > 0 else 1.0
    return float(stats.t.sf(values.mean() / spread * math.sqrt(values.size), values.size - 1))
