"""The studies behind ``simulate``: each draws runs with a known answer and counts how often the method is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray
from packhorse.bench.stats.gate import GateRule, GateState, RowData, Stage, first_pass, second_pass
from packhorse.bench.stats.interval import Centre, bca_limits, widened_level
from packhorse.bench.stats.looks import RACE_LOOKS, Spending, look, plan_looks
from packhorse.bench.stats.noise import Noise
from packhorse.bench.stats.significance import holm, signed_rank_p
from packhorse.bench.stats.verdict import VerdictRule, noise_floor
from packhorse.bench.stats.winner_set import Method, winner_set

Figures: TypeAlias = dict[str, float | int | str]

LEVEL = 0.95
ALPHA = 0.05
#: Rows of the simulated gate with their margins: six CPU stages and two end-to-end rows.
GATE_MARGINS = {f"cpu-{number}": 0.01 for number in range(6)} | {f"end-to-end-{number}": 0.02 for number in range(2)}
#: Runs whose intervals are computed at once; bounds the memory at some 200 MB for 30 blocks.
_CHUNK = 100


def paired_runs(noise: Noise, rng: np.random.Generator, runs: int, blocks: int) -> FloatArray:
    """(runs, blocks) of log ratios of a candidate over a reference measured twice; the true value is 0."""
    rows = []
    for _ in range(runs):
        times = noise.log_times(rng, blocks, [0.0, 0.0, 0.0])
        rows.append(times[:, 2] - times[:, :2].mean(axis=1))
    return np.array(rows)


def interval_coverage(noise: Noise, *, runs: int, blocks: int, centre: Centre, widen: bool, seed: int) -> Figures:
    """How often the interval of the centre holds the true value, and how wide it is in the median."""
    rng = np.random.default_rng(seed)
    level = widened_level(LEVEL, blocks) if widen else LEVEL
    hits, widths = 0, []
    for start in range(0, runs, _CHUNK):
        values = paired_runs(noise, rng, min(_CHUNK, runs - start), blocks)
        low, high = bca_limits(values, level, seed=rng, centre=centre, resamples=1_999)
        hits += int(np.sum((low <= 0) & (high >= 0)))
        widths.append(high - low)
    return {
        "blocks": blocks,
        "centre": centre,
        "level": "widened" if widen else "plain",
        "runs": runs,
        "coverage": hits / runs,
        "median_width": float(np.median(np.concatenate(widths))),
    }


def family_wise_error(noise: Noise, *, runs: int, blocks: int, rows: int, seed: int) -> Figures:
    """How often at least one of ``rows`` equal candidates is called different; and the A/A arm with them."""
    rng = np.random.default_rng(seed)
    rule = VerdictRule(seed=seed)
    wrong = environment = 0
    for _ in range(runs):
        times = noise.log_times(rng, blocks, np.zeros(rows + 2))
        reference = times[:, :2].mean(axis=1)
        adjusted = holm([signed_rank_p(times[:, column] - reference) for column in range(2, rows + 2)])
        wrong += bool(adjusted.min() <= ALPHA)
        environment += noise_floor(times[:, 1] - times[:, 0], rule).differs
    return {
        "blocks": blocks,
        "rows": rows,
        "runs": runs,
        "family_wise_error": wrong / runs,
        "environment_called_different": environment / runs,
    }


def winner_set_coverage(
    noise: Noise, *, runs: int, blocks: int, effects: Sequence[float], method: Method, seed: int
) -> Figures:
    """How often the set holds every best pipeline, and how large it is on average."""
    rng = np.random.default_rng(seed)
    best = {column for column, effect in enumerate(effects) if effect == min(effects)}
    held, size = 0, 0
    for run in range(runs):
        members = winner_set(noise.log_times(rng, blocks, effects), ALPHA, seed=run, method=method).members
        held += best <= set(members)
        size += len(members)
    return {
        "blocks": blocks,
        "pipelines": len(effects),
        "best": len(best),
        "method": method,
        "runs": runs,
        "coverage": held / runs,
        "mean_size": size / runs,
    }


def elimination_error(
    noise: Noise, *, runs: int, blocks: int, effects: Sequence[float], spending: Spending, seed: int
) -> Figures:
    """How often any best candidate leaves early, and how much of the race's measuring the looks save."""
    rng = np.random.default_rng(seed)
    plan = plan_looks([after for after in RACE_LOOKS if after < blocks], blocks, ALPHA, spending=spending)
    best = {column for column, effect in enumerate(effects) if effect == min(effects)}
    lost, cells = 0, 0
    for _ in range(runs):
        times = noise.log_times(rng, blocks, effects)
        alive = np.arange(len(effects))
        left_at = dict.fromkeys(range(len(effects)), blocks)
        for after, alpha_step in zip(plan.blocks, plan.alpha_steps, strict=True):
            dropped = alive[list(look(times[:after, alive], alpha_step).dropped)]
            left_at.update((int(column), after) for column in dropped)
            alive = np.setdiff1d(alive, dropped)
        lost += not best <= set(alive.tolist())
        cells += sum(left_at.values())
    return {
        "blocks": blocks,
        "candidates": len(effects),
        "best": len(best),
        "spending": spending,
        "runs": runs,
        "best_dropped": lost / runs,
        "measuring_saved": 1 - cells / (runs * blocks * len(effects)),
    }


