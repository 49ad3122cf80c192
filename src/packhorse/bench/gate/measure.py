"""Measuring both sides interleaved: blocks of three fresh processes (base, base again, head) that take turns.

A block's processes live side by side but only one works at a time, so that whatever slows the machine for a while slows
all three. Fresh processes in every block: hash seeds and memory layout differ from process to process, and their
effect on a timing must not be taken for the change's.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from packhorse.bench.gate.process import Worker, WorkerDied
from packhorse.bench.gate.sides import Side
from packhorse.bench.race.clock import machine_times_s
from packhorse.bench.stats.gate import RowData
from packhorse.errors import InputError

#: The processes of a block. The base is measured twice: its spread is the noise floor (A/A).
BASE, BASE_AGAIN, HEAD = ARMS = ("base", "base-again", "head")
#: A block during which the hypervisor took more than this part of the machine's time is measured again.
STEAL_SHARE = 0.03
#: At most this part of the blocks is measured again for that reason.
AGAIN_SHARE = 0.25
#: Blocks in which one side dies at one row before that row is given up.
DEATHS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """One process's figure for one row of one block.

    Attributes:
        measurement: 1 for the first, 2 for the one that is made again.
        block: Index within its measurement.
        arm: One of :data:`ARMS`; the self-test has more.
        row: The row's name.
        rounds: Passes in each sample.
        wall_s, cpu_s: Of each sample, in the order taken.
        suspect: What makes the block doubtful; empty when nothing does.
        judged: False for a suspect block that was measured again: it is kept and not judged.
    """

    measurement: int
    block: int
    arm: str
    row: str
    rounds: int
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    suspect: str = ""
    judged: bool = True

    @property
    def median_s(self) -> float:
        """Median wall seconds of a pass."""
        return float(np.median(self.wall_s)) / self.rounds

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "wall_s": list(self.wall_s), "cpu_s": list(self.cpu_s)}


@dataclass(slots=True)
class Bench:
    """What every process of a gate is given.

    Attributes:
        sides: Arm → its side.
        rows: Arm → the rows as its process gets them; may differ between sides (profiles).
        folder, captures: Where the captures lie, and their names.
        repeats, sample_s: See :class:`packhorse.bench.gate.config.GateConfig`.
        rounds: Row → passes in a sample, found by :func:`packhorse.bench.gate.probe.probe`.
        timings: Everything measured, suspect blocks included.
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
    rounds: dict[str, int] = field(default_factory=dict)
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
        blocks: How many are wanted; suspect ones come on top.
        seed: Seeds the order.
        done: Called after each block.

    Returns:
        Row → its pairs, for the arm ``head``; without those that are in ``bench.failures`` now.

    Raises:
        WorkerDied: A process died in :data:`DEATHS` blocks, at no row, or at a row and ``bench.drop_failing`` is off.
    """
    order = random.Random(f"{seed}:gate:{measurement}")
    spare, index, good = math.ceil(AGAIN_SHARE * blocks), 0, 0
    deaths: Counter[tuple[str, str | None]] = Counter()
    left = list(names)
    while good < blocks and left:
        try:
            timings = _block(bench, left, measurement, index, order)
        except WorkerDied as death:
            bench.incidents.append(f"measurement {measurement}, block {index}: {death}")
            deaths[death.side, death.row] += 1
            if deaths[death.side, death.row] >= DEATHS:
                left = _without(bench, left, death)
            continue
        again = bool(timings[0].suspect) and spare > 0
        bench.timings += [replace(t, judged=False) for t in timings] if again else timings
        index += 1
        if again:
            spare -= 1
            continue
        good += 1
        done()
    return paired(bench.timings, left, measurement)


def _without(bench: Bench, names: Sequence[str], death: WorkerDied) -> list[str]:
    if death.row is None or not bench.drop_failing:
        raise death
    bench.failures[death.side, death.row] = f"in {DEATHS} blocks: {death.reason}"
    return [name for name in names if name != death.row]


def _block(bench: Bench, names: Sequence[str], measurement: int, index: int, order: random.Random) -> list[Timing]:
    begun = machine_times_s()
    with contextlib.ExitStack() as stack:
        workers = {arm: stack.enter_context(Worker(bench.sides[arm])) for arm in _shuffled(bench.sides, order)}
        for arm, worker in workers.items():  # side by side, since nothing is timed yet
            worker.begin_prepare(bench.folder, bench.captures, bench.of_arm(arm, names))
        for arm in bench.sides:  # the base is heard first: what fails on every side is not to be blamed on the change
            answers = workers[arm].prepared()
            wrong = next(((row, a["error"]) for row, a in answers.items() if "error" in a), None)
            if wrong is not None:
                raise WorkerDied(bench.sides[arm].name, *wrong)
        found = []
        for row in _shuffled(names, order):
            found += _take_turns(workers, row, bench, order)
    busy_s, steal_s = (after - before for after, before in zip(machine_times_s(), begun, strict=True))
    share = steal_s / (busy_s + steal_s) if busy_s + steal_s > 0 else 0.0
    suspect = f"steal {share:.0%}" if share > STEAL_SHARE else ""
    return [
        Timing(measurement, index, arm, row, bench.rounds[row], walls, cpus, suspect) for arm, row, walls, cpus in found
    ]


_Found = tuple[str, str, tuple[float, ...], tuple[float, ...]]


def _take_turns(workers: Mapping[str, Worker], row: str, bench: Bench, order: random.Random) -> list[_Found]:
    rounds, arms = bench.rounds[row], _shuffled(workers, order)
    for arm in arms:
        workers[arm].run(row, 1)  # the caches of this row, cold since the last one
    walls: dict[str, list[float]] = {arm: [] for arm in arms}
    cpus: dict[str, list[float]] = {arm: [] for arm in arms}
    for repeat in range(bench.repeats):
        first = repeat % len(arms)
        for arm in arms[first:] + arms[:first]:  # rotated: who goes first is balanced over the repeats
            took = workers[arm].run(row, rounds)
            walls[arm].append(took["wall_s"])
            cpus[arm].append(took["cpu_s"])
    return [(arm, row, tuple(walls[arm]), tuple(cpus[arm])) for arm in bench.sides]


def _shuffled(names: Iterable[str], order: random.Random) -> list[str]:
    drawn = list(names)
    order.shuffle(drawn)
    return drawn


def paired(
    timings: Sequence[Timing], names: Sequence[str], measurement: int, *, head: str = HEAD
) -> dict[str, RowData]:
    """Log ratios by block: ``head`` over the base's mean, and the base over itself.

    Raises:
        InputError: A row has no block in which all three were measured.
    """
    rows = {}
    for name in names:
        blocks: dict[int, dict[str, float]] = {}
        for t in timings:
            if t.row == name and t.measurement == measurement and t.judged:
                blocks.setdefault(t.block, {})[t.arm] = math.log(t.median_s)
        whole = [block for _, block in sorted(blocks.items()) if block.keys() >= {BASE, BASE_AGAIN, head}]
        if not whole:
            raise InputError(f"{name}: no block has both base and change")
        rows[name] = RowData(
            np.array([b[head] - (b[BASE] + b[BASE_AGAIN]) / 2 for b in whole]),
            np.array([b[BASE_AGAIN] - b[BASE] for b in whole]),
        )
    return rows
