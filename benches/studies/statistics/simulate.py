"""The simulation study, written as JSON.

``python -m benches.studies.statistics.simulate [--quick] [--seed N] [--from RECORD] -o FILE``

Draws races and gates whose answer is known from the residuals of a committed record, and counts how often the method is
right. Seeded: the same seed, record and versions give the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benches.studies.statistics import experiments as studies
from packhorse.bench.gate.config import DEFAULT_BLOCKS, DEFAULT_REPEATS
from packhorse.bench.stats.residuals import Residuals

#: Whose samples are drawn from: 120 blocks of eight arms, a CPU stage and whole uploads.
RECORD = Path(__file__).parents[3] / "reports" / "gate-self-test.json"
CPU, UPLOAD = "CPU stages", "end to end"
#: Processes and rounds of a quick race, and of a full one of five minutes.
QUICK, FULL = (3, 5), (16, 12)
SLOWER = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.13)


def run_studies(record: Path, *, scale: int, seed: int) -> dict[str, Any]:
    """All studies; the number of runs grows with ``scale``, the shape is the same."""
    rows = studies.recorded(record)
    upload = rows[UPLOAD]
    sizes = {"quick": QUICK, "full": FULL}
    return {
        "residuals": {name: studies.scatter(one) for name, one in rows.items()},
        "false_slower": [
            {
                "race": name,
                **studies.false_slower(upload, runs=100 * scale, arms=arms, processes=p, rounds=r, seed=seed),
            }
            for name, (p, r) in sizes.items()
            for arms in (2, 6, 10)
        ],
        "power": [
            {
                "race": name,
                **studies.power(upload, runs=25 * scale, arms=6, processes=p, rounds=r, slower=SLOWER, seed=seed),
            }
            for name, (p, r) in sizes.items()
        ],
        "looks": [
            {
                "truth": truth,
                **studies.best_lost(
                    upload, runs=50 * scale, effects=effects, processes=FULL[0], rounds=FULL[1], seed=seed
                ),
            }
            for truth, effects in {"6 equal": [0.0] * 6, "2 equal, 4 slower": [0.0, 0.0, 0.03, 0.1, 0.4, 1.0]}.items()
        ],
        "dunnett": [
            {
                "race": name,
                **studies.dunnett_instead(upload, runs=100 * scale, arms=8, processes=p, rounds=r, seed=seed),
            }
            for name, (p, r) in sizes.items()
        ],
        "gate": _gates(studies.recorded(record, studies.EQUAL_ARMS), 40 * scale, seed),
    }


def _gates(rows: dict[str, Residuals], runs: int, seed: int) -> list[dict[str, Any]]:
    declared = {
        "CPU stage 1": (rows[CPU], 0.01),
        "CPU stage 2": (rows[CPU], 0.01),
        "CPU stage 3": (rows[CPU], 0.02),
        "upload 1": (rows[UPLOAD], 0.02),
        "upload 2": (rows[UPLOAD], 0.03),
    }
    planted: list[dict[str, float]] = [
        {},
        {"CPU stage 1": 0.02},
        {"CPU stage 1": 0.03},
        {"CPU stage 1": 0.05},
        {"upload 1": 0.03},
        {"upload 1": 0.05},
    ]
    return [
        studies.gates(
            declared,
            runs=3 * runs if not one else runs,
            blocks=DEFAULT_BLOCKS,
            rounds=DEFAULT_REPEATS,
            planted=one,
            seed=seed,
        )
        for one in planted
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the study and write its JSON; 0 when it was written.

    Raises:
        OSError: A file cannot be read or written; an existing file is then left as it was or cut short.
    """
    parser = argparse.ArgumentParser(prog="benches.studies.statistics.simulate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs, for a first look")
    parser.add_argument("--seed", type=int, default=20_260_101, help="seeds every draw")
    parser.add_argument("--from", dest="record", type=Path, default=RECORD, help="the gate's self-test to draw from")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args(arguments)
    words = ["python -m", __spec__.name, *(["--quick"] if options.quick else []), f"--seed {options.seed}"]
    result = {
        "schema_version": 2,
        "command": " ".join(words),
        "drawn_from": {
            "record": options.record.name,
            "sha256": hashlib.sha256(options.record.read_bytes()).hexdigest(),
        },
        "versions": {"numpy": version("numpy")},
        "studies": run_studies(options.record, scale=2 if options.quick else 10, seed=options.seed),
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
