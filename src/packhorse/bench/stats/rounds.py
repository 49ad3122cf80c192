"""From single samples to one figure per process and arm, pure: what all arms of a round share is taken off, and the
wildest samples are cut off.

On a shared machine single samples have a kurtosis of about 50: a plain mean of them raises false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, finite_vector, sample_matrix
from packhorse.errors import InputError

#: Part of the samples that is cut off at either end.
TRIMMED = 0.2


def trimmed_mean(values: ArrayLike, share: float = TRIMMED) -> float:
    """Mean without the lowest and the highest ``share`` of the values.

    Raises:
        InputError: No value, or a share outside [0, 0.5).
    """
    ordered = np.sort(finite_vector(values, name="values"))
    if not 0 <= share < 0.5:
        raise InputError(f"share={share}: must be at least 0 and below 0.5")
    if ordered.size == 0:
        raise InputError("there is nothing to take the mean of")
    cut = math.floor(share * ordered.size)
    return float(np.mean(ordered[cut : ordered.size - cut]))


def process_means(log_times: ArrayLike) -> FloatArray:
    """One figure per arm from a process's rounds × arms of log times.

    The effect of a round is the median, over arms, of how far each is from its own median: a disturbance that hits all
    arms of a round is taken off whole, one that hits a single arm moves nobody else.

    Raises:
        InputError: Not a matrix, without a round, or with a missing cell.
    """
    matrix = sample_matrix(log_times, name="log_times")
    if matrix.shape[0] == 0 or np.isnan(matrix).any():
        raise InputError("log_times: every arm needs a sample in each of at least one round")
    effects = np.median(matrix - np.median(matrix, axis=0), axis=1, keepdims=True)
    centred = matrix - effects
    return np.array([trimmed_mean(centred[:, arm]) for arm in range(matrix.shape[1])])


def by_process(costs: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[str, dict[int, float]]:
    """Arm → process → figure in log units, from arm → process → costs by round.

    A process counts for the arms that have as many rounds in it as the arm with most.
    """
    found: dict[str, dict[int, float]] = {arm: {} for arm in costs}
    for process in sorted({process for rounds in costs.values() for process in rounds}):
        rounds = {arm: by[process] for arm, by in costs.items() if by.get(process)}
        most = max(map(len, rounds.values()), default=0)
        whole = [arm for arm, values in rounds.items() if len(values) == most]
        if not whole:
            continue
        matrix = np.log(np.maximum(np.array([rounds[arm] for arm in whole], dtype=np.float64).T, 1e-12))
        for arm, mean in zip(whole, process_means(matrix), strict=True):
            found[arm][process] = float(mean)
    return {arm: means for arm, means in found.items() if means}
