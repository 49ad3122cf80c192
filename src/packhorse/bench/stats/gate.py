"""The regression gate's decision: base against change, row by row, measured again before anything fails.

A pure state machine: ``first_pass`` judges the first measurement and names the rows to measure again, ``second_pass``
judges those and ends. No clock and no I/O; the same measurements always give the same state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from packhorse.bench.stats.arrays import FloatArray, check_fraction, finite_vector
from packhorse.bench.stats.signed_rank import centre_interval, holm, signed_rank_p
from packhorse.bench.stats.student import t_quantile, t_sf
from packhorse.errors import InputError

EXIT_PASSED = 0
EXIT_REGRESSED = 1
EXIT_UNRESOLVED = 3


class RowOutcome(StrEnum):
    """What the gate says about one row."""

    PASSED = "passed"  # the slowdown is below the margin, with confidence
    REGRESSED = "regressed"  # above the margin, with confidence, and in the second measurement, too
    UNRESOLVED = "unresolved"
    ENVIRONMENT = "inconclusive: environment"


class Stage(StrEnum):
    """Where the gate stands."""

    MEASURE_AGAIN = "measure-again"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class GateRule:
    """How the gate decides; declared in ``pyproject.toml`` before anything is measured.

    Attributes:
        margin_ratio: Slowdown that is tolerated, as a ratio (0.01 = 1 %), for rows without their own.
        margins: Row → its own margin.
        alpha: Level of every decision: Holm over rows for failures, per row for passes. A row that is open is looked at
            twice, so a wrong pass has a chance of at most some 1.5 alpha: alpha at first, half of it where both
            measurements are judged together.
        alpha_environment: Level at which base against itself counts as different, Holm over rows.
        measure_unresolved_again: Also measure again what the first measurement left open.
    """

    margin_ratio: float = 0.01
    margins: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    alpha_environment: float = 0.01
    measure_unresolved_again: bool = True

    def log_margin(self, row: str) -> float:
        """The row's margin in log units."""
        ratio = self.margins.get(row, self.margin_ratio)
        check_fraction(ratio, name="margin")
        return math.log1p(ratio)


@dataclass(frozen=True, slots=True)
class RowData:
    """One row as measured: paired log ratios, one per block, NaN = missing.

    Attributes:
        change_over_base: Log time of the change less that of the base; above 0 is slower.
        base_over_base: The A/A arm: the base less itself, measured twice. Empty where the row has none.
    """

    change_over_base: ArrayLike
    base_over_base: ArrayLike = ()


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row's standing after a measurement.

    Attributes:
        outcome: The decision so far.
        interval: Centre of the log ratios of change over base in the data that decided, with its interval's ends.
        level: That interval's confidence.
        p_slower: Signed-rank test that the slowdown exceeds the margin, after Holm.
        p_within: Signed-rank test that it is below the margin.
        log_ratios: The data that decided.
        measurements: How many measurements the row has had.
        judged_measurements: Which of them outcome, interval and ``log_ratios`` are of: one of them, or both together.
    """

    outcome: RowOutcome
    interval: tuple[float, float, float]
    level: float
    p_slower: float
    p_within: float
    log_ratios: FloatArray
    measurements: int
    judged_measurements: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class GateState:
    """The gate between measurements.

    Attributes:
        stage: Whether a second measurement is asked for.
        rows: Row → its result, in the order measured.
        measure_again: Rows that the second measurement must hold; empty once decided.
        failing: The part of them that failed the first measurement.
    """

    stage: Stage
    rows: Mapping[str, RowResult]
    measure_again: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all rows passed, 1 a row regressed, 3 something is unresolved (also while not yet decided)."""
        outcomes = {result.outcome for result in self.rows.values()}
        if self.stage is Stage.DECIDED and outcomes == {RowOutcome.PASSED}:
            return EXIT_PASSED
        if self.stage is Stage.DECIDED and RowOutcome.REGRESSED in outcomes:
            return EXIT_REGRESSED
        return EXIT_UNRESOLVED


def first_pass(measurement: Mapping[str, RowData], rule: GateRule) -> GateState:
    """Judge the first measurement of all rows.

    Raises:
        InputError: No rows, a row without data in any block, or a rule that makes no sense.
    """
    _check(measurement, rule)
    if _environment_differs(measurement, rule):
        return _inconclusive(_judge(measurement, rule, rule.alpha))
    rows = _judge(measurement, rule, rule.alpha)
    failing = tuple(name for name, row in rows.items() if row.outcome is RowOutcome.REGRESSED)
    unresolved = tuple(
        name for name, row in rows.items() if row.outcome is RowOutcome.UNRESOLVED and rule.measure_unresolved_again
    )
    if not failing and not unresolved:
        return GateState(Stage.DECIDED, rows)
    # A failure is a suspicion until it has been measured again: until then the row counts as unresolved.
    held = {name: replace(row, outcome=RowOutcome.UNRESOLVED) if name in failing else row for name, row in rows.items()}
    again = tuple(name for name in rows if name in failing or name in unresolved)
    return GateState(Stage.MEASURE_AGAIN, held, measure_again=again, failing=failing)


