"""Effects paired within a block: log ratios, and robust summaries of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, block_matrix, finite_vector
from packhorse.errors import InputError

#: 1 / Φ⁻¹(3/4): makes the MAD of normal data estimate their standard deviation (Rousseeuw & Croux, JASA 1993).
MAD_TO_SD = 1.4826022185056018


def log_seconds(seconds: ArrayLike) -> FloatArray:
    """Natural logarithm of a block × pipeline matrix of seconds; NaN stays NaN.

    Raises:
        InputError: Not a matrix, or a duration is not above zero.
    """
    matrix = block_matrix(seconds, name="seconds")
    bad = np.argwhere(matrix <= 0)
    if bad.size:
        block, pipeline = bad[0]
        raise InputError(f"seconds: {matrix[block, pipeline]} in block {block}, column {pipeline}; must be above zero")
    return np.asarray(np.log(matrix), dtype=np.float64)


def reference_log(seconds: ArrayLike, columns: int | Sequence[int]) -> FloatArray:
    """Log seconds of the reference per block: the median over the columns in which it was measured.

    A reference measured more than once inside each block takes less of a single disturbance into every ratio of that
    block (with two columns the median is their mean). A column missing in a block is left out of that block.

    Returns:
        One value per block, NaN where all the columns are missing.
    """
    logs = log_seconds(seconds)
    chosen = logs[:, [columns] if isinstance(columns, int) else list(columns)]
    if chosen.shape[1] == 0:
        raise InputError("reference: no column given")
    result = np.full(chosen.shape[0], np.nan)
    present = ~np.isnan(chosen).all(axis=1)
    result[present] = np.nanmedian(chosen[present], axis=1)
    return result


def log_ratio_matrix(seconds: ArrayLike, reference: int | Sequence[int]) -> FloatArray:
    """Log ratio of every column over the reference, paired within a block.

    Args:
        seconds: Block × pipeline matrix of seconds, NaN = missing.
        reference: Column, or columns, of the reference.

    Returns:
        Block × pipeline matrix of log ratios; below 0 is faster than the reference. NaN where either is missing.
    """
    return np.asarray(log_seconds(seconds) - reference_log(seconds, reference)[:, None], dtype=np.float64)


def log_ratios(seconds: ArrayLike, candidate: int, reference: int | Sequence[int]) -> FloatArray:
    """Log ratios of one candidate over the reference, one per block in which both were measured."""
    return finite_vector(log_ratio_matrix(seconds, reference)[:, candidate], name="log ratios")


def median(log_ratios: ArrayLike) -> float:
    """Median, NaN when there is no value."""
    values = finite_vector(log_ratios, name="log_ratios")
    return float(np.median(values)) if values.size else float("nan")


def mad(log_ratios: ArrayLike) -> float:
    """Median absolute deviation from the median (unscaled; times ``MAD_TO_SD`` it estimates a normal's SD)."""
    values = finite_vector(log_ratios, name="log_ratios")
    return float(np.median(np.abs(values - np.median(values)))) if values.size else float("nan")


def walsh_averages(values: FloatArray) -> FloatArray:
    """The n(n+1)/2 pairwise means, each value with itself included, in ascending order."""
    first, second = np.triu_indices(values.size)
    return np.asarray(np.sort((values[first] + values[second]) / 2), dtype=np.float64)


def hodges_lehmann(log_ratios: ArrayLike) -> float:
    """Median of the Walsh averages: the location that the signed-rank test tests (Hodges & Lehmann, 1963)."""
    values = finite_vector(log_ratios, name="log_ratios")
    return float(np.median(walsh_averages(values))) if values.size else float("nan")


def trimmed_mean(log_ratios: ArrayLike, fraction: float) -> float:
    """Mean of what is left when ``floor(fraction · n)`` values are cut from each end; NaN when there is no value."""
    values = np.sort(finite_vector(log_ratios, name="log_ratios"))
    cut = int(fraction * values.size)
    return float(np.mean(values[cut : values.size - cut])) if values.size else float("nan")
