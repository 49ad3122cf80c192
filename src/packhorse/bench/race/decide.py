"""Deciding, pure: which arms the data cannot tell from the best, whether that may be called a winner, and tie-breaks.

Effects are paired within a block (log ratio of an arm's cost over the best's), since whatever disturbs a block mostly
disturbs all of it. The set is a Model Confidence Set, widened by the run's own noise floor: an arm whose median lies
within what two copies of one pipeline differ by is never called beaten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

#: Chance of leaving the best pipeline out of the set.
ALPHA = 0.05
#: Fewer complete blocks than this name no winner (a signed test on fewer can never be significant at 0.05).
LEAST_BLOCKS = 6
#: Costs that do not vary (bytes) are equal within this.
EQUAL_LOG = 0.0005
#: Peak memory of one pipeline differs by about this part from process to process.
EQUAL_MEMORY = 0.10

Costs = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What two copies of one pipeline differed by in this run, in log units.

    Attributes:
        log_ratio: Median over blocks; None without an A/A arm.
        low, high: Interval of that median.
        floor: The largest difference that the interval still allows; 0 without an A/A arm.
        differs: True when even the copies are told apart: the environment decides, not the pipelines.
        blocks: Blocks behind it.
        spread: Scaled MAD of the log ratios: the noise of one block; None without an A/A arm.
        p_value: Signed-rank test that the copies differ; None without an A/A arm.
    """

    log_ratio: float | None
    low: float | None
    high: float | None
    floor: float
    differs: bool
    blocks: int
    spread: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Rival:
    """An arm against the best one: median paired log ratio with its interval, and whether it is in the set."""

    arm: str
    log_ratio: float
    low: float
    high: float
    in_set: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What the samples say.

    Attributes:
        best: Arm with the lowest median cost.
        members: The set, in order of cost.
        rivals: Every arm against the best, in order of cost.
        noise: The A/A arm's verdict.
        blocks: Complete blocks that decided.
        method: How the set was formed.
        conclusive: False when no winner may be named whatever the set: ``why`` says so.
        why: One sentence.
    """

    best: str
    members: tuple[str, ...]
    rivals: tuple[Rival, ...]
    noise: NoiseFloor
    blocks: int
    method: str
    conclusive: bool
    why: str

    @property
    def named(self) -> bool:
        """True when the set is one arm and the run could have told."""
        return self.conclusive and len(self.members) == 1


def decide(costs: Costs, *, twins: tuple[Mapping[int, float], Mapping[int, float]] | None, seed: int) -> Decision:
    """Form the winner set.

    Args:
        costs: Arm → block → cost (smaller is better). Only blocks that have every arm decide.
        twins: The same pipeline's costs under two names, or None.
        seed: Seeds resampling.

    Raises:
        ValueError: No arm, or an arm without a single block.
    """
    names = sorted(costs)
    blocks = sorted(set.intersection(*(set(costs[name]) for name in names))) if names else []
    if not blocks:
        raise ValueError("there is nothing to decide on: no block has every arm")
    matrix = np.log(np.array([[max(costs[name][block], 1e-12) for name in names] for block in blocks]))
    noise = noise_floor(twins, seed=seed)
    middle = {name: float(np.median(matrix[:, i])) for i, name in enumerate(names)}
    ordered = sorted(names, key=lambda name: (middle[name], name))
    best = ordered[0]
    relative = matrix - matrix[:, [names.index(best)]]
    surviving, method = _set(matrix, relative, seed=seed)
    rivals = []
    for name in ordered:
        ratios = relative[:, names.index(name)]
        estimate, low, high = interval(ratios, seed=seed)
        in_set = name == best or names.index(name) in surviving or estimate <= noise.floor
        rivals.append(Rival(name, estimate, low, high, in_set))
    conclusive, why = _conclusive(len(blocks), noise, matrix)
    members = tuple(rival.arm for rival in rivals if rival.in_set)
    return Decision(best, members, tuple(rivals), noise, len(blocks), method, conclusive, why)


def decide_peaks(peaks: Mapping[str, int]) -> Decision:
    """Form the set by peak memory: one measurement per arm, equal within :data:`EQUAL_MEMORY` of the lowest.

    Raises:
        ValueError: No arm.
    """
    if not peaks:
        raise ValueError("there is nothing to decide on: no arm has its memory measured")
    least = max(1, min(peaks.values()))
    rivals = []
    for name in sorted(peaks, key=lambda name: (peaks[name], name)):
        ratio = math.log(max(1, peaks[name]) / least)
        rivals.append(Rival(name, ratio, ratio, ratio, in_set=peaks[name] <= least * (1 + EQUAL_MEMORY)))
    members = tuple(rival.arm for rival in rivals if rival.in_set)
    method = f"peak memory, measured once per pipeline, equal within {EQUAL_MEMORY:.0%}"
    why = "memory does not depend on how busy the machine is"
    return Decision(members[0], members, tuple(rivals), noise_floor(None, seed=0), 1, method, conclusive=True, why=why)


def noise_floor(twins: tuple[Mapping[int, float], Mapping[int, float]] | None, *, seed: int) -> NoiseFloor:
    """The A/A arm judged as a row is (:func:`packhorse.bench.stats.verdict.noise_floor`), with the floor it sets."""
    from packhorse.bench.stats.verdict import VerdictRule
    from packhorse.bench.stats.verdict import noise_floor as judged

    shared = sorted(set(twins[0]) & set(twins[1])) if twins else []
    if not twins or not shared:
        return NoiseFloor(None, None, None, 0.0, differs=False, blocks=0)
    ratios = np.array([math.log(twins[1][block] / twins[0][block]) for block in shared])
    estimate, low, high = interval(ratios, seed=seed)
    found = judged(ratios, VerdictRule(seed=seed))
    bound = max(abs(low), abs(high)) if math.isfinite(low) and math.isfinite(high) else float(np.max(np.abs(ratios)))
    return NoiseFloor(estimate, low, high, bound, found.differs, len(shared), found.spread, found.p_value)


def interval(ratios: np.ndarray, *, seed: int, level: float = 1 - ALPHA) -> tuple[float, float, float]:
    """Median of log ratios with its BCa interval; with too few blocks the ends are the extremes seen."""
    from packhorse.bench.stats.interval import bca_interval

    found = bca_interval(ratios, level, seed=seed)
    low = found.low if math.isfinite(found.low) else float(np.min(ratios))
    high = found.high if math.isfinite(found.high) else float(np.max(ratios))
    return found.estimate, low, high


@dataclass(frozen=True, slots=True)
class Member:
    """What the tie-break knows of a member: all of it beside the objective.

    Attributes:
        peak_bytes: Peak memory, None when it was not measured.
        stored_bytes: Bytes stored per capture.
        dependencies: Distributions to install.
    """

    peak_bytes: int | None
    stored_bytes: float
    dependencies: int


def tie_break(members: Mapping[str, Member]) -> tuple[str, str]:
    """Choose within a set: lower peak memory, then fewer stored bytes, then fewer distributions, then the name.

    Memory within :data:`EQUAL_MEMORY` of the lowest counts as equal: that much differs between runs of one pipeline.

    Returns:
        The chosen arm, and ``measurement`` or ``tie-break: …`` naming the rule that decided.
    """
    left = sorted(members)
    if len(left) == 1:
        return left[0], "measurement"
    peaks = {name: math.inf if (peak := members[name].peak_bytes) is None else float(peak) for name in left}
    least = min(peaks.values())
    rules: tuple[tuple[str, Callable[[str], float]], ...] = (
        ("lower peak memory", lambda name: 0.0 if peaks[name] <= least * (1 + EQUAL_MEMORY) else peaks[name]),
        ("fewer stored bytes", lambda name: members[name].stored_bytes),
        ("fewer dependencies", lambda name: float(members[name].dependencies)),
    )
    for rule, key in rules:
        best = min(key(name) for name in left)
        left = [name for name in left if key(name) == best]
        if len(left) == 1:
            return left[0], f"tie-break: {rule}"
    return left[0], "tie-break: name"


def _set(matrix: np.ndarray, relative: np.ndarray, *, seed: int) -> tuple[frozenset[int], str]:
    middle = np.median(relative, axis=0)
    if _constant(relative):
        return frozenset(np.flatnonzero(middle - middle.min() <= EQUAL_LOG).tolist()), "equal values"
    if matrix.shape[1] == 1:
        return frozenset({0}), "single arm"
    if matrix.shape[0] < LEAST_BLOCKS:
        # Beaten only where every block says so.
        return frozenset(np.flatnonzero(relative.min(axis=0) <= 0).tolist()), "beaten in every block"
    from packhorse.bench.stats.winner_set import winner_set

    found = winner_set(matrix, ALPHA, seed=seed)
    return frozenset(found.members), f"model confidence set ({found.method}, alpha {ALPHA})"


def _constant(matrix: np.ndarray) -> bool:
    """Whether costs do not vary over blocks, as bytes do not. One block alone cannot show that."""
    return matrix.shape[0] > 1 and bool(np.all(np.ptp(matrix, axis=0) < EQUAL_LOG))


def _conclusive(blocks: int, noise: NoiseFloor, matrix: np.ndarray) -> tuple[bool, str]:
    if noise.differs:
        return False, "inconclusive: environment: the run tells two copies of one pipeline apart"
    if blocks < LEAST_BLOCKS and not _constant(matrix):
        return False, f"inconclusive: only {blocks} complete blocks, at least {LEAST_BLOCKS} are needed"
    return True, "the run could tell pipelines apart"


def paired_ratio(of: Mapping[int, float], over: Mapping[int, float]) -> float | None:
    """Median over shared blocks of ``of / over``; None without a shared block."""
    ratios = [of[block] / over[block] for block in sorted(set(of) & set(over)) if over[block] > 0]
    return median(ratios) if ratios else None
