"""Student's t and Fisher's F without scipy, which would be most of what the race needs to install."""

from __future__ import annotations

import math

from packhorse.bench.stats.arrays import check_fraction
from packhorse.errors import InputError


def t_sf(t: float, df: int) -> float:
    """Chance that Student's t is above ``t``.

    By the incomplete beta function (Abramowitz and Stegun 26.7.1).

    Raises:
        InputError: Less than one degree of freedom.
    """
    if df < 1:
        raise InputError(f"df={df}: Student's t needs at least one degree of freedom")
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = 0.5 * _beta(df / 2, 0.5, df / (df + t * t))
    return half if t >= 0 else 1 - half


def t_quantile(chance: float, df: int) -> float:
    """The value that Student's t is below with this chance, by bisection.

    Raises:
        InputError: A chance outside (0, 1), or less than one degree of freedom.
    """
    check_fraction(chance, name="chance")
    if chance < 0.5:
        return -t_quantile(1 - chance, df)
    low, high = 0.0, 1.0
    while t_sf(high, df) > 1 - chance:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_sf(middle, df) > 1 - chance else (low, middle)
    return (low + high) / 2


def f_sf(f: float, df: int, df_below: int) -> float:
    """Chance that Fisher's F, of two variances that are equal in truth, is above ``f`` (Abramowitz and Stegun 26.6.2).

    Raises:
        InputError: Less than one degree of freedom.
    """
    if min(df, df_below) < 1:
        raise InputError(f"df={df}, {df_below}: Fisher's F needs at least one degree of freedom on either side")
    return 1.0 if f <= 0 else _beta(df_below / 2, df / 2, df_below / (df_below + df * f))


def _beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Numerical Recipes, section 6.4)."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + term / c
            c = c if abs(c) > tiny else tiny
            value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return value
