"""How single samples scatter on a real machine: residuals of a record, and new races drawn from them.

Simulations draw from recorded residuals and not from a normal of a hopeful width: single samples have a kurtosis of
about 50, and processes differ by more than their rounds say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray
from packhorse.bench.stats.rounds import process_means
from packhorse.errors import InputError

Costs = Mapping[str, Mapping[int, Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is left of a record's log costs when arms, processes and rounds are taken off.

    Attributes:
        samples: Of single samples: one row per round, one column per arm, of all processes.
        processes: Of whole processes: each arm's figure in each process, less arm and process.
    """

    samples: FloatArray
    processes: FloatArray

    @classmethod
    def of(cls, costs: Costs) -> Residuals:
        """From arm → process → costs by round; processes in which an arm lacks a round are left out.

        Raises:
            InputError: Fewer than two arms, or no two whole processes.
        """
        arms = sorted(costs)
        common = sorted(set.intersection(*(set(by) for by in costs.values()))) if arms else []
        samples, means = [], []
        for process in common:
            rounds = [costs[arm][process] for arm in arms]
            if len({len(one) for one in rounds}) != 1:
                continue
            matrix = np.log(np.array(rounds, dtype=np.float64).T)
            own = process_means(matrix)
            left = matrix - own
            samples.append(left - np.median(left, axis=1, keepdims=True))
            means.append(own - own.mean())
        if len(arms) < 2 or len(means) < 2:
            raise InputError("residuals need two arms, and two processes in which both have all rounds")
        table = np.array(means)
        spread = table - table.mean(axis=0)
        # Taking off each arm's mean over few processes makes residuals too small by this factor.
        spread *= np.sqrt(len(means) / (len(means) - 1))
        return cls(np.concatenate(samples), np.asarray(spread, dtype=np.float64))

    def race(
        self, rng: np.random.Generator, effects: ArrayLike, processes: int, rounds: int
    ) -> dict[str, dict[int, list[float]]]:
        """Draw a race of arms with these true log costs: whole rounds and whole processes, arms in a new order each.

        What the processes' figures scatter by on top of what their rounds explain is drawn from ``processes``.
        """
        truth = np.asarray(effects, dtype=np.float64)
        costs: dict[str, dict[int, list[float]]] = {f"arm {i}": {} for i in range(truth.size)}
        between = self._between()
        for process in range(processes):
            offset = between * rng.choice(self.processes.ravel(), truth.size)
            for row in rng.integers(0, len(self.samples), rounds):
                noise = rng.choice(self.samples[row], truth.size, replace=truth.size > self.samples.shape[1])
                for i, value in enumerate(np.exp(truth + offset + noise)):
                    costs[f"arm {i}"].setdefault(process, []).append(float(value))
        return costs

    def _between(self) -> float:
        """The part of the processes' spread that their rounds do not explain, as a factor of it."""
        rounds = max(1, len(self.samples) // max(1, len(self.processes)))
        within = float(np.var(self.samples)) / rounds
        total = float(np.var(self.processes))
        return float(np.sqrt(max(0.0, 1 - within / total))) if total > 0 else 0.0
