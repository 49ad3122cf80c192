"""The gate's test and its interval: exact, right-sided, and of one piece."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from packhorse.bench.stats.signed_rank import Alternative, centre_interval, holm, least_blocks, signed_rank_p
from packhorse.errors import InputError

SIDES: tuple[Alternative, ...] = ("two-sided", "less", "greater")


@pytest.mark.parametrize("alternative", SIDES)
@pytest.mark.parametrize("count", [1, 4, 9, 20, 45])
def test_without_ties_it_is_scipys(alternative: Alternative, count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1, count)
    known = stats.wilcoxon(values - 0.1, alternative=alternative, method="exact").pvalue
    assert signed_rank_p(values, shift=0.1, alternative=alternative) == pytest.approx(known, rel=1e-9)


def test_sides_are_what_they_say() -> None:
    slower = [0.03, 0.04, 0.05, 0.02, 0.06]
    assert signed_rank_p(slower, alternative="greater") == 1 / 32
    assert signed_rank_p(slower, alternative="less") == 1.0
    assert signed_rank_p(slower) == 2 / 32
    assert signed_rank_p(slower, shift=0.1, alternative="less") == 1 / 32
    assert signed_rank_p([0.0, 0.0]) == 1.0
    assert signed_rank_p([]) == 1.0


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_ties_and_zeros_are_counted_exactly(values: list[int]) -> None:
    ranks = stats.rankdata(np.abs(values))
    used = [(rank, value > 0) for rank, value in zip(ranks, values, strict=True) if value]
    observed = sum(rank for rank, up in used if up)
    sums = [sum(rank for bit, (rank, _) in enumerate(used) if pattern >> bit & 1) for pattern in range(1 << len(used))]
    greater = sum(total >= observed for total in sums) / len(sums)
    assert signed_rank_p(values, alternative="greater") == pytest.approx(greater if used else 1.0)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_interval_holds_what_the_test_does_not_reject(level: float) -> None:
    values = np.random.default_rng(3).normal(0.02, 0.01, 14)
    centre, low, high = centre_interval(values, level)
    assert low < centre < high
    for shift in (low - 1e-6, high + 1e-6):
        assert signed_rank_p(values, shift=shift) <= 1 - level
    for shift in (low + 1e-6, centre, high - 1e-6):
        assert signed_rank_p(values, shift=shift) > 1 - level


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(600):
        _, low, high = centre_interval(rng.standard_t(3, 12), 0.9)
        hits += low <= 0 <= high
    assert 0.87 < hits / 600 < 0.95


def test_too_few_blocks_have_no_ends_and_none_no_centre() -> None:
    centre, *ends = centre_interval([0.1, 0.2], 0.95)
    assert centre == pytest.approx(0.15)
    assert ends == [-math.inf, math.inf]
    with pytest.raises(InputError):
        centre_interval([], 0.95)
    with pytest.raises(InputError):
        centre_interval([0.1], 1.0)


def test_holm_steps_down_in_the_given_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(InputError):
        holm([1.2])


@pytest.mark.parametrize(("rows", "alpha"), [(1, 0.05), (5, 0.05), (9, 0.01)])
def test_as_few_blocks_as_are_allowed_can_decide_and_fewer_cannot(rows: int, alpha: float) -> None:
    needed = least_blocks(rows, alpha)
    for blocks, can in ((needed, True), (needed - 1, False)):
        same = [0.5 + block / 100 for block in range(blocks)]
        assert (max(holm([signed_rank_p(same, alternative="greater")] * rows)) <= alpha) is can
