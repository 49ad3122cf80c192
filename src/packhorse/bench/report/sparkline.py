"""An interval as a line of characters, for terminals."""

from __future__ import annotations

import math

#: What stands outside the interval, in it, at its estimate, and where it runs out of the picture.
_GROUND, _SPAN, _MIDDLE, _LEFT, _RIGHT = "·", "━", "●", "◀", "▶"


def interval_sparkline(
    low: float, mid: float, high: float, lo: float, hi: float, width: int
) -> str:  # the one call every table makes
    """An estimate with its interval on an axis from ``lo`` to ``hi``: ``··━━●━━━····``.

    All five are of one unit. What lies beyond the axis is shown by an arrow at its end.

    Args:
        low: Lower end of the interval.
        mid: The estimate.
        high: Upper end of the interval.
        lo: Left end of the axis.
        hi: Right end of the axis.
        width: Characters, at least 3.

    Raises:
        ValueError: Not finite numbers in order, an empty axis, or too few characters.
    """
    if not all(map(math.isfinite, (low, mid, high, lo, hi))) or not low <= mid <= high or lo >= hi or width < 3:
        raise ValueError(f"not an interval on an axis: {low} <= {mid} <= {high}, {lo} < {hi}, {width} characters")
    first, middle, last = (min(width - 1, max(0, round((x - lo) / (hi - lo) * (width - 1)))) for x in (low, mid, high))
    cells = [_SPAN if first <= at <= last else _GROUND for at in range(width)]
    if low < lo:
        cells[0] = _LEFT
    if high > hi:
        cells[-1] = _RIGHT
    if lo <= mid <= hi:
        cells[middle] = _MIDDLE
    return "".join(cells)
