"""Verdicts on rows: over the arm that was raced twice, whatever came first."""

from __future__ import annotations

import math
import random

from packhorse.bench.race.exits import Exit
from packhorse.bench.race.verdicts import row_verdicts

YARD, TWIN = "yard @8", "yard @8 (A/A twin)"


def blocks(middle: float, *, count: int = 20, noise: float = 0.005, seed: int = 0) -> dict[int, float]:
    shared, own = random.Random(99), random.Random(seed)
    return {i: middle * shared.lognormvariate(0, 0.1) * own.lognormvariate(0, noise) for i in range(count)}


def table(**arms: dict[int, float]) -> dict[str, dict[int, float]]:
    return {YARD: blocks(1.0, seed=1), TWIN: blocks(1.0, seed=2), **arms}


def test_all_four_verdicts_are_over_the_yardstick() -> None:
    found = row_verdicts(
        table(
            quick=blocks(0.9, seed=3),
            slow=blocks(1.2, seed=4),
            same=blocks(1.0, seed=5),
            shaky=blocks(1.02, noise=0.08, seed=6),
        ),
        YARD,
        TWIN,
        seed=1,
    )
    assert {name: one["outcome"] for name, one in found.items()} == {
        "quick": "faster",
        "slow": "slower",
        "same": "equivalent",
        "shaky": "unresolved",
    }
    assert all(one["over"] == YARD and one["blocks"] == 20 for one in found.values())
    assert found["quick"]["low"] < math.log(0.9) < found["quick"]["high"] < 0
    assert found["shaky"]["detectable"] > 0.02
    assert found["shaky"]["more_blocks"] is None or found["shaky"]["more_blocks"] > 0
    assert found["slow"]["detectable"] is None


def test_too_few_blocks_settle_nothing_and_say_how_many_would() -> None:
    few = {name: dict(list(by.items())[:6]) for name, by in table(slow=blocks(3.0, seed=3)).items()}
    few |= {str(n): dict(list(blocks(3.0, seed=n).items())[:6]) for n in range(10, 15)}
    found = row_verdicts(few, YARD, TWIN, seed=1)["slow"]
    assert found["outcome"] == "unresolved"  # no p-value of six blocks survives Holm over six rows
    assert found["detectable"] is None
    assert found["more_blocks"] >= 2


def test_a_run_that_tells_the_yardstick_from_itself_gives_no_verdicts() -> None:
    shaken = table(slow=blocks(2.0, seed=3)) | {TWIN: blocks(1.1, seed=2)}
    assert row_verdicts(shaken, YARD, TWIN, seed=1)["slow"]["outcome"] == "inconclusive: environment"


def test_who_left_at_a_look_is_slower_than_the_arm_that_beat_it() -> None:
    left = {block: cost for block, cost in blocks(1.4, seed=3).items() if block < 6}
    exits = [Exit("gone", 6, "test", "best", 1.55, 0.002, 0.0001)]
    found = row_verdicts(table(gone=left, best=blocks(0.9, seed=4)), YARD, TWIN, exits=exits, seed=1)
    assert found["gone"]["outcome"] == "slower"
    assert found["gone"]["over"] == "best"
    assert found["gone"]["p_adjusted"] == 0.0001
    assert math.isclose(found["gone"]["log_ratio"], math.log(1.4 / 0.9), abs_tol=0.02)
    assert found["best"]["outcome"] == "faster"


def test_nothing_is_said_without_a_yardstick() -> None:
    assert row_verdicts({"a": blocks(1.0)}, YARD, TWIN, seed=1) == {}
