"""Simultaneous intervals, the set and the looks: bounds, sides and levels, each held by a test that notices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from packhorse.bench.stats import looks
from packhorse.bench.stats.against_best import (
    ALPHA,
    BETWEEN_SD,
    EQUAL_LOG,
    Against,
    Standing,
    fitted,
    processes_to_decide,
)
from packhorse.bench.stats.against_best import stand as stand_of
from packhorse.bench.stats.critical import Family, critical_value
from packhorse.bench.stats.rounds import Processes, by_process
from packhorse.bench.stats.two_way import fit
from packhorse.errors import InputError

Table = dict[str, dict[int, float]]


def drawn(effects: list[float], processes: int, sd: float, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.05, processes)
    return {
        f"arm {i}": {p: effect + shared[p] + sd * rng.standard_normal() for p in range(processes)}
        for i, effect in enumerate(effects)
    }


def stand(table: Table) -> Standing:
    """By what processes say alone: nothing is known of their rounds."""
    return stand_of(Processes(table, {}, math.nan, 0))


@pytest.mark.parametrize(("arms", "processes"), [(2, 4), (5, 4), (8, 6)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_all_pairs_have_tukeys_critical_value(arms: int, processes: int, alpha: float) -> None:
    model = fit(drawn([0.0] * arms, processes, 0.01, 1))
    known = stats.studentized_range.ppf(1 - alpha, arms, model.df) / math.sqrt(2)
    assert critical_value(model, alpha, Family.ALL_PAIRS) == pytest.approx(known, rel=0.03)


@pytest.mark.parametrize(("sided", "known"), [(1, 2.41), (2, 2.81)])
def test_comparisons_with_one_have_dunnetts(sided: int, known: float) -> None:
    # Dunnett's tables (1955, 1964): 4 comparisons, 12 degrees of freedom, 0.05.
    model = fit(drawn([0.0] * 5, 4, 0.01, 2))
    found = critical_value(model, 0.05, Family.WITH_ONE, one="arm 0", sided=sided)
    assert found == pytest.approx(known, abs=0.03)
    assert found < critical_value(model, 0.05, Family.ALL_PAIRS)


def test_a_smaller_level_needs_more() -> None:
    model = fit(drawn([0.0] * 4, 5, 0.01, 3))
    values = [critical_value(model, alpha, Family.ALL_PAIRS) for alpha in (0.1, 0.05, 0.01, 0.001)]
    assert values == sorted(values)
    assert len(set(values)) == 4
    for wrong in (0.0, 1.0):
        with pytest.raises(InputError, match="alpha"):
            critical_value(model, wrong, Family.ALL_PAIRS)
    with pytest.raises(InputError, match="sided"):
        critical_value(model, 0.05, Family.WITH_ONE, one="arm 0", sided=3)


def test_without_a_degree_of_freedom_nothing_is_known() -> None:
    found = stand({"a": {0: 0.0}, "b": {0: 5.0}})
    assert math.isinf(found.half_width)
    assert found.members == ("a", "b")
    assert found.arms["b"].low == -math.inf


def test_the_best_is_the_cheapest_and_what_lies_wholly_above_it_is_out() -> None:
    found = stand(drawn([0.3, 0.0, 0.005], 6, 0.004, 4))
    assert found.best == "arm 1"
    assert list(found.arms) == ["arm 1", "arm 2", "arm 0"]
    assert found.members == ("arm 1", "arm 2")
    slow = found.arms["arm 0"]
    assert slow.low < 0.3 < slow.high
    assert slow.low == pytest.approx(2 * slow.log_ratio - slow.high)
    assert found.arms["arm 1"] == Against(0.0, 0.0, 0.0)


def test_an_interval_that_touches_no_difference_keeps_its_arm_in_the_set() -> None:
    assert Against(0.1, 0.0, 0.2).in_set
    assert not Against(0.1, 1e-9, 0.2).in_set
    assert Against(0.1, -1e-9, 0.2).in_set


def test_the_half_width_is_that_of_the_sets_widest_interval() -> None:
    found = stand(drawn([0.0, 0.0, 0.001, 3.0], 6, 0.01, 5))
    widths = [a.high - a.log_ratio for name, a in found.arms.items() if name != found.best and a.in_set]
    assert found.half_width == max(widths)
    alone = stand(drawn([0.0, 3.0], 6, 0.01, 6))
    assert 0 < alone.half_width < 0.1  # nobody else is in the set: how well the others are known


def test_costs_that_do_not_vary_differ_when_they_differ() -> None:
    table = {"a": {0: 1.0, 1: 1.0, 2: 1.0}, "b": {0: 1.1, 1: 1.1, 2: 1.1}, "c": {0: 1.0001, 1: 1.0001, 2: 1.0001}}
    found = stand(table)
    assert found.members == ("a", "c")
    assert found.half_width == pytest.approx(EQUAL_LOG)


def chance_of(effects: list[float], event: Callable[[Standing], bool], runs: int = 600, processes: int = 4) -> float:
    hits = sum(event(stand(drawn(effects, processes, 0.01, 1000 + seed))) for seed in range(runs))
    return hits / runs


def test_equal_arms_are_rarely_told_apart_whichever_is_found_best() -> None:
    rate = chance_of([0.0] * 6, lambda found: len(found.members) < 6)
    assert rate <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 600)
    assert rate > ALPHA / 3  # nor are the intervals wider than they need to be


def test_intervals_hold_the_truth_all_at_once() -> None:
    effects = [0.0, 0.01, 0.02, 0.05, 0.3]

    def missed(found: Standing) -> bool:
        base = effects[int(found.best[-1])]
        return any(
            not against.low <= effects[int(name[-1])] - base <= against.high for name, against in found.arms.items()
        )

    assert chance_of(effects, missed) <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 600)


def test_a_clear_difference_is_found() -> None:
    assert chance_of([0.0, 0.0, 0.06], lambda found: "arm 2" not in found.members, runs=200) > 0.95


def test_a_close_row_says_how_many_processes_would_decide_it() -> None:
    close = Against(0.02, -0.04, 0.08)  # half-width 0.06; told apart at 0.02, nine times the processes
    assert processes_to_decide(close, 4, math.log1p(0.01)) == 36
    assert processes_to_decide(close, 4, math.log1p(0.10)) == 4 * math.ceil((0.06 / (math.log1p(0.1) - 0.02)) ** 2) or 3
    assert processes_to_decide(Against(0.0, -0.03, 0.03), 4, math.log1p(0.10)) is None  # as good already
    assert processes_to_decide(Against(0.1, 0.05, 0.15), 4, math.log1p(0.10)) is None  # slower already
    assert processes_to_decide(Against(0.1, -math.inf, math.inf), 4, 0.1) is None
    assert processes_to_decide(Against(0.1, -0.1, 0.3), 4, 0.1) == 16


def test_looks_spend_no_more_than_the_race_has() -> None:
    for planned in (2, 3, 4, 16, 60):
        early = max(0, planned - looks.FIRST_LOOK)
        spent = early * looks.level(planned, last=False) if early else 0.0
        assert spent + looks.level(planned, last=True) == pytest.approx(ALPHA)
    assert looks.level(16, last=True) == pytest.approx(0.04)
    assert looks.level(16, last=False) == pytest.approx(0.01 / 13)
    assert looks.level(3, last=True) == ALPHA


def rounds_of(effects: list[float], seed: int, *, between: float, within: float, rounds: list[int]) -> Processes:
    """A race whose truth is known, with so many rounds in each process."""
    rng = np.random.default_rng(seed)
    costs: dict[str, dict[int, list[float]]] = {f"arm {i}": {} for i in range(len(effects))}
    for process, count in enumerate(rounds):
        shared = rng.normal(0, 0.1, count)
        for i, effect in enumerate(effects):
            own = effect + rng.normal(0, between)
            costs[f"arm {i}"][process] = [math.exp(own + one + rng.normal(0, within)) for one in shared]
    return by_process(costs)


def test_processes_that_agree_with_their_rounds_share_an_error_with_them() -> None:
    found = rounds_of([0.0] * 5, 1, between=0.0, within=0.05, rounds=[6, 6, 6])
    assert found.df == 3 * 5 * 4
    assert found.sample_sd == pytest.approx(0.05, rel=0.25)
    model = fitted(found)
    assert model.df == found.df + 2 * 4
    assert model.residual_sd == pytest.approx(math.sqrt(BETWEEN_SD**2 + 0.05**2 / 6), rel=0.3)


def test_processes_that_differ_by_more_than_their_rounds_say_have_an_error_of_their_own() -> None:
    found = rounds_of([0.0] * 5, 2, between=0.2, within=0.02, rounds=[6, 6, 6])
    model = fitted(found)
    assert model.df == 2 * 4
    assert model.residual_sd == pytest.approx(0.2, rel=0.5)


def test_a_process_of_many_rounds_counts_more_than_one_of_a_single_round() -> None:
    found = Processes({"a": {0: 0.0, 1: 0.0}, "b": {0: 0.0, 1: 1.0}}, {0: 15, 1: 1}, 0.3, 14)
    ratio = fitted(found).difference("b", "a")[0]
    by_weight = [1 / (BETWEEN_SD**2 + 0.3**2 / rounds) for rounds in (15, 1)]
    assert ratio == pytest.approx(by_weight[1] / sum(by_weight))


@pytest.mark.parametrize("rounds", [[3, 3, 3], [1, 2, 5], [6, 6, 6, 6]])
@pytest.mark.parametrize("between", [0.0, 0.015])
def test_equal_arms_are_rarely_told_apart_by_rounds_and_processes(rounds: list[int], between: float) -> None:
    runs = 300
    told = sum(
        len(stand_of(rounds_of([0.0] * 6, seed, between=between, within=0.06, rounds=rounds)).members) < 6
        for seed in range(runs)
    )
    assert told / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
