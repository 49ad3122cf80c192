"""The gate measures itself: slowdowns planted as real work, and one tree against its own copy.

Blocks as a gate takes them, but with more arms: the base twice, a copy of the same tree (A/A), and copies whose
compressing stage does more work, so much that a row takes 1, 2, 3, 5 and 10 % longer. Gates are then run on the blocks:
those that follow each other (as they would in CI), and many drawn from all blocks by the moving-block bootstrap
(Künsch, Annals of Statistics 17, 1989), in runs of :data:`RUN_BLOCKS` so that drift and disturbances stay together.
A last measurement is made with other processes loading the machine: there the gate has to say that it cannot tell.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import packhorse
from packhorse import __version__
from packhorse.bench.gate import power
from packhorse.bench.gate.config import DEFAULT_BLOCKS, DEFAULT_REPEATS, DEFAULT_SAMPLE_S
from packhorse.bench.gate.measure import BASE, BASE_AGAIN, HEAD, Bench, measure
from packhorse.bench.gate.power import CPU, END_TO_END, PLANTED
from packhorse.bench.gate.process import Worker
from packhorse.bench.gate.run import GateObserver
from packhorse.bench.gate.sides import Side
from packhorse.bench.lab.folder import work_folder
from packhorse.bench.lab.targets import start_target
from packhorse.bench.race import inputs
from packhorse.bench.race.clock import with_children
from packhorse.bench.race.machine import describe
from packhorse.bench.stats.gate import mean_interval
from packhorse.errors import PackhorseError
from packhorse.files import appearing

SELF_TEST_SCHEMA_VERSION = 2
PIPELINE = "orjson-stream | isal:2 | raw"
ROWS = {CPU: PIPELINE, END_TO_END: f"{PIPELINE} | obstore"}
#: Pairs of runs by which the planted work is fitted, and the bytes compressed again in one of each pair.
FIT_PAIRS, FIT_BYTES = 40, 200_000
BLOCKS, QUICK_BLOCKS = 60, 20
#: More pairs are run, up to so many times as many, until the planted work shows.
FIT_TRIES = 3
#: Keeps one core busy, on and off by chance, as neighbours do. Ends with its standard input, which closes when this
#: process goes, however it goes.
_BURNER = """
import os, random, sys, threading, time

def end_with_parent():
    os.read(0, 1)
    os._exit(0)

threading.Thread(target=end_with_parent, daemon=True).start()
r = random.Random(int(sys.argv[1]))
while True:
    end = time.monotonic() + r.expovariate(2)
    while time.monotonic() < end:
        pass
    time.sleep(r.expovariate(4))
