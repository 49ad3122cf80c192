"""Medians with intervals that assume no distribution."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median

#: Coverage that an interval has at least.
CONFIDENCE = 0.95


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Order statistics that hold the median of where ``values`` come from in at least 95 of 100 cases.

    The sign test turned around: each value lies below the median with probability one half, so the interval from the
    k-th smallest to the k-th largest misses it with probability 2·P(Binomial(n, ½) < k) (Hahn and Meeker, "Statistical
    Intervals", section 5.2).

    Returns:
        Its ends; None with fewer than six values, which have no such interval.
    """
    ordered, count = sorted(values), len(values)
    best, below = 0, 0.0
    for k in range(1, count // 2 + 1):
        below += comb(count, k - 1) / 2**count
        if 1 - 2 * below >= CONFIDENCE:
            best = k
    return (ordered[best - 1], ordered[count - best]) if best else None


def middle(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None
