"""Measuring both sides interleaved: blocks of fresh processes, one a side, that take short turns.

A block's processes live side by side but only one works at a time, so that whatever slows the machine for a while slows
both. The sampler is the race's (:mod:`packhorse.bench.sampler`); here the parent hands out the turns. Fresh processes
in every block: hash seeds and memory layout differ from process to process, and their effect on a timing must not be
taken for the change's.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from packhorse.bench.gate.process import Worker, WorkerDied
from packhorse.bench.gate.record import Timing
from packhorse.bench.gate.sides import Side
from packhorse.bench.race.clock import Foreign
from packhorse.bench.sampler import count_rounds, orders, take_rounds
from packhorse.bench.stats.gate import RowData
from packhorse.bench.stats.rounds import process_means
from packhorse.errors import InputError

#: The processes of a block. The base runs twice in the first blocks of a measurement: an alarm, should it differ from
#: itself.
BASE, BASE_AGAIN, HEAD = ARMS = ("base", "base-again", "head")
#: Blocks in which it does.
ALARM_BLOCKS = 4
#: Blocks in which one side dies at one row before that row is given up.
DEATHS = 3


@dataclass(slots=True)
class Bench:
    """What every process of a gate is given.

    Attributes:
        sides: Arm → its side.
        rows: Arm → the rows as its process gets them; may differ between sides (profiles).
        folder, captures: Where the captures lie, and their names.
        repeats, sample_s: See :class:`packhorse.bench.gate.config.GateConfig`.
        passes: Row → passes in a sample, found by :func:`packhorse.bench.gate.probe.probe`.
        servers: Process ids of the local S3 server, whose CPU time is ours, too.
        alarm_blocks: Blocks in which the base runs twice.
        timings: Everything measured, disturbed rounds included.
        drop_failing: Go on without a row whose process keeps dying; else that ends the measurement.
        failures: Side and row → why it was given up.
        incidents: Processes that died in a block, one sentence each; the block was measured anew.
    """

    sides: Mapping[str, Side]
    rows: Mapping[str, Sequence[dict[str, Any]]]
    folder: Path
    captures: Sequence[str]
    repeats: int
    sample_s: float
    passes: dict[str, int] = field(default_factory=dict)
    servers: Sequence[int] = ()
    alarm_blocks: int = ALARM_BLOCKS
    timings: list[Timing] = field(default_factory=list)
    drop_failing: bool = False
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)

    def of_arm(self, arm: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """The named rows as ``arm`` gets them."""
        return [row for row in self.rows[arm] if row["name"] in names]


def measure(
    bench: Bench, names: Sequence[str], *, measurement: int, blocks: int, seed: int, done: Callable[[], None]
) -> dict[str, RowData]:
    """Measure rows in blocks and pair them.

    Args:
        bench: What is measured; its ``timings`` grow block by block, so that an interrupt keeps what there is.
        names: The rows.
        measurement: 1 or 2.
        blocks: How many are wanted.
        seed: Seeds the order.
        done: Called after each block.

    Returns:
        Row → its pairs, for the arm ``head``; without those that are in ``bench.failures`` now.

    Raises:
        WorkerDied: A process died in :data:`DEATHS` blocks, at no row, or at a row and ``bench.drop_failing`` is off.
    """
    order = random.Random(f"{seed}:gate:{measurement}")
    block = 0
    deaths: Counter[tuple[str, str | None]] = Counter()
    left = list(names)
    while block < blocks and left:
        try:
            bench.timings += _block(bench, left, measurement, block, order)
        except WorkerDied as death:
            bench.incidents.append(f"measurement {measurement}, block {block}: {death}")
            deaths[death.side, death.row] += 1
            if deaths[death.side, death.row] >= DEATHS:
                left = _without(bench, left, death)
            continue
        block += 1
        done()
    return paired(bench.timings, left, measurement)


def _without(bench: Bench, names: Sequence[str], death: WorkerDied) -> list[str]:
    if death.row is None or not bench.drop_failing:
        raise death
    bench.failures[death.side, death.row] = f"in {DEATHS} blocks: {death.reason}"
    return [name for name in names if name != death.row]


def _block(bench: Bench, names: Sequence[str], measurement: int, index: int, order: random.Random) -> list[Timing]:
    sides = {arm: side for arm, side in bench.sides.items() if arm != BASE_AGAIN or index < bench.alarm_blocks}
    with contextlib.ExitStack() as stack:
        workers = {arm: stack.enter_context(Worker(sides[arm])) for arm in _shuffled(sides, order)}
        for arm, worker in workers.items():  # side by side, since nothing is timed yet
            worker.begin_prepare(bench.folder, bench.captures, bench.of_arm(arm, names))
        for arm, side in sides.items():  # the base is heard first: what fails on every side is not the change's fault
            answers = workers[arm].prepared()
            wrong = next(((row, a["error"]) for row, a in answers.items() if "error" in a), None)
            if wrong is not None:
                raise WorkerDied(side.name, *wrong)
        found = []
        for row in _shuffled(names, order):
            found += _take_turns(workers, row, bench, (measurement, index, order.randrange(1 << 30)))
    return found


def _take_turns(workers: Mapping[str, Worker], row: str, bench: Bench, at: tuple[int, int, int]) -> list[Timing]:
    """The rounds of one row: the race's sampler, with the parent handing out the turns."""
    measurement, block, seed = at
    passes, arms = bench.passes[row], list(workers)
    for worker in workers.values():
        worker.run(row, 1)  # the caches of this row, cold since the last one
    watch = Foreign([os.getpid(), *(worker.pid for worker in workers.values()), *bench.servers])
    turns = orders(arms, seed=seed, process=block)
    walls: dict[str, list[float]] = {arm: [] for arm in arms}
    cpus: dict[str, list[float]] = {arm: [] for arm in arms}

    def take(arm: str, _: int) -> None:
        took = workers[arm].run(row, passes)
        walls[arm].append(took["wall_s"])
        cpus[arm].append(took["cpu_s"])

    taken = take_rounds(arms, take, watch, rounds=bench.repeats, order=turns)
    shares = [one.foreign_share for one in taken]
    counted = count_rounds(shares, bench.repeats)
    return [Timing(measurement, block, arm, row, passes, walls[arm], cpus[arm], shares, counted) for arm in arms]


