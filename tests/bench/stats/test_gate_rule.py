"""The gate's decision: sides, margins, levels, and the second measurement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from packhorse.bench.stats.gate import (
    GateRule,
    RowData,
    RowOutcome,
    Stage,
    first_pass,
    mean_interval,
    second_pass,
    t_p,
    two_passes,
)
from packhorse.errors import InputError

RULE = GateRule(margin_ratio=0.02)


def blocks(centre: float, *, sd: float = 0.004, count: int = 12, seed: int = 1) -> RowData:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, sd, count)
    return RowData(values - values.mean() + centre, rng.normal(0, sd, 4))


def test_a_row_regresses_only_above_its_margin_and_only_twice() -> None:
    state = first_pass({"slow": blocks(0.05), "fine": blocks(0.0), "fast": blocks(-0.3)}, RULE)
    assert state.stage is Stage.MEASURE_AGAIN
    assert state.measure_again == state.failing == ("slow",)
    assert state.rows["slow"].outcome is RowOutcome.UNRESOLVED  # a suspicion until it has been measured again
    assert {name: row.outcome for name, row in state.rows.items() if name != "slow"} == {
        "fine": RowOutcome.PASSED,
        "fast": RowOutcome.PASSED,
    }
    again = second_pass(state, {"slow": blocks(0.05, seed=2)}, RULE)
    assert again.rows["slow"].outcome is RowOutcome.REGRESSED
    assert again.rows["slow"].judged_measurements == (2,)
    assert again.exit_code == 1
    cleared = second_pass(state, {"slow": blocks(0.0, seed=2)}, RULE)
    assert cleared.rows["slow"].outcome is RowOutcome.PASSED
    assert cleared.exit_code == 0


def test_the_margin_is_the_rows_own() -> None:
    rule = GateRule(margin_ratio=0.02, margins={"wide": 0.10})
    rows = first_pass({"wide": blocks(0.05), "narrow": blocks(0.05)}, rule)
    assert rows.rows["wide"].outcome is RowOutcome.PASSED
    assert rows.failing == ("narrow",)
    assert rule.log_margin("wide") == math.log1p(0.10)
    with pytest.raises(InputError):
        GateRule(margin_ratio=0.0).log_margin("x")


def test_what_lies_at_the_margin_is_open_and_judged_together_with_the_second() -> None:
    at = math.log1p(0.02)
    state = first_pass({"row": blocks(at, sd=0.01)}, RULE)
    assert state.measure_again == ("row",)
    assert state.failing == ()
    again = second_pass(state, {"row": blocks(at, sd=0.01, seed=3)}, RULE)
    assert again.rows["row"].outcome is RowOutcome.UNRESOLVED
    assert again.rows["row"].judged_measurements == (1, 2)
    assert again.rows["row"].level == 1 - RULE.alpha / 2
    assert again.exit_code == 3


def test_an_open_row_fails_only_if_the_second_alone_is_above_the_margin() -> None:
    state = first_pass({"row": blocks(math.log1p(0.02) + 0.004, sd=0.01, count=8)}, RULE)
    assert state.failing == ()
    later = RowData(np.full(30, math.log1p(0.02) - 1e-6))
    assert second_pass(state, {"row": later}, RULE).rows["row"].outcome is not RowOutcome.REGRESSED
    higher = RowData(np.linspace(0.04, 0.05, 30))
    assert second_pass(state, {"row": higher}, RULE).rows["row"].outcome is RowOutcome.REGRESSED


def test_a_base_that_differs_from_itself_judges_nothing() -> None:
    apart = RowData(blocks(0.05).change_over_base, [0.10, 0.11, 0.105, 0.102])
    state = first_pass({"row": apart, "fine": blocks(0.0)}, RULE)
    assert {row.outcome for row in state.rows.values()} == {RowOutcome.ENVIRONMENT}
    assert state.exit_code == 3
    inside = RowData(blocks(0.0).change_over_base, [0.001, 0.0011, 0.00105, 0.00102])
    assert first_pass({"row": inside}, RULE).rows["row"].outcome is RowOutcome.PASSED  # it differs by less than counts


def test_equal_sides_fail_no_gate() -> None:
    rng = np.random.default_rng(11)
    failed = 0
    for _ in range(300):

        def measured(names: object, _: int) -> dict[str, RowData]:
            return {n: RowData(0.02 * rng.standard_t(3, 12), 0.02 * rng.standard_t(3, 4)) for n in names}  # type: ignore[attr-defined]

        failed += two_passes(measured, ["a", "b", "c"], GateRule(margin_ratio=0.01)).exit_code == 1
    assert failed <= 3


def test_rows_that_could_not_be_measured_again_stay_open() -> None:
    state = two_passes(lambda names, number: {} if number == 2 else {"row": blocks(0.05)}, ["row"], RULE)
    assert state.stage is Stage.DECIDED
    assert state.rows["row"].outcome is RowOutcome.UNRESOLVED
    assert two_passes(lambda *_: {}, ["row"], RULE).rows == {}


def test_second_measurements_are_of_what_was_asked_for() -> None:
    state = first_pass({"row": blocks(0.05)}, RULE)
    with pytest.raises(InputError, match="expected a second measurement"):
        second_pass(state, {"other": blocks(0.05)}, RULE)
    done = second_pass(state, {"row": blocks(0.05)}, RULE)
    with pytest.raises(InputError, match="already decided"):
        second_pass(done, {"row": blocks(0.05)}, RULE)
    with pytest.raises(InputError, match="no rows"):
        first_pass({}, RULE)
    with pytest.raises(InputError, match="no block has both"):
        first_pass({"row": RowData([math.nan])}, RULE)


def test_students_t_has_its_sides_and_its_interval() -> None:
    values = np.array([0.01, 0.02, 0.03, 0.04])
    assert t_p(values, 0.0, above=True) == pytest.approx(0.0152, abs=1e-4)
    assert t_p(values, 0.0, above=False) == pytest.approx(1 - 0.0152, abs=1e-4)
    middle, low, high = mean_interval(values, 0.95)
    assert (middle, low, high) == pytest.approx((0.025, 0.025 - 0.02054, 0.025 + 0.02054), abs=1e-4)
    assert t_p(values[:1], 0.0, above=True) == 1.0
    assert mean_interval(values[:1], 0.95)[1:] == (-math.inf, math.inf)
    assert t_p(np.array([0.1, 0.1]), 0.0, above=True) == 0.0