def gate_outcomes(
    cpu_noise: Noise, end_to_end_noise: Noise, *, runs: int, blocks: int, planted: dict[str, float], seed: int
) -> Figures:
    """Shares of exit codes of a whole gate of eight rows, with a slowdown (as a ratio) planted in some of them."""
    rng = np.random.default_rng(seed)
    # The intervals decide nothing here, so a hundred resamples will do.
    rule = GateRule(margins=GATE_MARGINS, alpha=ALPHA, seed=seed, resamples=100)

    def measure(rows: Sequence[str]) -> dict[str, RowData]:
        noises = {row: end_to_end_noise if row.startswith("end-to-end") else cpu_noise for row in rows}
        return {row: _gate_row(noises[row], rng, blocks, planted.get(row, 0.0)) for row in rows}

    codes, again, caught = [], 0, 0
    for _ in range(runs):
        state = first_pass(measure(list(GATE_MARGINS)), rule)
        if state.stage is Stage.MEASURE_AGAIN:
            again += 1
            state = second_pass(state, measure(state.measure_again), rule)
        codes.append(state.exit_code)
        caught += _all_regressed(state, planted)
    return {
        "blocks": blocks,
        "planted": ", ".join(f"{row} +{effect:.0%}" for row, effect in planted.items()) or "nothing",
        "runs": runs,
        "passed": codes.count(0) / runs,
        "regressed": codes.count(1) / runs,
        "unresolved": codes.count(3) / runs,
        "planted_rows_regressed": caught / runs,
        "measured_again": again / runs,
    }


def _gate_row(noise: Noise, rng: np.random.Generator, blocks: int, slowdown: float) -> RowData:
    times = noise.log_times(rng, blocks, [0.0, 0.0, np.log1p(slowdown)])
    return RowData(times[:, 2] - times[:, :2].mean(axis=1), times[:, 1] - times[:, 0])


def _all_regressed(state: GateState, planted: dict[str, float]) -> bool:
    return bool(planted) and all(state.rows[row].outcome == "regressed" for row in planted)


def spread_of_aa(noise: Noise, *, runs: int, seed: int, blocks: Literal[14] = 14) -> Figures:
    """The two figures by which METHOD.md describes the noise, from the model: SD and quartile of A/A log ratios."""
    rng = np.random.default_rng(seed)
    ratios: ArrayLike = [np.diff(noise.log_times(rng, blocks, [0.0, 0.0]), axis=1).ravel() for _ in range(runs)]
    flat = np.asarray(ratios).ravel()
    return {"runs": runs, "sd": float(flat.std()), "half_within": float(np.quantile(np.abs(flat), 0.5))}
