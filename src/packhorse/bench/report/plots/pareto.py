"""Speed against size, and the front of what nothing else beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from packhorse.bench.report.plots.theme import FADED, INK, SOFT, Row, Spec, decades, plot, steps, tone

_HEIGHT = 380
#: Between the lines of two names, in pixels.
_LINE_PX = 16
#: How far the axes reach beyond what stands farthest out, and where names end, as shares of the smallest size.
_ROOM, _NAMES_AT = 1.12, 0.88
#: A letter of a dot's name, as a share of a narrow plot's width.
_LETTER = 0.016


def front(rows: Sequence[Row]) -> set[str]:
    """Keys of the rows that no other row beats: none is at least as small and as fast, and better in one."""
    return {
        row["key"]
        for row in rows
        if not any(
            other["size"] <= row["size"]
            and other["speed"] >= row["speed"]
            and (other["size"], other["speed"]) != (row["size"], row["speed"])
            for other in rows
        )
    }


def pareto(rows: Sequence[Row], *, size: str, speed: str, description: str) -> Spec:
    """A dot a row, with its interval of speed; the front is joined, and named in a column at its left.

    A name stands at the height of its dot, so that no line to one crosses another dot. Where there is no room for all,
    the chosen one's goes first.

    Args:
        rows: At least one: ``key``, ``label``, ``tone``, ``size`` and ``speed`` above zero; ``low`` and ``high`` of the
            speed, or None; ``aside``, where there is one, names a dot that is not on the front.
        size: Title of the horizontal axis, with its unit.
        speed: Title of the vertical axis, with its unit.
        description: Of the plot, in words.
    """
    axis = _Speeds(rows)
    across = [0, max(row["size"] for row in rows) * _ROOM]
    data = _placed(rows, axis, across[1])
    x = {"type": "quantitative", "scale": {"domain": across, "nice": False}}
    y = {"type": "quantitative", "scale": axis.scale}
    dot_x, dot_y = {**x, "field": "size"}, {**y, "field": "speed"}
    name_x = {**x, "field": "name_at"}
    titled_x = {**dot_x, "title": size, "axis": {"format": "~s"}}
    titled_y = {
        **dot_y,
        "title": f"{speed}, logarithmic" if axis.log else speed,
        "axis": {"format": "~s", **axis.ticks},
    }
    on_front, with_name = [{"filter": "datum.front"}], [{"filter": "datum.named"}]
    line = {"type": "line", "interpolate": "step-after", "color": SOFT, "strokeDash": [4, 3], "tooltip": None}
    layers: list[Spec] = [
        {"transform": on_front, "mark": line, "encoding": {"x": titled_x, "y": titled_y, "order": {"field": "size"}}},
        {
            "transform": with_name,
            "mark": {"type": "rule", "color": SOFT, "strokeWidth": 0.7, "tooltip": None},
            "encoding": {"x": name_x, "y": dot_y, "x2": {"field": "size"}},
        },
        *([_intervals(dot_x, y)] if any(row["low"] is not None for row in rows) else []),
        {
            "mark": {"type": "point", "filled": True, "opacity": 1},
            "encoding": {"x": dot_x, "y": dot_y, **_coloured(), "size": _area()},
        },
        {
            "transform": with_name,
            "mark": {"type": "text", "align": "right", "dx": -4, "color": INK, "limit": _limit(across[1])},
            "encoding": {"x": name_x, "y": dot_y, "text": {"field": "label"}, "opacity": FADED},
        },
        *(_aside(dot_x, dot_y, side) for side in ("left", "right")),
        {
            "transform": [{"filter": "datum.key === picked && !datum.named"}],
            "mark": {"type": "text", "align": "right", "dx": -8, "dy": 12, "fontWeight": 600},
            "encoding": {"x": dot_x, "y": dot_y, "text": {"field": "label"}},
        },
    ]
    return plot(data, layers, description=description, height=_HEIGHT)


def _aside(x: Spec, y: Spec, align: str) -> Spec:
    """Names of dots that have none in the column: above them, to their right, or to their left where the plot ends."""
    return {
        "transform": [{"filter": f"datum.aside && !datum.named && datum.key !== picked && datum.align === '{align}'"}],
        "mark": {"type": "text", "color": SOFT, "fontSize": 11, "dy": -9, "dx": 5, "align": align},
        "encoding": {"x": x, "y": y, "text": {"field": "aside"}, "opacity": FADED},
    }


def _intervals(x: Spec, y: Spec) -> Spec:
    """Left out where no row has one: a layer without marks is a picture without a name to those who hear the page."""
    return {
        "transform": [{"filter": "isNumber(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **_coloured()},
    }


def _coloured() -> Spec:
    return {"color": tone(), "opacity": FADED}


def _area() -> Spec:
    return {"condition": {"test": "datum.front", "value": 90}, "value": 40}


def _limit(widest: float) -> Spec:
    return {"expr": f"max(60, width * datum.name_at / {widest!r} - 6)"}


class _Speeds:
    """The vertical axis, and the way from speeds to pixels."""

    def __init__(self, rows: Sequence[Row]) -> None:
        ends = [value for row in rows for value in (row["speed"], row["low"], row["high"]) if value is not None]
        self.log = decades(ends)
        self._low: float = min(ends) / 1.25 if self.log else 0.0
        self._high: float = max(ends) * (1.25 if self.log else _ROOM)
        self.ticks: Spec = {"values": steps(self._low, self._high)} if self.log else {"tickCount": 5}
        kind = "log" if self.log else "linear"
        self.scale: dict[str, Any] = {"type": kind, "domain": [self._low, self._high], "nice": False}

    def pixel(self, speed: float) -> float:
        """Pixels below the top."""
        if self.log:
            return _HEIGHT * math.log(self._high / speed) / math.log(self._high / self._low)
        return _HEIGHT * (1 - speed / self._high)


def _placed(rows: Sequence[Row], axis: _Speeds, widest: float) -> list[dict[str, Any]]:
    """Rows, the chosen last and so on top; those of the front that have room for a name with where it ends."""
    best = front(rows)
    at = min(row["size"] for row in rows if row["key"] in best) * _NAMES_AT
    data = [{**row, "front": row["key"] in best, "named": False, "name_at": at} for row in rows]
    data.sort(key=lambda row: row["tone"] == "chosen")
    for row in data:
        fits = row["size"] / widest + _LETTER * len(row.get("aside", "")) < 1
        row["align"] = "left" if fits else "right"
    rank = {"chosen": 0, "common": 1, "reference": 1, "set": 2}
    taken: list[float] = []
    candidates = sorted(
        (row for row in data if row["front"]), key=lambda row: (rank.get(row["tone"], 3), -row["speed"], row["key"])
    )
    for row in candidates:
        pixel = axis.pixel(row["speed"])
        row["named"] = all(abs(pixel - other) >= _LINE_PX for other in taken)
        taken += [pixel] if row["named"] else []
    return data
