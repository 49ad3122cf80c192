"""The two-way model, pure: log cost = process + arm + residual, one residual error for all arms.

Few processes decide, so that each arm's own scatter is hardly known; pooled over all arms it is. Arms that left early
lack the later processes: the model is fitted by least squares, not by means of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from packhorse.bench.stats.arrays import FloatArray
from packhorse.errors import InputError

Table = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model.

    Attributes:
        arms: In the order of ``effects``.
        effects: Log cost of each arm over the first one's.
        covariance: Of the effects, in units of the residual variance.
        residual_sd: Of a typical figure, pooled over all arms; NaN without a degree of freedom.
        df: Its degrees of freedom.
    """

    arms: tuple[str, ...]
    effects: FloatArray
    covariance: FloatArray
    residual_sd: float
    df: int

    def difference(self, of: str, over: str) -> tuple[float, float]:
        """Log ratio of two arms' costs, and its standard error in units of the residual's."""
        i, j = self.arms.index(of), self.arms.index(over)
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        return float(self.effects[i] - self.effects[j]), math.sqrt(max(0.0, float(variance)))


def fit(table: Table, weights: Mapping[int, float] | None = None) -> Fit:
    """Fit the model to arm → process → figure in log units.

    Args:
        table: The figures.
        weights: Process → how much its figures count, 1 for a typical one; None for all alike.

    Raises:
        InputError: No arm, or arms that share no process with the others: nothing says how they compare.
    """
    arms = tuple(sorted(table))  # equal data give equal figures to the last digit, in whatever order they come
    if not arms:
        raise InputError("there is nothing to decide on: no arm was measured")
    processes = sorted({process for by_process in table.values() for process in by_process})
    cells = [(arm, process, table[name][process]) for arm, name in enumerate(arms) for process in table[name]]
    design = np.zeros((len(cells), len(processes) + len(arms) - 1))
    root = np.sqrt([1.0 if weights is None else weights[process] for _, process, _ in cells])
    values = np.array([value for _, _, value in cells]) * root
    for row, (arm, process, _) in enumerate(cells):
        design[row, processes.index(process)] = root[row]
        if arm:
            design[row, len(processes) + arm - 1] = root[row]
    solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    if rank < design.shape[1]:
        raise InputError("some arms share no process with the others, so that nothing says how they compare")
    covariance = np.zeros((len(arms), len(arms)))
    covariance[1:, 1:] = np.linalg.inv(design.T @ design)[len(processes) :, len(processes) :]
    residuals = values - design @ solution
    df = len(cells) - design.shape[1]
    sd = math.sqrt(float(residuals @ residuals) / df) if df > 0 else math.nan
    return Fit(arms, np.concatenate([[0.0], solution[len(processes) :]]), covariance, sd, df)
