"""Races and gates whose answer is known, drawn from recorded residuals: how often the method is right."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packhorse.bench.race.decide import Question, decide, leavers
from packhorse.bench.race.record_types import Leaver
from packhorse.bench.stats import looks
from packhorse.bench.stats.against_best import ALPHA, fitted
from packhorse.bench.stats.critical import Family, critical_value
from packhorse.bench.stats.gate import GateRule, RowData, RowOutcome, two_passes
from packhorse.bench.stats.residuals import Residuals
from packhorse.bench.stats.rounds import by_process, process_means

Figures = dict[str, Any]


#: The self-test's arms without planted work: what a gate's two sides are like.
EQUAL_ARMS = frozenset({"base", "base-again", "head"})


def recorded(file: Path, arms: frozenset[str] = frozenset()) -> dict[str, Residuals]:
    """Residuals of a gate's self-test, by row: many arms of one tree, and copies that are slower by a constant factor.

    Each block is a process of as many rounds as samples were taken. Taking off each arm's mean takes off what was
    planted.

    Args:
        file: The record.
        arms: Only these; none for all.
    """
    record = json.loads(file.read_text(encoding="utf-8"))
    found = {}
    for row in sorted({timing["row"] for timing in record["timings"]}):
        costs: dict[str, dict[int, list[float]]] = {}
        for timing in record["timings"]:
            if timing["row"] == row and timing["measurement"] == 1 and (not arms or timing["arm"] in arms):
                costs.setdefault(timing["arm"], {})[timing["block"]] = timing["wall_s"]
        found[row] = Residuals.of(costs)
    return found


def scatter(residuals: Residuals) -> Figures:
    """What the residuals are like."""
    values = residuals.samples.ravel()
    return {
        "samples": int(values.size),
        "sd": float(values.std()),
        "half_within": float(np.quantile(np.abs(values), 0.5)),
        "kurtosis": float(np.mean((values - values.mean()) ** 4) / values.var() ** 2),
        "process_sd": float(residuals.processes.std()),
    }


def raced(
    residuals: Residuals, rng: np.random.Generator, effects: Sequence[float], processes: int, rounds: int
) -> tuple[dict[str, str], float, list[Leaver]]:
    """A whole race with its looks: arm → word of its verdict, the half-width, and who left early."""
    whole = residuals.race(rng, effects, processes, rounds)
    racing, gone = list(whole), list[Leaver]()
    measured: dict[str, dict[int, Sequence[float]]] = {arm: {} for arm in whole}
    for process in range(processes):
        for arm in racing:
            measured[arm][process] = whole[arm][process]
        if looks.FIRST_LOOK <= process + 1 < processes:
            _, beaten = leavers({arm: measured[arm] for arm in racing}, looks.level(processes, last=False), frozenset())
            gone += beaten
            racing = [arm for arm in racing if arm not in {leaver.arm for leaver in beaten}]
    decision = decide(measured, Question(looks.level(processes, last=True), gone))
    assert decision is not None
    words = {arm: str(verdict.word) for arm, verdict in decision.verdicts.items()}
    return words, decision.standing.half_width, gone


def false_slower(residuals: Residuals, *, runs: int, arms: int, processes: int, rounds: int, seed: int) -> Figures:
    """Equal arms: how often any of them is called slower, and how often one pipeline's two names are told apart."""
    rng = np.random.default_rng(seed)
    told, pair, widths = 0, 0, []
    for _ in range(runs):
        words, width, _ = raced(residuals, rng, [0.0] * arms, processes, rounds)
        told += "slower" in words.values()
        pair += (words["arm 0"] == "slower") != (words["arm 1"] == "slower")
        widths.append(width)
    return {
        "arms": arms,
        "processes": processes,
        "rounds": rounds,
        "any_slower": told / runs,
        "two_names_apart": pair / runs,
        "half_width": math.expm1(float(np.median(widths))),
        "runs": runs,
    }


