"""How log times scatter on the target machine: the model behind the simulation study, and resampling of a record.

METHOD.md, last section: over 14 blocks the A/A log ratio has a standard deviation of 1.9 %, yet half of the blocks lie
within ± 0.6 %, and single blocks are off by some − 6 % and + 3 % with all arms off together against their A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, sample_matrix
from packhorse.errors import InputError


class Noise(Protocol):
    """Anything that draws block × arm matrices of log seconds around given effects."""

    def log_times(self, rng: np.random.Generator, blocks: int, effects: ArrayLike) -> FloatArray:
        """Draw ``blocks`` rows; ``effects`` are the arms' true log times, one column each."""


@dataclass(frozen=True, slots=True)
class ContaminatedNoise:
    """Normal scatter per arm, rare large excursions of one arm, and an offset common to all arms of a block.

    With the defaults the log ratio of two arms has a standard deviation of 1.9 % and half of it lies within ± 0.6 %:
    0.15 · 4.6 %² + 0.76 %² = 1.9 %², as METHOD.md measured. An excursion of the reference puts all arms of its block
    off together against it.

    Attributes:
        arm_sd: Standard deviation of an ordinary measurement, in log units.
        excursion_chance: Share of measurements disturbed.
        excursion_sd: Standard deviation added by a disturbance, in log units.
        block_sd: Standard deviation of the offset common to a block (it cancels in paired ratios).
        one_sided: True: excursions only slow down.
    """

    arm_sd: float = 0.0054
    excursion_chance: float = 0.078
    excursion_sd: float = 0.046
    block_sd: float = 0.03
    one_sided: bool = False

    def log_times(self, rng: np.random.Generator, blocks: int, effects: ArrayLike) -> FloatArray:
        """Draw ``blocks`` rows; ``effects`` are the arms' true log times, one column each."""
        truth = np.asarray(effects, dtype=np.float64)
        shape = (blocks, truth.size)
        sizes = rng.normal(0.0, self.excursion_sd, shape)
        if self.one_sided:
            sizes = np.abs(sizes)
        excursions = np.where(rng.random(shape) < self.excursion_chance, sizes, 0.0)
        offsets = rng.normal(0.0, self.block_sd, (blocks, 1))
        return np.asarray(truth + offsets + rng.normal(0.0, self.arm_sd, shape) + excursions, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RecordedNoise:
    """Scatter resampled from a record: whole blocks drawn with replacement, their arms in a fresh random order.

    Attributes:
        residuals: Block × arm matrix of log times with each arm's median taken off; no missing cell.
    """

    residuals: FloatArray

    @classmethod
    def from_log_times(cls, log_times: ArrayLike) -> RecordedNoise:
        """Take the arms' medians off a recorded block × arm matrix; blocks with a missing cell are left out.

        Raises:
            InputError: Not a matrix, or fewer than 2 complete blocks.
        """
        matrix = sample_matrix(log_times, name="log_times")
        complete = matrix[~np.isnan(matrix).any(axis=1)]
        if complete.shape[0] < 2:
            raise InputError(f"log_times: {complete.shape[0]} complete blocks; at least 2 are needed")
        return cls(np.asarray(complete - np.median(complete, axis=0), dtype=np.float64))

    def log_times(self, rng: np.random.Generator, blocks: int, effects: ArrayLike) -> FloatArray:
        """Draw ``blocks`` rows; ``effects`` are the arms' true log times, at most as many as the record has arms.

        Raises:
            InputError: More arms asked for than the record has.
        """
        truth = np.asarray(effects, dtype=np.float64)
        if truth.size > self.residuals.shape[1]:
            raise InputError(f"effects: {truth.size} arms, but the record has {self.residuals.shape[1]}")
        rows = self.residuals[rng.integers(0, len(self.residuals), blocks)]
        return np.asarray(truth + rng.permuted(rows, axis=1)[:, : truth.size], dtype=np.float64)
