"""Which pipelines the data cannot tell from the best: a Model Confidence Set over block × pipeline log times.

Procedure of Hansen, Lunde & Nason, "The Model Confidence Set", Econometrica 79 (2011): test whether all pipelines left
are equally fast; if not, take the worst one out; repeat. What is left holds every best pipeline with probability 1 − α.

The test inside it is ours to choose. ``arch.bootstrap.MCS`` (range statistic, resampled blocks) is anti-conservative at
the block counts of a race: with 15 equally fast pipelines and 8 blocks it throws one or more out in half of all runs
or more, not in 5 % (``python -m benches.studies.statistics.simulate`` has the table), because it does not restudentize.
The default here flips the sign of whole blocks instead: under equality a block's vector of differences is as likely as
its negative, so the flipped data are the exact null distribution of the maximum, at any number of blocks, under heavy
tails and with correlated columns.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, block_matrix, check_fraction
from packhorse.errors import InputError

Method = Literal["sign-flip", "arch"]

#: Sign patterns are enumerated up to this many (2¹¹: 12 blocks, as a pattern and its negative count as one) and drawn
#: beyond it; the error of a p-value near 0.05 is then 0.005.
FLIPS = 2_048
#: Bootstrap replications of the ``arch`` variant.
ARCH_REPLICATIONS = 2_000
#: Equal statistics may differ in their last bits.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class WinnerSet:
    """The Model Confidence Set, columns by their index in the matrix that was given.

    Attributes:
        members: Columns in the set, fastest first (median log time against the block's mean, over the blocks used).
        p_values: One per column: the column is in the set at every α below its p-value. NaN: not judged.
        unjudged: Columns with a value in fewer than half of the blocks; they neither win nor lose.
        blocks: Indices of the blocks used: those complete over all judged columns.
        method: The test that decided.
    """

    members: tuple[int, ...]
    p_values: tuple[float, ...]
    unjudged: tuple[int, ...]
    blocks: tuple[int, ...]
    method: Method


def winner_set(
    log_times: ArrayLike, alpha: float = 0.05, *, seed: int, method: Method = "sign-flip", flips: int = FLIPS
) -> WinnerSet:
    """Every pipeline that the data cannot tell from the best at level ``alpha``.

    Fewer than 6 complete blocks exclude nothing at 0.05: the smallest p-value of n blocks is 1 / 2ⁿ⁻¹.

    Args:
        log_times: Block × pipeline matrix of log seconds (or log ratios over one reference, which is the same), NaN =
            missing. Pipelines that left the race early must not be among the columns.
        alpha: Chance that a best pipeline is left out.
        seed: Seeds the drawn sign patterns, or the bootstrap.
        method: ``sign-flip`` (exact under symmetry) or ``arch`` (``arch.bootstrap.MCS`` with blocks of length 1).
        flips: Most sign patterns to evaluate.

    Raises:
        InputError: Not a matrix, no column that can be judged, or ``alpha`` outside (0, 1).
    """
    check_fraction(alpha, name="alpha")
    matrix = block_matrix(log_times, name="log_times")
    if 0 in matrix.shape:
        raise InputError(f"log_times: no data, the matrix has shape {matrix.shape}")
    judged = np.flatnonzero(np.mean(~np.isnan(matrix), axis=0) >= 0.5)
    if judged.size == 0:
        raise InputError("log_times: every column misses more than half of its blocks")
    blocks = np.flatnonzero(~np.isnan(matrix[:, judged]).any(axis=1))
    losses = matrix[np.ix_(blocks, judged)]
    p_values = np.full(matrix.shape[1], np.nan)
    p_values[judged] = _p_values(losses, seed, method, flips)
    members = judged[p_values[judged] > alpha]
    centres = np.full(matrix.shape[1], 0.0)
    if blocks.size:
        centres[judged] = np.median(losses - losses.mean(axis=1, keepdims=True), axis=0)
    return WinnerSet(
        members=tuple(sorted((int(column) for column in members), key=lambda column: (centres[column], column))),
        p_values=tuple(float(value) for value in p_values),
        unjudged=tuple(int(column) for column in np.setdiff1d(np.arange(matrix.shape[1]), judged)),
        blocks=tuple(int(block) for block in blocks),
        method=method,
    )


def _p_values(losses: FloatArray, seed: int, method: Method, flips: int) -> FloatArray:
    if losses.shape[0] < 2 or losses.shape[1] == 1:
        return np.ones(losses.shape[1])
    if method == "sign-flip":
        return _sign_flip_p_values(losses, sign_patterns(losses.shape[0], flips, seed))
    if method == "arch":
        return _arch_p_values(losses, seed)
    raise InputError(f"method={method!r}: choose sign-flip or arch")


def sign_patterns(blocks: int, most: int, seed: int) -> FloatArray:
    """Sign patterns over ``blocks``, the unflipped one first; all of them (up to negation) where ``most`` allows.

    Returns:
        (patterns, blocks) of +1 and −1. A drawn set holds the unflipped pattern too, so no p-value is ever 0.
    """
    if 2 ** (blocks - 1) <= most:
        rest = np.array(list(itertools.product((1.0, -1.0), repeat=blocks - 1))).reshape(-1, blocks - 1)
        return np.column_stack([np.ones(len(rest)), rest])
    patterns = np.random.default_rng(seed).choice((1.0, -1.0), size=(most, blocks))
    patterns[0] = 1.0
    return patterns


def _sign_flip_p_values(losses: FloatArray, patterns: FloatArray) -> FloatArray:
    """MCS p-values from the maximum over all pairs of |mean difference| / root mean square difference.

    That ratio is a monotone function of the paired t statistic, and its denominator does not change under flips. Each
    pair has its own: a denominator pooled over pairs would let one beaten pipeline move the null of all others.
    """
    blocks, columns = losses.shape
    first, second = np.triu_indices(columns, 1)
    differences = losses[:, first] - losses[:, second]
    scale = np.sqrt(np.mean(differences**2, axis=0))
    # Identical columns: a difference of exactly zero in every block is no evidence, not a division by zero.
    ratios = np.divide(
        patterns @ differences / blocks, scale, out=np.zeros((len(patterns), first.size)), where=scale > 0
    )
    slower = np.where(ratios[0] > 0, first, second)
    sizes = np.abs(ratios)
    alive = np.ones(columns, dtype=np.bool_)
    p_values = np.ones(columns)
    p_so_far = 0.0
    while alive.sum() > 1:
        pairs = np.flatnonzero(alive[first] & alive[second])
        worst = pairs[np.argmax(sizes[0, pairs])]
        maxima = sizes[:, pairs].max(axis=1)
        p_so_far = max(p_so_far, float(np.mean(maxima >= maxima[0] - _TOLERANCE)))
        p_values[slower[worst]] = p_so_far
        alive[slower[worst]] = False
    return p_values


def _arch_p_values(losses: FloatArray, seed: int) -> FloatArray:
    from arch.bootstrap import MCS

    # arch divides by the variance of each difference, so identical columns have to go in as one.
    distinct, column_of = np.unique(losses, axis=1, return_inverse=True)
    if distinct.shape[1] == 1:
        return np.ones(losses.shape[1])
    test = MCS(distinct, size=0.05, reps=ARCH_REPLICATIONS, block_size=1, method="R", seed=seed)
    test.compute()
    by_model = test.pvalues["Pvalue"].sort_index().to_numpy(dtype=np.float64)
    return np.asarray(by_model[column_of.ravel()], dtype=np.float64)
