"""Every arm against the best one, pure: simultaneous intervals, and the set that they leave.

The set is what multiple comparisons with the best (Hsu, "Multiple Comparisons", 1996) calls the arms that may be best:
those whose interval against the best found includes "no slower". Intervals hold for all pairs at once (Tukey and
Kramer), since the best is found from the same data, and since "slower by 2 to 5 %" says more than that an arm is not
the best: with Dunnett's shorter intervals one race of four with eight equal arms would call one of them slower
(docs/methodology.md). Set and verdict come from the same interval: what is in the set is never called slower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from packhorse.bench.stats.critical import Family, critical_value
from packhorse.bench.stats.rounds import Processes
from packhorse.bench.stats.student import f_sf
from packhorse.bench.stats.two_way import Fit, fit

#: Chance that any interval of a race misses.
ALPHA = 0.05
#: Costs that do not vary (bytes) are equal within this, in log units.
EQUAL_LOG = 0.0005
#: What an arm's figure may differ by from process to process beside what its rounds explain, in log units: means of one
#: arm were measured to differ by 0.8 to 1.5 %.
BETWEEN_SD = 0.02
#: Processes that differ by more than rounds and :data:`BETWEEN_SD` explain, at this level, have an error of their own.
POOLING = 0.05


@dataclass(frozen=True, slots=True)
class Against:
    """An arm's log cost over the best one's: above 0 is slower.

    Attributes:
        log_ratio: The estimate; 0 for the best itself.
        low, high: Simultaneous interval; infinite where the data cannot give one.
    """

    log_ratio: float
    low: float
    high: float

    @property
    def in_set(self) -> bool:
        """Whether the arm may be the best: its interval does not lie wholly above it."""
        return self.low <= 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What the data say so far.

    Attributes:
        best: The arm with the lowest estimate.
        arms: Every arm against it, the cheapest first.
        half_width: Of the widest interval among the arms of the set, in log units; infinite before there is one.
        residual_sd: Of one arm in a typical process, in log units.
        df: Its degrees of freedom.
    """

    best: str
    arms: Mapping[str, Against]
    half_width: float
    residual_sd: float
    df: int

    @property
    def members(self) -> tuple[str, ...]:
        """The set, the cheapest first."""
        return tuple(name for name, against in self.arms.items() if against.in_set)


def stand(found: Processes, alpha: float = ALPHA) -> Standing:
    """Compare all arms with the best.

    Args:
        found: Every process's figure of every arm.
        alpha: Chance that any of the intervals misses.

    Raises:
        InputError: Nothing to compare.
    """
    model = fitted(found)
    ordered = sorted(model.arms, key=lambda name: model.difference(name, model.arms[0])[0])
    best = ordered[0]
    factor = critical_value(model, alpha, Family.ALL_PAIRS)
    sd = model.residual_sd
    constant = model.df > 0 and sd < EQUAL_LOG  # bytes do not vary: what differs by more than a hair differs
    arms = {}
    for name in ordered:
        log_ratio, error = model.difference(name, best)
        half = EQUAL_LOG if constant else math.inf if math.isnan(sd) else factor * error * sd
        arms[name] = Against(log_ratio, log_ratio - half, log_ratio + half) if name != best else Against(0.0, 0.0, 0.0)
    widths = [a.high - a.log_ratio for name, a in arms.items() if name != best and a.in_set]
    others = [a.high - a.log_ratio for name, a in arms.items() if name != best]
    width = max(widths) if widths else min(others, default=0.0 if model.df > 0 or len(arms) == 1 else math.inf)
    return Standing(best, arms, width, sd, model.df)


def fitted(found: Processes) -> Fit:
    """The model, with an error that rounds and processes agree on.

    A figure of many rounds counts more than one of few. Three processes alone hardly know their error: as long as it is
    no larger than what single samples explain, both are pooled; otherwise the processes' own stands.
    """
    if not found.df or found.sample_sd < EQUAL_LOG:
        return fit(found.table)
    variances = {p: BETWEEN_SD**2 + found.sample_sd**2 / rounds for p, rounds in found.rounds.items()}
    typical = len(variances) / sum(1 / variance for variance in variances.values())
    model = fit(found.table, {p: typical / variance for p, variance in variances.items()})
    own = model.residual_sd**2
    if model.df and f_sf(own / typical, model.df, found.df) < POOLING:
        return model
    df = model.df + found.df
    pooled = ((own * model.df if model.df else 0.0) + typical * found.df) / df
    return replace(model, residual_sd=math.sqrt(pooled), df=df)


def processes_to_decide(against: Against, processes: int, tie_log: float) -> int | None:
    """Processes, in all, after which an arm of the set would be told apart, or be shown to be as good.

    The interval shrinks with the root of the processes. It has decided when it lies above 0, or below ``tie_log``.

    Args:
        against: The arm.
        processes: How many its interval stands on.
        tie_log: The difference, in log units, below which arms count as equally good.

    Returns:
        None where it is decided already, or where nothing is known of its width.
    """
    half = against.high - against.log_ratio
    if not math.isfinite(half) or not against.in_set or against.high <= tie_log:
        return None
    wanted = max(abs(against.log_ratio), tie_log - against.log_ratio)
    return max(processes + 1, math.ceil(processes * (half / wanted) ** 2))