def second_pass(state: GateState, measurement: Mapping[str, RowData], rule: GateRule) -> GateState:
    """Judge the second measurement and end.

    A row that failed is judged by the second measurement alone, since the first one was selected for looking bad. A row
    that was open is judged by both together, at half of α; it fails only if the second measurement alone is also above
    the margin.

    Raises:
        InputError: The state is decided already, or ``measurement`` is not of exactly the rows asked for.
    """
    if state.stage is not Stage.MEASURE_AGAIN:
        raise InputError("gate: already decided, there is nothing to measure again")
    if set(measurement) != set(state.measure_again):
        raise InputError(
            f"gate: expected a second measurement of {sorted(state.measure_again)}, got {sorted(measurement)}"
        )
    _check(measurement, rule)
    failing = {name: measurement[name] for name in state.failing}
    pooled = {
        name: RowData(np.concatenate([state.rows[name].log_ratios, _change(measurement[name], name)]))
        for name in state.measure_again
        if name not in failing
    }
    judged = _judge(failing, rule, rule.alpha) | _judge(pooled, rule, rule.alpha / 2)
    for name in pooled:
        if judged[name].outcome is RowOutcome.REGRESSED and not _above(measurement[name], name, rule):
            judged[name] = replace(judged[name], outcome=RowOutcome.UNRESOLVED)
    again = {
        name: replace(row, measurements=2, judged_measurements=(2,) if name in failing else (1, 2))
        for name, row in judged.items()
    }
    rows = {name: again.get(name, row) for name, row in state.rows.items()}
    if _environment_differs(measurement, rule):
        return _inconclusive(rows)
    return GateState(Stage.DECIDED, rows)


def two_passes(
    measure: Callable[[Sequence[str], int], Mapping[str, RowData]], names: Sequence[str], rule: GateRule
) -> GateState:
    """A whole gate: the first measurement of all rows, and a second one of what it did not settle.

    Args:
        measure: Rows and number of the measurement (1 or 2) → what was measured of them. Rows that it leaves out could
            not be measured: left out of the first they are not in the result, of the second they stay unresolved.
        names: The rows.
        rule: How it is decided.

    Raises:
        InputError: As :func:`first_pass` does; and whatever ``measure`` raises.
    """
    first = measure(names, 1)
    if not first:
        return GateState(Stage.DECIDED, {})
    state = first_pass(first, rule)
    if state.stage is not Stage.MEASURE_AGAIN:
        return state
    second = measure(state.measure_again, 2)
    if not second:
        return GateState(Stage.DECIDED, state.rows)
    again = tuple(name for name in state.measure_again if name in second)
    failing = tuple(name for name in state.failing if name in second)
    return second_pass(replace(state, measure_again=again, failing=failing), second, rule)


def _judge(measurement: Mapping[str, RowData], rule: GateRule, alpha: float) -> dict[str, RowResult]:
    if not measurement:
        return {}
    data = {name: _change(row, name) for name, row in measurement.items()}
    slower = holm(
        [signed_rank_p(values, shift=rule.log_margin(name), alternative="greater") for name, values in data.items()]
    )
    results = {}
    for (name, values), p_slower in zip(data.items(), slower, strict=True):
        margin = rule.log_margin(name)
        p_within = signed_rank_p(values, shift=margin, alternative="less")
        outcome = RowOutcome.UNRESOLVED
        if p_slower <= alpha:
            outcome = RowOutcome.REGRESSED
        elif p_within <= alpha:
            outcome = RowOutcome.PASSED
        level = 1 - alpha
        results[name] = RowResult(
            outcome, centre_interval(values, level), level, p_slower, p_within, values, measurements=1
        )
    return results


def t_p(values: FloatArray, bound: float, *, above: bool) -> float:
    """Student's t test of blocks' log ratios: the chance of such data were their mean not above (or below) ``bound``.

    For the base over itself, whose few blocks ranks cannot judge. Fewer than two show nothing.
    """
    if values.size < 2:
        return 1.0
    distance = float(values.mean()) - bound
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    signed = distance if above else -distance
    if error == 0:
        return 0.0 if signed > 0 else 1.0
    return t_sf(signed / error, values.size - 1)


def mean_interval(values: FloatArray, level: float) -> tuple[float, float, float]:
    """Mean of log ratios with the ends of its interval by Student's t; infinite ends with fewer than two."""
    middle = float(values.mean())
    if values.size < 2:
        return middle, -math.inf, math.inf
    half = t_quantile((1 + level) / 2, values.size - 1) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return middle, middle - half, middle + half


def _environment_differs(measurement: Mapping[str, RowData], rule: GateRule) -> bool:
    """True when base against itself differs in some row, by more than is certainly inside that row's margin."""
    arms = {name: finite_vector(row.base_over_base, name=f"{name}, A/A") for name, row in measurement.items()}
    arms = {name: values for name, values in arms.items() if values.size > 1}
    if not arms:
        return False
    two_sided = [min(1.0, 2 * min(t_p(v, 0.0, above=True), t_p(v, 0.0, above=False))) for v in arms.values()]
    return any(
        p_value <= rule.alpha_environment and not _inside(values, rule.log_margin(name), rule.alpha)
        for (name, values), p_value in zip(arms.items(), holm(two_sided), strict=True)
    )


def _inside(values: FloatArray, margin: float, alpha: float) -> bool:
    """Whether two one-sided tests put the mean inside ± the margin."""
    return max(t_p(values, margin, above=False), t_p(values, -margin, above=True)) <= alpha


def _inconclusive(rows: Mapping[str, RowResult]) -> GateState:
    return GateState(Stage.DECIDED, {name: replace(row, outcome=RowOutcome.ENVIRONMENT) for name, row in rows.items()})


def _above(row: RowData, name: str, rule: GateRule) -> bool:
    return centre_interval(_change(row, name), 0.5)[0] > rule.log_margin(name)


def _change(row: RowData, name: str) -> FloatArray:
    return finite_vector(row.change_over_base, name=name)


def _check(measurement: Mapping[str, RowData], rule: GateRule) -> None:
    check_fraction(rule.alpha, name="alpha")
    check_fraction(rule.alpha_environment, name="alpha_environment")
    if not measurement:
        raise InputError("gate: no rows were measured")
    for name, row in measurement.items():
        rule.log_margin(name)
        if _change(row, name).size == 0:
            raise InputError(f"{name}: no block has both base and change")