def power(  # noqa: PLR0913 - a study's settings, by name
    residuals: Residuals, *, runs: int, arms: int, processes: int, rounds: int, slower: Sequence[float], seed: int
) -> Figures:
    """One arm of several is slower: how often it is called so, and the difference that is found in 80 of 100 races."""
    rng = np.random.default_rng(seed)
    shares = []
    for ratio in slower:
        effects = [0.0] * (arms - 1) + [math.log1p(ratio)]
        found = sum(
            raced(residuals, rng, effects, processes, rounds)[0][f"arm {arms - 1}"] == "slower" for _ in range(runs)
        )
        shares.append(found / runs)
    return {
        "arms": arms,
        "processes": processes,
        "rounds": rounds,
        "slower": list(slower),
        "found": shares,
        "found_in_80": _crossing(slower, shares, 0.8),
        "runs": runs,
    }


def _crossing(xs: Sequence[float], ys: Sequence[float], level: float) -> float | None:
    for (x0, y0), (x1, y1) in zip(zip(xs, ys, strict=True), list(zip(xs, ys, strict=True))[1:], strict=False):
        if y0 < level <= y1:
            return x0 + (level - y0) / (y1 - y0) * (x1 - x0)
    return xs[0] if ys and ys[0] >= level else None


def best_lost(
    residuals: Residuals, *, runs: int, effects: Sequence[float], processes: int, rounds: int, seed: int
) -> Figures:
    """How often a best arm left at a look, and what part of the samples the looks saved."""
    rng = np.random.default_rng(seed)
    lost, saved = 0, 0.0
    best = {f"arm {i}" for i, effect in enumerate(effects) if effect == min(effects)}
    for _ in range(runs):
        words, _, gone = raced(residuals, rng, effects, processes, rounds)
        lost += any(leaver.arm in best for leaver in gone)
        saved += len(gone) / len(words)
    return {
        "arms": len(effects),
        "processes": processes,
        "best_lost": lost / runs,
        "left_early": saved / runs,
        "runs": runs,
    }


def dunnett_instead(residuals: Residuals, *, runs: int, arms: int, processes: int, rounds: int, seed: int) -> Figures:
    """Equal arms, decided by Dunnett's one-sided intervals over the best found: how often one is called slower."""
    rng = np.random.default_rng(seed)
    told = 0
    for _ in range(runs):
        model = fitted(by_process(residuals.race(rng, [0.0] * arms, processes, rounds)))
        best = min(model.arms, key=lambda arm: model.difference(arm, model.arms[0])[0])
        factor = critical_value(model, ALPHA, Family.WITH_ONE, one=best, sided=1)
        for arm in model.arms:
            ratio, error = model.difference(arm, best)
            if arm != best and ratio > factor * error * model.residual_sd:
                told += 1
                break
    return {"arms": arms, "processes": processes, "any_slower": told / runs, "runs": runs}


def gates(
    rows: Mapping[str, tuple[Residuals, float]],
    *,
    runs: int,
    blocks: int,
    rounds: int,
    planted: Mapping[str, float],
    seed: int,
) -> Figures:
    """Whole gates, the second measurement included: outcomes, and how often each planted slowdown is found."""
    rng = np.random.default_rng(seed)
    margins = {name: margin for name, (_, margin) in rows.items()}
    outcomes = {"passed": 0, "regressed": 0, "unresolved": 0}
    found = dict.fromkeys(planted, 0)

    def measured(names: Sequence[str], _: int) -> dict[str, RowData]:
        data = {}
        for name in names:
            drawn = rows[name][0].race(rng, [0.0, math.log1p(planted.get(name, 0.0))], blocks, rounds)
            pairs = [process_means(np.log(np.array([drawn["arm 0"][b], drawn["arm 1"][b]]).T)) for b in range(blocks)]
            data[name] = RowData(np.array([head - base for base, head in pairs]))
        return data

    for _ in range(runs):
        state = two_passes(measured, list(rows), GateRule(margins=margins))
        outcomes[{0: "passed", 1: "regressed", 3: "unresolved"}[state.exit_code]] += 1
        for name in planted:
            found[name] += state.rows[name].outcome is RowOutcome.REGRESSED
    return {
        "rows": len(rows),
        "blocks": blocks,
        "rounds": rounds,
        "planted": ", ".join(f"{name} {ratio:+.0%}" for name, ratio in planted.items()) or "nothing",
        **{name: count / runs for name, count in outcomes.items()},
        "found": {name: count / runs for name, count in found.items()},
        "runs": runs,
    }
