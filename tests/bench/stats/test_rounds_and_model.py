"""From samples to a fitted model: each step by hand-worked figures, so that a wrong sign, side or share shows."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from packhorse.bench.stats.rounds import by_process, process_means, trimmed_mean
from packhorse.bench.stats.student import f_sf, t_quantile, t_sf
from packhorse.bench.stats.two_way import fit
from packhorse.errors import InputError


def test_the_wildest_fifth_at_either_end_is_cut_off() -> None:
    assert trimmed_mean([1, 2, 3, 4, 100]) == 3  # one of five at each end
    assert trimmed_mean([-100, 2, 3, 4, 5]) == 3
    assert trimmed_mean([1, 2, 3, 10]) == 4  # of four none
    assert trimmed_mean(range(10)) == 4.5
    assert trimmed_mean([1.0, math.nan, 3.0]) == 2
    for values, share in (([], 0.2), ([1.0], 0.5), ([1.0], -0.1)):
        with pytest.raises(InputError):
            trimmed_mean(values, share)


def test_what_all_arms_of_a_round_share_is_taken_off_whole() -> None:
    truth = np.array([0.0, 0.3, 1.0])
    rounds = np.array([0.0, 0.5, -0.2, 0.0, 0.1, 0.0])
    means = process_means(truth + rounds[:, None])
    assert means - means[0] == pytest.approx(truth)


def test_a_disturbed_sample_of_one_arm_moves_nobody_else() -> None:
    matrix = np.tile([0.0, 0.3, 1.0], (6, 1))
    matrix[2, 1] += 2.0
    means = process_means(matrix)
    assert means - means[0] == pytest.approx([0.0, 0.3, 1.0])


@pytest.mark.parametrize("wrong", [np.empty((0, 2)), [[1.0, math.nan]], [1.0], [[math.inf, 1.0]]])
def test_a_process_without_a_whole_round_is_refused(wrong: ArrayLike) -> None:
    with pytest.raises(InputError):
        process_means(wrong)


def test_arms_count_in_the_processes_in_which_they_have_all_rounds() -> None:
    costs = {"a": {0: [1.0, 1.0], 1: [1.0, 1.0]}, "b": {0: [math.e, math.e], 1: [math.e]}}
    table = by_process(costs).table
    assert table["b"].keys() == {0}
    assert table["b"][0] - table["a"][0] == pytest.approx(1.0)


def test_a_wild_sample_counts_as_if_it_were_two_and_a_half_deviations_off() -> None:
    rng = np.random.default_rng(3)
    costs = {f"arm {i}": {p: list(np.exp(0.1 * i + rng.normal(0, 0.02, 3))) for p in range(3)} for i in range(5)}
    calm = by_process(costs)
    costs["arm 2"][1][0] *= 20
    wild = by_process(costs)
    shift = wild.table["arm 2"][1] - calm.table["arm 2"][1]
    assert 0.0 < shift < 3 * 0.02
    assert wild.sample_sd < 1.4 * calm.sample_sd
    others = [arm for arm in calm.table if arm != "arm 2"]
    assert all(abs(wild.table[arm][p] - calm.table[arm][p]) < 0.01 for arm in others for p in range(3))


def test_what_rounds_of_a_process_share_is_no_scatter_of_samples() -> None:
    shared = [0.0, 1.0, -2.0]
    found = by_process({"a": {0: list(np.exp(shared))}, "b": {0: list(np.exp(np.add(shared, 0.5)))}})
    assert found.rounds == {0: 3}
    assert found.df == 2
    assert found.sample_sd == pytest.approx(0.0, abs=1e-9)
    assert found.table["b"][0] - found.table["a"][0] == pytest.approx(0.5)


def test_an_arm_that_left_early_takes_its_rounds_with_it() -> None:
    costs = {"a": {0: [1.0, 1.0], 1: [2.0, 2.0]}, "b": {0: [1.1, 1.1], 1: [2.2, 2.2]}, "c": {0: [3.0, 3.0]}}
    found = by_process(costs)
    assert found.table["c"].keys() == {0}
    assert found.table["c"][0] - found.table["a"][0] == pytest.approx(math.log(3))
    assert found.df == 2 + 1
    assert by_process({}).table == {}
    assert math.isnan(by_process({"a": {0: [1.0]}, "b": {0: [2.0]}}).sample_sd)


@pytest.mark.parametrize("df", [(1, 5), (4, 20), (10, 60)])
@pytest.mark.parametrize("f", [0.0, 0.4, 1.0, 3.7])
def test_fishers_f_is_that_of_scipy(f: float, df: tuple[int, int]) -> None:
    assert f_sf(f, *df) == pytest.approx(stats.f.sf(f, *df), rel=1e-9)
    with pytest.raises(InputError):
        f_sf(1.0, 0, 3)


def balanced(effects: list[float], processes: list[float], noise: float = 0.0) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(7)
    return {
        f"arm {i}": {p: effect + process + noise * rng.standard_normal() for p, process in enumerate(processes)}
        for i, effect in enumerate(effects)
    }


def test_the_model_finds_effects_and_the_error_of_a_difference() -> None:
    model = fit(balanced([0.0, 0.1, -0.2], [0.0, 0.5, -0.3, 0.2]))
    assert model.difference("arm 1", "arm 0") == pytest.approx((0.1, math.sqrt(2 / 4)))
    assert model.difference("arm 2", "arm 1")[0] == pytest.approx(-0.3)
    assert model.df == (3 - 1) * (4 - 1)
    assert model.residual_sd == pytest.approx(0.0, abs=1e-12)


def test_the_residual_error_is_pooled_over_all_arms() -> None:
    table = balanced([0.0] * 8, [0.0] * 40, noise=0.03)
    model = fit(table)
    assert model.residual_sd == pytest.approx(0.03, rel=0.15)
    matrix = np.array([list(by.values()) for by in table.values()]).T
    left = matrix - matrix.mean(axis=0) - matrix.mean(axis=1, keepdims=True) + matrix.mean()
    assert model.residual_sd == pytest.approx(math.sqrt((left**2).sum() / model.df))


def test_an_arm_that_left_early_is_compared_within_the_processes_that_it_has() -> None:
    table = balanced([0.0, 0.1, 0.4], [0.0, 5.0, -3.0])
    table["arm 2"] = {0: table["arm 2"][0]}
    model = fit(table)
    ratio, error = model.difference("arm 2", "arm 0")
    assert ratio == pytest.approx(0.4)
    assert error > model.difference("arm 1", "arm 0")[1]


def test_arms_that_never_met_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="share no process"):
        fit({"a": {0: 1.0}, "b": {1: 1.0}})
    with pytest.raises(InputError, match="nothing to decide"):
        fit({})


def test_one_process_leaves_no_degree_of_freedom() -> None:
    model = fit({"a": {0: 0.0}, "b": {0: 1.0}})
    assert model.df == 0
    assert math.isnan(model.residual_sd)


@pytest.mark.parametrize("df", [1, 2, 5, 30, 400])
@pytest.mark.parametrize("t", [-40.0, -1.5, 0.0, 0.3, 2.0, 12.7])
def test_students_t_is_that_of_scipy(df: int, t: float) -> None:
    assert t_sf(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-9)


@pytest.mark.parametrize("chance", [0.01, 0.3, 0.5, 0.95, 0.975, 0.9999])
def test_quantiles_of_students_t(chance: float) -> None:
    for df in (1, 3, 20):
        assert t_quantile(chance, df) == pytest.approx(stats.t.ppf(chance, df), rel=1e-8, abs=1e-9)
    with pytest.raises(InputError):
        t_quantile(1.0, 3)
    with pytest.raises(InputError):
        t_sf(1.0, 0)


def test_statistics_need_numpy_alone() -> None:
    names = ("against_best", "critical", "gate", "looks", "residuals", "rounds", "signed_rank", "student", "two_way")
    imports = "; ".join(f"import packhorse.bench.stats.{name}" for name in names)
    code = f"import sys; {imports}; print([m for m in ('scipy', 'arch', 'statsmodels', 'pandas') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
