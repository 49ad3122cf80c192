"""Intervals of many rows as one column of a terminal's table, all on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packhorse.bench.report.sparkline import interval_sparkline

#: Per cent beyond which an interval leaves the picture: one row ten times slower would flatten all others.
FARTHEST = 60.0
_ALONE, _MIDDLE = "○", "●"
#: What stands at zero, outside an interval and in one.
_ZERO = {"·": "│", "━": "┿"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A column's cells and what stands above them.

    Attributes:
        scale: The axis' two ends in per cent, as wide as a cell.
        cells: One a row; empty where the row has no effect.
    """

    scale: str
    cells: tuple[str, ...]


def drawn(effects: Sequence[Mapping[str, Any] | None], width: int) -> Drawn | None:
    """Each effect's interval over one axis for all, in per cent; zero is marked, and what lies beyond is an arrow.

    An estimate without an interval is hollow.

    Args:
        effects: Rows with ``log_ratio``, ``low`` and ``high``, natural logarithms or None; None for a row without.
        width: Characters of a cell, at least 11, which the scale's ends need.

    Returns:
        None where no row has an effect.
    """
    shown = [_per_cent(effect) for effect in effects]
    ends = [min(FARTHEST, max(-FARTHEST, end)) for one in shown if one for end in one]
    if not ends:
        return None
    lowest, highest = math.floor(min(0.0, *ends)), math.ceil(max(0.0, *ends))
    if lowest == highest:
        highest = lowest + 1
    right = f"{highest:+d} %"
    scale = f"{lowest:+d} %".ljust(width - len(right)) + right
    return Drawn(scale, tuple(_cell(one, lowest, highest, width) if one else "" for one in shown))


def _per_cent(effect: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    """Low end, estimate and high end; the estimate thrice where the interval is not known."""
    if effect is None or effect["log_ratio"] is None:
        return None
    middle = 100 * math.expm1(effect["log_ratio"])
    if effect["low"] is None or effect["high"] is None:
        return middle, middle, middle
    low, high = (100 * math.expm1(effect[end]) for end in ("low", "high"))
    return min(low, middle), middle, max(high, middle)


def _cell(ends: tuple[float, float, float], lowest: int, highest: int, width: int) -> str:
    line = interval_sparkline(*ends, lowest, highest, width)
    if ends[0] == ends[2] != 0.0:
        line = line.replace(_MIDDLE, _ALONE)
    zero = round(-lowest / (highest - lowest) * (width - 1))
    return line[:zero] + _ZERO.get(line[zero], line[zero]) + line[zero + 1 :]
