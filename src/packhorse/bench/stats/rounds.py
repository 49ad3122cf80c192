"""From single samples to one figure per process and arm, pure: what all arms of a round share is taken off, and wild
samples count less.

On a shared machine single samples have a kurtosis of about 50: a plain mean of them raises false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, finite_vector, sample_matrix
from packhorse.errors import InputError

#: Part of the samples that is cut off at either end.
TRIMMED = 0.2
#: A race's samples further off than so many standard deviations (by the median) count as if they were that far off.
FAR = 2.5
#: Turns of the median polish; it settles after two or three.
_TURNS = 4
#: From the median of absolute deviations to a standard deviation, for a normal.
_SD_OF_MEDIAN = 1.4826


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


@dataclass(frozen=True, slots=True)
class Processes:
    """What the samples of a race come to.

    Attributes:
        table: Arm → process → figure in log units.
        rounds: Process → rounds that stand behind each of its figures.
        sample_sd: Of single samples about their arm, process and round, in log units; NaN where no process has two
            rounds.
        df: Its degrees of freedom.
    """

    table: Mapping[str, Mapping[int, float]]
    rounds: Mapping[int, int]
    sample_sd: float
    df: int


def by_process(costs: Mapping[str, Mapping[int, Sequence[float]]]) -> Processes:
    """From arm → process → costs by round.

    A process counts for the arms that have as many rounds in it as the arm with most. How far off a sample is shows
    beside all rounds of all processes, since a quick race's process has two or three.
    """
    arms = sorted(costs)
    rows: list[list[float]] = []
    process_of: list[int] = []
    for process in sorted({process for rounds in costs.values() for process in rounds}):
        most = max(len(by.get(process, ())) for by in costs.values())
        whole = {arm: costs[arm][process] for arm in arms if most and len(costs[arm].get(process, ())) == most}
        rows += [
            [math.log(max(whole[arm][i], 1e-12)) if arm in whole else math.nan for arm in arms] for i in range(most)
        ]
        process_of += [process] * most
    if not rows:
        return Processes({}, {}, math.nan, 0)
    arm_effects, off = _polished(np.array(rows))
    of = np.array(process_of)
    table: dict[str, dict[int, float]] = {arm: {} for arm in arms}
    squares, df = 0.0, 0
    for process in dict.fromkeys(process_of):
        mine = off[of == process]
        there = ~np.isnan(mine[0])
        means = mine[:, there].mean(axis=0)
        squares += float(((mine[:, there] - means) ** 2).sum())
        df += (len(mine) - 1) * (int(there.sum()) - 1)
        for index, mean in zip(np.flatnonzero(there), means, strict=True):
            table[arms[index]][process] = float(arm_effects[index] + mean)
    rounds = {process: process_of.count(process) for process in dict.fromkeys(process_of)}
    kept = {arm: by for arm, by in table.items() if by}
    return Processes(kept, rounds, math.sqrt(squares / df) if df else math.nan, df)


def _polished(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each arm's effect, and how far off each sample is from its arm and round: no further than :data:`FAR`."""
    arms = np.zeros(matrix.shape[1])
    for _ in range(_TURNS):
        rounds = np.nanmedian(matrix - arms, axis=1, keepdims=True)
        arms = np.nanmedian(matrix - rounds, axis=0)
    off = matrix - rounds - arms
    count = int((~np.isnan(off)).sum())
    free = max(1, count - matrix.shape[0] - matrix.shape[1] + 1)
    far = FAR * _SD_OF_MEDIAN * float(np.nanmedian(np.abs(off))) * math.sqrt(count / free)
    return arms, np.clip(off, -far, far)
