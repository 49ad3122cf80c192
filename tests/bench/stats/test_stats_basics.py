"""Paired effects, signed-rank test, Holm and intervals: published examples, other implementations, known answers."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from benches.studies.statistics.experiments import interval_coverage
from packhorse.bench.stats.interval import Centre, bca_interval, widened_level
from packhorse.bench.stats.noise import ContaminatedNoise, RecordedNoise
from packhorse.bench.stats.paired import (
    MAD_TO_SD,
    hodges_lehmann,
    log_ratio_matrix,
    log_ratios,
    mad,
    median,
    reference_log,
    trimmed_mean,
    walsh_averages,
)
from packhorse.bench.stats.significance import Alternative, holm, least_blocks, signed_rank_p
from packhorse.errors import InputError

# Hollander & Wolfe, Nonparametric Statistical Methods, table 3.1: depression scale before and after (also R's example).
DEPRESSION = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]) - np.array(
    [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
)
# Darwin's maize, crossed less self-fertilized, in eighths of an inch (Fisher, The Design of Experiments, 1935).
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)

LOG_RATIOS = st.lists(
    st.floats(-0.2, 0.2, allow_nan=False).map(lambda value: round(value, 6)), min_size=8, max_size=20, unique=True
)
STEADY = settings(derandomize=True, max_examples=25, deadline=None)


def test_log_ratios_pair_within_a_block_and_skip_missing_cells() -> None:
    seconds = [[1.0, 2.0], [3.0, 3.0], [1.0, math.nan], [math.nan, 1.0]]
    assert log_ratios(seconds, 1, 0) == pytest.approx([math.log(2), 0.0])
    assert np.isnan(log_ratio_matrix(seconds, 0)[2:, 1]).all()


def test_a_reference_measured_twice_is_the_mean_of_its_logs_or_what_is_left_of_it() -> None:
    seconds = [[1.0, 4.0, 2.0], [math.nan, 4.0, 2.0], [math.nan, math.nan, 2.0]]
    assert reference_log(seconds, [0, 1])[:2] == pytest.approx([math.log(2), math.log(4)])
    assert math.isnan(reference_log(seconds, [0, 1])[2])
    assert log_ratios(seconds, 2, [0, 1]) == pytest.approx([0.0, -math.log(2)])


@pytest.mark.parametrize("seconds", [[[1.0, 0.0]], [[1.0, -1.0]], [1.0, 2.0], [[1.0, math.inf]]])
def test_seconds_that_cannot_be_are_refused(seconds: ArrayLike) -> None:
    with pytest.raises(InputError, match="seconds"):
        log_ratio_matrix(seconds, 0)


def test_robust_summaries_of_known_samples() -> None:
    assert mad([1, 1, 2, 2, 4, 6, 9]) == 1.0
    assert median([1, 1, 2, 2, 4, 6, 9]) == 2.0
    assert walsh_averages(np.array([1.0, 2.0, 4.0])).tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 4.0]
    assert hodges_lehmann([1, 2, 4]) == 2.25
    assert trimmed_mean([0, 1, 2, 3, 1000, -1000, 4, 5], 0.25) == pytest.approx(2.5)
    assert pytest.approx(1 / stats.norm.ppf(0.75)) == MAD_TO_SD
    assert all(math.isnan(value) for value in (median([]), mad([math.nan]), hodges_lehmann([]), trimmed_mean([], 0.2)))


def test_hodges_lehmann_of_the_published_depression_data() -> None:
    assert hodges_lehmann(DEPRESSION) == pytest.approx(0.46)


def test_signed_rank_reproduces_published_p_values() -> None:
    assert signed_rank_p(DEPRESSION, alternative="greater") == pytest.approx(0.01953125)
    assert signed_rank_p(DARWIN) == pytest.approx(0.041259765625)


def test_signed_rank_of_data_that_say_nothing_is_one() -> None:
    assert signed_rank_p([]) == 1.0
    assert signed_rank_p([math.nan, math.nan]) == 1.0
    assert signed_rank_p([0.25] * 9, shift=0.25) == 1.0


def test_signed_rank_with_ties_is_exact_for_few_blocks() -> None:
    # Eight equal differences: only the two patterns without a change of sign are as extreme, 2 / 2⁸.
    assert signed_rank_p([0.01] * 8) == pytest.approx(2 / 256)
    assert signed_rank_p([0.0, 0.0, 0.0, 0.0, 0.1, 0.2]) == pytest.approx(0.5)


@STEADY
@given(st.lists(st.integers(-3, 3), min_size=4, max_size=9), st.sampled_from(["two-sided", "less", "greater"]))
def test_signed_rank_with_ties_agrees_with_enumeration(values: list[int], alternative: Alternative) -> None:
    if not any(values):
        return
    every = stats.PermutationMethod(n_resamples=np.inf)
    expected = stats.wilcoxon(values, zero_method="pratt", alternative=alternative, method=every).pvalue
    assert signed_rank_p(values, alternative=alternative) == pytest.approx(expected)


def test_signed_rank_is_a_fair_test_under_heavy_tails() -> None:
    rng = np.random.default_rng(5)
    p_values = np.array([signed_rank_p(rng.standard_t(2, 10)) for _ in range(600)])
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=0.025)


def test_holm_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.xdist_group("arch")  # whose process has imported statsmodels
@STEADY
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    multitest = importlib.import_module("statsmodels.stats.multitest")
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_holm_leaves_rows_without_data_out() -> None:
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted[1])
    with pytest.raises(InputError):
        holm([1.5])


def test_least_blocks_is_the_first_number_at_which_holm_can_reject() -> None:
    assert least_blocks(1) == 6
    for rows in (1, 5, 40):
        blocks = least_blocks(rows)
        for count, can in ((blocks, True), (blocks - 1, False)):
            best = signed_rank_p(np.arange(1.0, count + 1))
            assert bool(holm([best] + [1.0] * (rows - 1))[0] <= 0.05) is can


@pytest.mark.parametrize("centre", ["median", "trimmed-mean"])
def test_bca_is_scipys(centre: Centre) -> None:
    statistic = np.median if centre == "median" else lambda x, axis: stats.trim_mean(x, 0.25, axis=axis)
    expected = stats.bootstrap(
        (DARWIN,), statistic, axis=-1, n_resamples=999, confidence_level=0.9, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    ours = bca_interval(DARWIN, 0.9, seed=7, centre=centre, resamples=999, widen=False)
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high))


def test_widened_level_follows_hesterberg() -> None:
    # α'/2 = Φ(−√(10/9) · 2.2622) at n = 10.
    assert (1 - widened_level(0.95, 10)) / 2 == pytest.approx(0.00855, abs=5e-5)
    assert widened_level(0.95, 10_000) == pytest.approx(0.95, abs=1e-4)


def test_degenerate_intervals_say_so() -> None:
    assert (bca_interval([0.5] * 6, seed=1).low, bca_interval([0.5] * 6, seed=1).method) == (0.5, "constant")
    few = bca_interval([0.1, 0.2, math.nan], seed=1)
    assert (few.method, few.blocks, few.low, few.high) == ("too-few", 2, -math.inf, math.inf)
    assert few.as_ratios()[0] == 0.0
    assert math.isnan(bca_interval([], seed=1).estimate)
    tied = bca_interval([1.0, 1.0, 1.0, 1.0, 2.0], seed=1)
    assert (tied.method, tied.low, tied.high) == ("percentile", 1.0, 2.0)
    with pytest.raises(InputError, match="level"):
        bca_interval([1.0], 95, seed=1)


@STEADY
@given(LOG_RATIOS, st.floats(-1, 1))
def test_intervals_move_with_the_data_and_mirror(values: list[float], shift: float) -> None:
    plain = bca_interval(values, seed=3, resamples=499)
    moved = bca_interval(np.array(values) + shift, seed=3, resamples=499)
    mirrored = bca_interval(-np.array(values), seed=3, resamples=499)
    assert (moved.low, moved.high) == pytest.approx((plain.low + shift, plain.high + shift), abs=1e-9)
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low), abs=1e-9)


@STEADY
@given(LOG_RATIOS)
def test_signed_rank_mirrors_and_grows_with_the_effect(values: list[float]) -> None:
    data = np.array(values)
    assert signed_rank_p(data, alternative="less") == pytest.approx(signed_rank_p(-data, alternative="greater"))
    p_values = [signed_rank_p(data, shift=shift, alternative="greater") for shift in (-0.3, -0.05, 0.0, 0.05, 0.3)]
    assert p_values == sorted(p_values)


@STEADY
@given(st.permutations(range(4)), st.floats(0.001, 1000))
def test_scale_and_order_of_columns_do_not_matter(order: list[int], scale: float) -> None:
    seconds = np.exp(ContaminatedNoise().log_times(np.random.default_rng(2), 9, np.arange(4) / 20))
    expected = log_ratio_matrix(seconds, 0)
    permuted = log_ratio_matrix(seconds[:, order] * scale, order.index(0))
    assert permuted == pytest.approx(expected[:, order], abs=1e-9)


@pytest.mark.parametrize("blocks", [8, 20])
def test_the_interval_covers_what_it_promises(blocks: int) -> None:
    figures = interval_coverage(ContaminatedNoise(), runs=400, blocks=blocks, centre="median", widen=True, seed=blocks)
    assert float(figures["coverage"]) >= 0.94


def test_a_plain_bootstrap_interval_covers_too_little_at_eight_blocks() -> None:
    figures = interval_coverage(ContaminatedNoise(), runs=1_000, blocks=8, centre="median", widen=False, seed=8)
    assert float(figures["coverage"]) < 0.94


def test_the_noise_model_is_the_one_that_was_measured() -> None:
    ratios = np.diff(ContaminatedNoise().log_times(np.random.default_rng(1), 40_000, [0.0, 0.0]), axis=1)
    assert ratios.std() == pytest.approx(0.019, abs=0.0007)
    assert np.median(np.abs(ratios)) == pytest.approx(0.006, abs=0.0002)


def test_recorded_noise_keeps_a_blocks_arms_together() -> None:
    offsets = np.array([[0.0], [0.1], [math.nan], [-0.1]])
    record = offsets + np.array([[1.0, 2.0, 3.0]])
    drawn = RecordedNoise.from_log_times(record).log_times(np.random.default_rng(4), 50, [0.0, 0.5])
    assert drawn[:, 1] - drawn[:, 0] == pytest.approx(np.full(50, 0.5))
    assert set(np.round(drawn[:, 0], 6)) == {-0.1, 0.0, 0.1}
    with pytest.raises(InputError, match="4 arms"):
        RecordedNoise.from_log_times(record).log_times(np.random.default_rng(4), 2, [0.0] * 4)


def test_importing_the_statistics_brings_no_slow_library() -> None:
    names = ["paired", "interval", "significance", "equivalence", "winner_set", "looks", "verdict", "gate"]
    imports = "; ".join(f"import packhorse.bench.stats.{name}" for name in names)
    imports += "; import benches.studies.statistics.simulate, sys"
    code = f"{imports}; print([m for m in ('scipy', 'arch', 'statsmodels', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