"""


class SelfTestError(PackhorseError):
    """The gate cannot be measured here: a row does not run, or planted work does not show."""


def run_self_test(*, quick: bool, seed: int, observer: GateObserver) -> dict[str, Any]:
    """Measure the gate. Processes, copies and the server are gone afterwards.

    Returns:
        The record: raw samples, power curve, false alarms, the loaded measurement, and whether the goals are met.

    Raises:
        SelfTestError: See there.
        UnavailableError: The local server is not installed.
    """
    blocks = QUICK_BLOCKS if quick else BLOCKS
    with work_folder("self-test") as folder, start_target("rclone") as target:
        work = folder.resolve()
        captures = inputs.synthetic(work, seed)
        bench = Bench({}, {}, work, [c.name for c in captures], DEFAULT_REPEATS, DEFAULT_SAMPLE_S)
        bench.servers = with_children(target.server.pid) if target.server is not None else []
        bench.alarm_blocks = blocks
        sides = {arm: _copy(work, arm) for arm in (BASE, HEAD)}
        rows = [
            {"name": name, "pipeline": text, "endpoint": asdict(target.endpoint), "prefix": "self-test"}
            for name, text in ROWS.items()
        ]
        observer.say("fitting the planted work")
        plants = _fit(bench, sides[BASE], rows)
        bench.sides, bench.rows = _arms(sides, rows, plants)
        observer.begin(blocks, 1, list(ROWS))
        measure(bench, list(ROWS), measurement=1, blocks=blocks, seed=seed, done=observer.block)
        bench.sides = {arm: bench.sides[arm] for arm in (BASE, BASE_AGAIN, HEAD)}
        observer.say("the same tree, with the machine loaded")
        observer.begin(2 * DEFAULT_BLOCKS, 1, list(ROWS))
        with loaded(seed):
            measure(bench, list(ROWS), measurement=2, blocks=2 * DEFAULT_BLOCKS, seed=seed, done=observer.block)
    record = {
        "schema_version": SELF_TEST_SCHEMA_VERSION,
        "kind": "gate-self-test",
        "packhorse_version": __version__,
        "command": f"packhorse gate --self-test {'--quick ' if quick else ''}--seed {seed}",
        "quick": quick,
        "seed": seed,
        "machine": describe(),
        "pipelines": ROWS,
        "plant_bytes": {f"{row} {ratio:+.0%}": value for (row, ratio), value in plants.items()},
        "timings": msgspec.to_builtins(bench.timings),
    }
    return record | power.figures(record)


def write_self_test(record: dict[str, Any], folder: Path) -> None:
    """Write ``gate-self-test.json`` and ``.md`` into ``folder``."""
    from packhorse.bench.report.gate.selftest import markdown

    with appearing(folder / "gate-self-test.json") as file:
        file.write(json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")
    with appearing(folder / "gate-self-test.md") as file:
        file.write(markdown(record).encode())


def _copy(work: Path, name: str) -> Side:
    """A copy of the package that is running, as a side of its own."""
    folder = work / name
    shutil.copytree(
        Path(packhorse.__file__).parent, folder / "packhorse", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True, capture_output=True)
    return Side(name, name, Path(sys.executable), folder, (folder,))


def _fit(bench: Bench, side: Side, rows: list[dict[str, Any]]) -> dict[tuple[str, float], int]:
    """Bytes to compress again so that a row takes the planted parts longer. Also fixes the rounds of a sample."""
    found = {}
    for row in rows:
        with Worker(side) as plain, Worker(side) as more:
            _ready(plain, bench, {**row, "plant_bytes": 0})
            _ready(more, bench, {**row, "plant_bytes": FIT_BYTES})
            once_s = min(plain.run(row["name"], 1)["wall_s"] for _ in range(5))
            passes = bench.passes[row["name"]] = max(1, round(bench.sample_s / once_s + 0.5))

            def pair(name: str = row["name"], count: int = passes, one: Worker = plain, other: Worker = more) -> float:
                base_s = one.run(name, count)["wall_s"]
                return float(other.run(name, count)["wall_s"]) / base_s

            per_byte = fitted(row["name"], pair)
        for ratio in PLANTED:
            found[row["name"], ratio] = round(ratio / per_byte)
    return found


def _ready(worker: Worker, bench: Bench, row: dict[str, Any]) -> None:
    answers = worker.prepare(bench.folder, bench.captures, [row])
    answer = answers.get(row["name"], answers)  # an error of the whole request stands where rows would
    if "error" in answer:
        raise SelfTestError(f"self-test: row {row['name']!r} does not run: {answer['error']}")


def fitted(row: str, pair: Callable[[], float]) -> float:
    """Slowdown, as a ratio, for each byte that is compressed again.

    Args:
        row: Its name.
        pair: Measures once with :data:`FIT_BYTES` more and once without; returns the ratio of the two.

    Raises:
        SelfTestError: Even :data:`FIT_TRIES` times :data:`FIT_PAIRS` pairs do not show the work: their interval
            includes no slowdown at all.
    """
    logs: list[float] = []
    for _ in range(FIT_TRIES):
        logs += [math.log(pair()) for _ in range(FIT_PAIRS)]
        estimate, low, high = mean_interval(np.array(logs), 0.95)
        if low > 0:
            return math.expm1(estimate) / FIT_BYTES
    raise SelfTestError(
        f"self-test: {FIT_BYTES} bytes compressed again do not show in row {row!r} ({len(logs)} pairs, "
        f"{math.expm1(low):+.1%} to {math.expm1(high):+.1%}): this machine is too unsteady to plant "
        "slowdowns; run it on a quieter one"
    )


def _arms(
    sides: dict[str, Side], rows: list[dict[str, Any]], plants: dict[tuple[str, float], int]
) -> tuple[dict[str, Side], dict[str, list[dict[str, Any]]]]:
    """Base twice, its copy, and the copy with each planted slowdown. All of them carry the planting code, most idle."""
    all_sides = {BASE: sides[BASE], BASE_AGAIN: sides[BASE], HEAD: sides[HEAD]}
    arms = dict.fromkeys(all_sides, 0.0) | {power.arm(ratio): ratio for ratio in PLANTED}
    all_sides |= {power.arm(ratio): sides[HEAD] for ratio in PLANTED}
    specs = {
        name: [
            {**row, "plant_bytes": plants.get((row["name"], ratio), 0), "prefix": f"self-test-{number}"} for row in rows
        ]
        for number, (name, ratio) in enumerate(arms.items())
    }
    return all_sides, specs


@contextmanager
def loaded(seed: int) -> Iterator[list[int]]:
    """Other processes busy on all cores but one, on and off; their process ids. They end with the block."""
    seeds = random.Random(seed)
    burners: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(max(1, (os.cpu_count() or 1) - 1)):
            code = [sys.executable, "-c", _BURNER, str(seeds.randrange(1 << 30))]
            burners.append(subprocess.Popen(code, stdin=subprocess.PIPE, start_new_session=True))
        yield [burner.pid for burner in burners]
    finally:
        for burner in burners:
            burner.kill()
        for burner in burners:
            burner.communicate()
