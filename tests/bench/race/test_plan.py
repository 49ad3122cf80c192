from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.bench.race.one_at_a_time import one_at_a_time
from packhorse.bench.race.options import PhasePlan
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.plan import Deadlines, able_to_decide, another_block, best_of, order
from packhorse.bench.race.spec import Arm, Kind, Sample
from packhorse.bench.race.verdicts import row_verdicts

NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=12, unique=True)


@given(NAMES, st.integers(0, 1000), st.integers(0, 40))
def test_an_order_is_the_same_for_the_same_seed_whatever_the_order_of_the_names(
    names: list[str], seed: int, block: int
) -> None:
    once = order(names, seed=seed, phase="finals", block=block)
    assert once == order(names[::-1], seed=seed, phase="finals", block=block)
    assert sorted(once) == sorted(names)


@given(NAMES, st.integers(0, 1000), st.integers(0, 20))
def test_the_second_block_of_a_pair_runs_in_reverse(names: list[str], seed: int, pair: int) -> None:
    first = order(names, seed=seed, phase="finals", block=2 * pair)
    second = order(names, seed=seed, phase="finals", block=2 * pair + 1)
    assert first == second[::-1]


@given(NAMES, st.integers(0, 20))
def test_who_leaves_does_not_change_the_order_of_the_others(names: list[str], block: int) -> None:
    whole = order(names, seed=3, phase="encode", block=block)
    assert order(names[1:], seed=3, phase="encode", block=block) == [name for name in whole if name != names[0]]


def test_every_arm_comes_first_about_equally_often() -> None:
    names = list("abcde")
    firsts = [order(names, seed=1, phase="finals", block=block)[0] for block in range(1000)]
    assert all(130 < firsts.count(name) < 270 for name in names)


def test_seeds_and_phases_give_different_orders() -> None:
    names = [str(i) for i in range(10)]
    orders = {tuple(order(names, seed=s, phase=p, block=0)) for s in range(5) for p in ("encode", "finals")}
    assert len(orders) == 10


def test_a_phase_measures_its_least_blocks_and_then_as_many_as_fit() -> None:
    plan = PhasePlan(0.1, min_blocks=2, max_blocks=5)

    def more(done: int, now_s: float) -> bool:
        deadlines = Deadlines(planned_s=10, latest_s=20)
        return another_block(plan, done=done, now_s=now_s, deadlines=deadlines, block_s=3)

    assert more(0, 99)
    assert more(1, 17)
    assert not more(1, 17.1)
    assert more(2, 7.0)
    assert not more(2, 7.1)
    assert not more(5, 0)


def test_the_best_come_first_and_ties_go_by_name() -> None:
    assert best_of({"b": [1, 1, 50], "a": [1, 1, 1], "c": [0.5, 0.5, 9], "none": []}, 2) == ["c", "a"]


@pytest.mark.parametrize("rows", [1, 5, 14, 30])
def test_enough_blocks_are_measured_for_a_clear_difference_to_be_found(rows: int) -> None:
    planned = able_to_decide(PhasePlan(0.4, 8, 24), rows=rows, seed=1)
    assert 8 <= planned.min_blocks <= planned.max_blocks == 24
    blocks = range(planned.min_blocks)
    costs = {f"slow{row}": {block: 10.0 + block / 100 for block in blocks} for row in range(rows)}
    twins = {name: {block: 1.0 + (block % 2) / 1000 for block in blocks} for name in ("best", "twin")}
    verdicts = row_verdicts({**costs, **twins}, "best", "twin", seed=1)
    assert {row["outcome"] for row in verdicts.values()} == {"slower"}


def test_no_more_blocks_are_asked_for_than_the_plan_allows() -> None:
    assert able_to_decide(PhasePlan(0.4, 2, 6), rows=1000, seed=1).min_blocks == 6


def test_one_at_a_time_are_those_of_the_finals_that_were_not_raced_so_as_many_as_there_is_time_for() -> None:
    costs = {"cheap @64": 0.001, "cheap @64 (A/A twin)": 0.001, "dear @64": 0.1, "dearer @64": 1.0, "failed @64": 0.001}
    finals = PhaseData("finals", errors={"failed @64": "planted"})
    for name, cpu_s in {**costs, "single @8": 0.001, "single @1": 0.001}.items():
        pipeline, _, level = name.removesuffix(" (A/A twin)").rpartition(" @")
        finals.arms[name] = Arm(name, Kind.UPLOAD, pipeline, int(level))
        finals.samples.append(Sample(name, 0, 1, 2, 0.5, 2 * cpu_s, 0.0, 0.0, 0, 1, 0, 0.0, 0.0))

    def chosen(budget_s: float, round_trip_s: float = 0.0) -> list[tuple[str, int]]:
        arms = one_at_a_time(finals, items=2, round_trip_s=round_trip_s, budget_s=budget_s)
        return [(arm.name, arm.in_flight) for arm in arms]

    assert chosen(10.0) == [("cheap @1", 1), ("dear @1", 1), ("dearer @1", 1)]
    assert chosen(1.0) == [("cheap @1", 1), ("dear @1", 1)]
    assert chosen(1.0, round_trip_s=0.1) == [("cheap @1", 1)]
    assert chosen(0.0) == []
