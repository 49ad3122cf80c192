"""A row's figures in the record: of the data that decided, at the level that was used."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np
import pytest

from packhorse.bench.gate.measure import ALARM_BLOCKS, ARMS, BASE, BASE_AGAIN, HEAD, Bench, paired
from packhorse.bench.gate.probe import Probe
from packhorse.bench.gate.record import Timing, read_gate, validate
from packhorse.bench.gate.rows import row_record
from packhorse.bench.gate.run import exit_code
from packhorse.bench.stats.gate import GateRule, GateState, RowData, two_passes

RULE = GateRule(margins={"row": 0.05})
#: Head over base: far above the margin; about it, so that nothing can be said; far below.
SLOWER, OPEN, FINE = 0.2, math.log1p(0.05), 0.0


def bench_of(changes: dict[int, float]) -> Bench:
    """Twelve blocks of each measurement; the second one on a machine that takes half again as long."""
    rng = np.random.default_rng(5)
    bench = Bench({}, {}, Path(), [], 1, 0.05)
    for measurement, change in changes.items():
        for block in range(12):
            for arm in ARMS if block < ALARM_BLOCKS else (BASE, HEAD):
                log = (change if arm == HEAD else 0.0) + (measurement - 1) * math.log(1.5) + rng.normal(0, 0.01)
                walls = [2 * math.exp(log), 99.0]  # the second round was disturbed
                bench.timings.append(
                    Timing(measurement, block, arm, "row", 2, walls, [0.0, 0.0], [0, 0.5], [True, False])
                )
    return bench


def judged(bench: Bench) -> GateState:
    def measured(names: object, number: int) -> dict[str, RowData]:
        return paired(bench.timings, ["row"], number)

    return two_passes(measured, ["row"], RULE)


def nothing_failed() -> Probe:
    return Probe({BASE: {}, HEAD: {}}, {BASE: {}, HEAD: {}}, {BASE: set(), HEAD: set()})


@pytest.mark.parametrize(
    ("changes", "outcome", "of", "level"),
    [
        ({1: FINE}, "passed", (1,), 0.95),
        ({1: SLOWER, 2: SLOWER}, "regressed", (2,), 0.95),
        ({1: OPEN, 2: OPEN}, "unresolved", (1, 2), 0.975),
    ],
)
def test_all_figures_of_a_row_are_of_the_data_that_decided(
    changes: dict[int, float], outcome: str, of: tuple[int, ...], level: float
) -> None:
    bench = bench_of(changes)
    row = row_record("row", judged(bench), bench, 0.05, nothing_failed())
    assert row.outcome == outcome
    assert row.judged_measurements == list(of)
    assert row.level == level
    assert row.blocks == 12 * len(of)
    used = [t for t in bench.timings if t.measurement in of]
    for arm, found in ((HEAD, row.head_s), (BASE, row.base_s)):
        middle = statistics.median(t.wall_s[0] / t.passes for t in used if t.arm == arm)
        assert found == pytest.approx(middle, rel=0.05)  # less what the arms of a round have in common
    again = [t for t in used if t.arm == BASE_AGAIN]
    assert len(again) == ALARM_BLOCKS * len(of)
    assert row.noise_floor_ratio is not None
    assert 1 < row.noise_floor_ratio < 1.05
    assert row.ratio is not None
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.ratio < row.high


def test_a_record_of_the_first_version_is_read() -> None:
    for name in ("gate-example", "gate-rows"):
        found = read_gate(Path(__file__).parents[3] / "reports" / name)
        assert found["schema_version"] == 2
        assert all(len(t["counted"]) == len(t["wall_s"]) for t in found["timings"])
        assert validate(found, source="again") == found


def test_the_exit_status_counts_rows_that_were_compared_and_those_that_could_not_be() -> None:
    bench = bench_of({1: FINE})
    passed = judged(bench)

    def status(side: str = "", *, missing: bool = False) -> int:
        seen = nothing_failed()
        if side:
            seen.errors[side]["other"] = "why"
        if missing:
            seen.missing[side].add("other")
        return exit_code(passed, seen)

    assert status() == 0
    assert status(HEAD) == 1
    assert status(BASE) == 3
    assert status(BASE, missing=True) == 0