def _shuffled(names: Iterable[str], order: random.Random) -> list[str]:
    drawn = list(names)
    order.shuffle(drawn)
    return drawn


def paired(
    timings: Sequence[Timing], names: Sequence[str], measurement: int, *, head: str = HEAD
) -> dict[str, RowData]:
    """Log ratios by block: ``head`` over the base, and the base over itself where it ran twice.

    Raises:
        InputError: A row has no block in which both were measured.
    """
    rows = {}
    for name in names:
        logs = log_means(timings, name, [measurement])
        change = [arms[head] - arms[BASE] for arms in logs.values() if arms.keys() >= {BASE, head}]
        again = [arms[BASE_AGAIN] - arms[BASE] for arms in logs.values() if arms.keys() >= {BASE, BASE_AGAIN}]
        if not change:
            raise InputError(f"{name}: no block has both base and change")
        rows[name] = RowData(np.array(change), np.array(again))
    return rows


def log_means(
    timings: Sequence[Timing], row: str, measurements: Sequence[int]
) -> dict[tuple[int, int], dict[str, float]]:
    """Measurement and block → arm → log seconds of a pass: trimmed means of what the counted rounds have in common."""
    blocks: dict[tuple[int, int], list[Timing]] = {}
    for timing in timings:
        if timing.row == row and timing.measurement in measurements and any(timing.counted):
            blocks.setdefault((timing.measurement, timing.block), []).append(timing)
    found = {}
    for key, mine in sorted(blocks.items()):
        fewest = min(len(timing.counted_s) for timing in mine)
        matrix = np.log(np.array([timing.counted_s[:fewest] for timing in mine]).T)
        means = process_means(matrix)
        found[key] = {
            timing.arm: float(mean) - math.log(timing.passes) for timing, mean in zip(mine, means, strict=True)
        }
    return found
