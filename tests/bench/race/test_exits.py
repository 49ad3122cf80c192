"""Early exits: who leaves, at which looks, and how much error that spends."""

from __future__ import annotations

import math
import random

import pytest

from packhorse.bench.race.exits import HOPELESS, Exit, leavers, schedule

LOOKS = schedule(24, alpha=0.05, margins=True, least_deficit=math.log(1.02))
STRICT = schedule(24, alpha=0.01, margins=False, least_deficit=math.log(1.02))


def costs(*middles: float, blocks: int, noise: float = 0.02, seed: int = 1) -> dict[str, dict[int, float]]:
    shake = random.Random(seed)
    shared = [shake.lognormvariate(0, 0.1) for _ in range(blocks)]
    return {
        f"{number}": {block: middle * shared[block] * shake.lognormvariate(0, noise) for block in range(blocks)}
        for number, middle in enumerate(middles)
    }


def test_looks_are_declared_before_the_phase_and_spend_no_more_than_their_error() -> None:
    assert LOOKS.blocks == (4, 6, 8, 12, 16)
    assert 0 < sum(LOOKS.alpha_steps) < LOOKS.alpha
    assert schedule(6, alpha=0.05, margins=True, least_deficit=0.0).blocks == (4,)
    assert schedule(2, alpha=0.05, margins=True, least_deficit=0.0).margins == HOPELESS[:1]
    assert STRICT.margins == ()


def test_before_any_test_only_the_hopeless_leave_and_only_when_every_block_says_so() -> None:
    after, margin = HOPELESS[1]
    found = {
        "best": dict.fromkeys(range(after), 1.0),
        "close": dict.fromkeys(range(after), margin * 0.9),
        "beaten": dict.fromkeys(range(after), margin * 1.1),
        "once close": {0: margin * 0.9, 1: margin * 9},
    }
    (exit_,) = leavers(found, LOOKS, keep=1)
    assert (exit_.arm, exit_.rule, exit_.over, exit_.block) == ("beaten", "margin", "best", after)
    assert "2.2x the best's cost after 2 block(s)" in exit_.reason
    assert leavers(found, STRICT, keep=1) == []


@pytest.mark.parametrize("blocks", [3, 5, 7, 9])
def test_between_looks_nobody_leaves(blocks: int) -> None:
    assert leavers(costs(1, 9, 9, blocks=blocks), LOOKS, keep=1) == []


def test_at_a_look_the_clearly_slower_leave_with_the_p_value_that_did_it() -> None:
    found = leavers(costs(1.0, 1.01, 1.5, 2.0, blocks=8), STRICT, keep=1)
    assert [one.arm for one in found] == ["3", "2"]
    for one in found:
        assert one.rule == "test"
        assert one.p_value is not None
        assert one.p_value <= one.limit == STRICT.alpha_steps[2]
        assert Exit.from_dict(one.as_dict()) == one


def test_within_the_margin_or_the_noise_floor_of_the_best_all_stay() -> None:
    steady = costs(1.0, 1.015, 1.08, blocks=8, noise=1e-6)
    assert [one.arm for one in leavers(steady, STRICT, keep=1)] == ["2"]
    assert leavers(steady, STRICT, keep=1, noise_floor=0.1) == []


def test_the_protected_and_the_fewest_stay() -> None:
    many = costs(1, 3, 6, 9, blocks=8)
    assert [one.arm for one in leavers(many, LOOKS, keep=3)] == ["3"]
    assert [one.arm for one in leavers(many, LOOKS, keep=1, protected=frozenset({"3"}))] == ["2", "1"]


def test_costs_that_do_not_vary_and_free_work_are_compared_as_they_are() -> None:
    sizes = {name: dict.fromkeys(range(4), value) for name, value in (("a", 100.0), ("b", 103.0), ("c", 101.0))}
    assert [one.arm for one in leavers(sizes, LOOKS, keep=1)] == ["b"]
    free = {"free": {0: 0.0}, "b": {0: 1.0}}
    assert [one.arm for one in leavers(free, LOOKS, keep=1)] == ["b"]


def test_equal_arms_hardly_ever_leave() -> None:
    lost = 0
    for seed in range(60):
        equal = costs(*[1.0] * 5, blocks=16, seed=seed)
        for after in LOOKS.blocks:
            seen = {name: {block: by[block] for block in range(after)} for name, by in equal.items()}
            lost += bool(leavers(seen, schedule(24, alpha=0.05, margins=True, least_deficit=0.0), keep=1))
    assert lost <= 60 * 0.05
