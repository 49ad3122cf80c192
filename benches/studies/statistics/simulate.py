"""The simulation study, written as JSON.

``python -m benches.studies.statistics.simulate [--quick] [--seed N] -o FILE``

Each study draws runs whose answer is known, under the noise that METHOD.md measured and under kinder and unkinder
noise, and counts how often the method is right. Seeded: the same seed and versions give the same file.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benches.studies.statistics import experiments as studies
from packhorse.bench.stats.noise import ContaminatedNoise

METHOD_NOISE = ContaminatedNoise()
NOISES = {
    "method": METHOD_NOISE,
    "one-sided": ContaminatedNoise(one_sided=True),
    "gaussian": ContaminatedNoise(arm_sd=0.0134, excursion_chance=0.0),
}
#: End to end the ordinary scatter is taken as twice that of a CPU stage; excursions are the same.
END_TO_END_NOISE = ContaminatedNoise(arm_sd=2 * METHOD_NOISE.arm_sd)
#: A machine on which half of all measurements are disturbed by some 15 %.
LOADED_NOISE = ContaminatedNoise(arm_sd=0.03, excursion_chance=0.5, excursion_sd=0.15)

WINNER_SETS = {
    "5 equal": [0.0] * 5,
    "15 equal": [0.0] * 15,
    "7 equal, 8 slower by 5 %": [0.0] * 7 + [0.05] * 8,
    "15 in steps of 1 %": [0.01 * step for step in range(15)],
}
ELIMINATIONS = {
    "3 equal": [0.0] * 3,
    "20 equal": [0.0] * 20,
    "2 equal, 18 from 2 % to 300 % slower": [0.0, 0.0, *np.log1p(np.geomspace(0.02, 3.0, 18)).tolist()],
}


def run_studies(*, quick: bool, seed: int) -> dict[str, Any]:
    """All studies; ``quick`` draws an eighth of the runs. The shape is the same."""
    scale = 1 if quick else 8
    return {
        "noise": {name: studies.spread_of_aa(noise, runs=2_000, seed=seed) for name, noise in NOISES.items()},
        "interval_coverage": _coverage(400 * scale, seed),
        "family_wise_error": [
            studies.family_wise_error(METHOD_NOISE, runs=60 * scale, blocks=blocks, rows=rows, seed=seed)
            for blocks in (8, 12, 20)
            for rows in (3, 12)
        ],
        "winner_set": _winner_sets(50 * scale, seed),
        "elimination": _eliminations(60 * scale, seed),
        "gate": _gate(40 * scale, seed),
    }


def _coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    return [
        {"noise": name}
        | studies.interval_coverage(noise, runs=runs, blocks=blocks, centre=centre, widen=widen, seed=seed)
        for name, noise in NOISES.items()
        for blocks in (8, 12, 20, 30)
        for centre in ("median", "trimmed-mean")
        for widen in (False, True)
    ]


def _winner_sets(runs: int, seed: int) -> list[dict[str, Any]]:
    return [
        _labelled(name, truth)
        | studies.winner_set_coverage(NOISES[name], runs=runs, blocks=blocks, effects=effects, method=method, seed=seed)
        for name in ("method", "gaussian")
        for truth, effects in WINNER_SETS.items()
        for blocks in (8, 12, 20)
        for method in ("sign-flip", "arch")
    ]


def _eliminations(runs: int, seed: int) -> list[dict[str, Any]]:
    return [
        _labelled(name, truth)
        | studies.elimination_error(NOISES[name], runs=runs, blocks=16, effects=effects, spending=spending, seed=seed)
        for name in NOISES
        for truth, effects in ELIMINATIONS.items()
        for spending in ("pocock", "obrien-fleming")
    ]


def _labelled(noise: str, truth: str) -> studies.Figures:
    return {"noise": noise, "truth": truth}


def _gate(runs: int, seed: int) -> list[dict[str, Any]]:
    planted: list[dict[str, float]] = [
        {},
        {"cpu-0": 0.02},
        {"cpu-0": 0.03},
        {"cpu-0": 0.05},
        {"end-to-end-0": 0.03},
        {"end-to-end-0": 0.05},
    ]
    results: list[studies.Figures] = []
    for blocks in (12, 16, 20, 30):
        for effects in planted:
            figures = studies.gate_outcomes(
                METHOD_NOISE, END_TO_END_NOISE, runs=runs, blocks=blocks, planted=effects, seed=seed
            )
            results.append({"machine": "method", **figures})
    for effects in ({}, {"cpu-0": 0.03}):
        figures = studies.gate_outcomes(LOADED_NOISE, LOADED_NOISE, runs=runs, blocks=20, planted=effects, seed=seed)
        results.append({"machine": "loaded", **figures})
    return results


def main(arguments: list[str] | None = None) -> int:
    """Run the study and write its JSON; 0 when it was written.

    Raises:
        OSError: The file cannot be written; an existing file is then left as it was or cut short.
    """
    parser = argparse.ArgumentParser(prog="benches.studies.statistics.simulate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the runs, for a first look")
    parser.add_argument("--seed", type=int, default=20_250_101, help="seeds every draw")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args(arguments)
    seed = f"--seed {options.seed}"
    result = {
        "schema_version": 1,
        "command": " ".join(["python -m", __spec__.name, *(["--quick"] if options.quick else []), seed]),
        "versions": {name: version(name) for name in ("numpy", "scipy", "arch")},
        "level": studies.LEVEL,
        "alpha": studies.ALPHA,
        "studies": run_studies(quick=options.quick, seed=options.seed),
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
