"""The one sampler: orders, disturbed rounds, and what counts in the end."""

from __future__ import annotations

from itertools import islice

import pytest

from packhorse.bench.sampler import FOREIGN_SHARE, busy, count_rounds, most_rounds, orders, take_rounds

ARMS = ["a", "b", "c", "d"]


class Busy:
    """A watch that says what it was told, round by round."""

    def __init__(self, shares: list[float]) -> None:
        self.shares = shares
        self.started = 0

    def start(self) -> None:
        self.started += 1

    def share(self) -> float:
        return self.shares[self.started - 1]


def test_every_second_round_goes_back_and_every_second_process_begins_with_it() -> None:
    forth, back, third, fourth = islice(orders(ARMS, seed=1, process=0), 4)
    assert back == forth[::-1]
    assert fourth == third[::-1]
    assert sorted(forth) == sorted(third) == ARMS
    other = list(islice(orders(ARMS, seed=1, process=1), 2))
    assert other == [forth[::-1], forth]
    drawn = {tuple(next(orders(ARMS, seed=seed, process=0))) for seed in range(40)}
    assert len(drawn) > 10


def test_an_arm_that_leaves_does_not_change_the_order_of_the_others() -> None:
    whole = list(islice(orders(ARMS, seed=3, process=2), 6))
    left = list(islice(orders(["a", "c", "d"], seed=3, process=2), 6))
    assert [[arm for arm in turns if arm != "b"] for turns in whole] == left


def taken(shares: list[float], rounds: int, stop: int = 99) -> list[tuple[int, float]]:
    seen: list[str] = []

    def take(arm: str, index: int) -> str:
        seen.append(f"{arm}{index}")
        return seen[-1]

    watch = Busy(shares)
    done = take_rounds(
        ARMS, take, watch, rounds=rounds, order=orders(ARMS, seed=1, process=0), another=lambda n: n < stop
    )
    found = []
    for one in done:
        assert one.samples == [f"{arm}{one.index}" for arm in one.order]
        found.append((one.index, one.foreign_share))
    return found


def test_a_disturbed_round_is_taken_again_up_to_half_as_many() -> None:
    assert len(taken([0.0] * 9, 6)) == 6
    assert len(taken([0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0], 6)) == 7
    assert len(taken([0.3, 0.0] * 6, 6)) == 9
    assert len(taken([FOREIGN_SHARE] * 9, 6)) == 6  # the bound itself is calm


def test_on_a_machine_that_is_always_busy_nothing_is_taken_again() -> None:
    assert len(taken([0.5] * 9, 6)) == 6
    assert most_rounds(6, 6, 2) == 6
    assert most_rounds(6, 6, 3) == 9
    assert most_rounds(6, 5, 0) == 9


def test_rounds_end_when_the_time_is_over() -> None:
    assert len(taken([0.0] * 9, 6, stop=2)) == 2


def test_disturbed_rounds_count_only_where_calm_ones_are_too_few() -> None:
    assert count_rounds([0.0, 0.5, 0.05, 0.0], 4) == [True, False, True, True]
    assert count_rounds([0.0, 0.5, 0.5, 0.0], 4) == [True, False, False, True]
    assert count_rounds([0.4, 0.5, 0.3, 0.2, 0.6], 3) == [True, False, True, True, False]
    assert count_rounds([], 4) == []


@pytest.mark.parametrize(("disturbed", "said"), [(0, False), (3, False), (4, True)])
def test_a_run_with_more_than_a_third_of_its_rounds_disturbed_is_a_busy_machines(disturbed: int, said: bool) -> None:
    assert busy([0.2] * disturbed + [0.0] * (9 - disturbed)) is said
    assert not busy([])
