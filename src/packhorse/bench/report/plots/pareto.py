"""Speed against size, and the front of what nothing else beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from packhorse.bench.report.plots.theme import FADED, INK, SOFT, Row, Spec, plot, tone

_HEIGHT = 380
#: Between the lines of two names, in pixels.
_LINE_PX = 16
#: How far the axes reach beyond what stands farthest out, and where names end, as shares of the smallest size.
_ROOM, _NAMES_AT = 1.08, 0.88
#: Part of the width from which on a dot's name stands at its left.
_ASIDE_LEFT = 0.8


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


def pareto(rows: Sequence[Row], *, size: str, speed: str, log: bool, description: str) -> Spec:
    """A dot a row, with its interval of speed; the front is joined, and named in a column at its left.

    Args:
        rows: At least one: ``key``, ``label``, ``tone``, ``size`` and ``speed`` above zero; ``low`` and ``high`` of the
            speed, or None; ``aside``, where there is one, names a dot that is not on the front.
        size: Title of the horizontal axis, with its unit.
        speed: Title of the vertical axis, with its unit.
        log: Whether speeds stand on a logarithmic axis.
        description: Of the plot, in words.
    """
    axis = _Speeds(rows, log=log)
    data = _placed(rows, axis)
    across = [0, max(row["size"] for row in rows) * _ROOM]
    x = {"type": "quantitative", "scale": {"domain": across, "nice": False}}
    y = {"type": "quantitative", "scale": axis.scale}
    dot_x, dot_y = {**x, "field": "size"}, {**y, "field": "speed"}
    name_x, name_y = {**x, "field": "name_at"}, {**y, "field": "name_speed"}
    titled_x = {**dot_x, "title": size, "axis": {"format": "~s"}}
    titled_y = {**dot_y, "title": speed, "axis": {"format": "~s", **axis.ticks}}
    on_front = [{"filter": "datum.front"}]
    line = {"type": "line", "interpolate": "step-after", "color": SOFT, "strokeDash": [4, 3], "tooltip": None}
    layers: list[Spec] = [
        {"transform": on_front, "mark": line, "encoding": {"x": titled_x, "y": titled_y, "order": {"field": "size"}}},
        {
            "transform": on_front,
            "mark": {"type": "rule", "color": SOFT, "strokeWidth": 0.7, "tooltip": None},
            "encoding": {"x": name_x, "y": name_y, "x2": {"field": "size"}, "y2": {"field": "speed"}},
        },
        *([_intervals(dot_x, y)] if any(row["low"] is not None for row in rows) else []),
        {
            "mark": {"type": "point", "filled": True, "opacity": 1},
            "encoding": {"x": dot_x, "y": dot_y, **_coloured(), "size": _area()},
        },
        {
            "transform": on_front,
            "mark": {"type": "text", "align": "right", "dx": -4, "color": INK, "limit": _limit(across[1])},
            "encoding": {"x": name_x, "y": name_y, "text": {"field": "label"}, "opacity": FADED},
        },
        *(_aside(dot_x, dot_y, right=right, widest=across[1]) for right in (True, False)),
        {
            "transform": [{"filter": "datum.key === picked && !datum.front"}],
            "mark": {"type": "text", "align": "right", "dx": -8, "dy": 12, "fontWeight": 600},
            "encoding": {"x": dot_x, "y": dot_y, "text": {"field": "label"}},
        },
    ]
    return plot(data, layers, description=description, height=_HEIGHT)


def _aside(x: Spec, y: Spec, *, right: bool, widest: float) -> Spec:
    """Names of dots off the front: at their right, but at their left where the plot ends."""
    wanted = f"datum.aside && !datum.front && datum.key !== picked && (datum.size < {_ASIDE_LEFT * widest!r}) === "
    side: Spec = {"align": "left", "dx": 7} if right else {"align": "right", "dx": -7}
    return {
        "transform": [{"filter": f"{wanted}{'true' if right else 'false'}"}],
        "mark": {"type": "text", "color": SOFT, "fontSize": 11, "baseline": "middle", **side},
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
    """The vertical axis, between speeds and pixels."""

    def __init__(self, rows: Sequence[Row], *, log: bool) -> None:
        ends = [value for row in rows for value in (row["speed"], row["low"], row["high"]) if value is not None]
        self._log = log
        self._low: float = min(ends) / 1.25 if log else 0.0
        self._high: float = max(ends) * (1.25 if log else _ROOM)
        kind = "log" if log else "linear"
        steps = [digit * 10**power for power in range(-6, 9) for digit in (1, 2, 5)]
        inside = [step for step in steps if self._low <= step <= self._high]
        self.ticks: Spec = {"values": inside} if log else {"tickCount": 5}
        self.scale: dict[str, Any] = {"type": kind, "domain": [self._low, self._high], "nice": False}

    def pixel(self, speed: float) -> float:
        """Pixels below the top."""
        if self._log:
            return _HEIGHT * math.log(self._high / speed) / math.log(self._high / self._low)
        return _HEIGHT * (1 - speed / self._high)

    def speed(self, pixel: float) -> float:
        """The other way round."""
        share = pixel / _HEIGHT
        return self._high * (self._low / self._high) ** share if self._log else self._high * (1 - share)


def _placed(rows: Sequence[Row], axis: _Speeds) -> list[dict[str, Any]]:
    """Rows with the places of their names: a column left of the front, lines kept apart."""
    best = front(rows)
    data = [{**row, "front": row["key"] in best} for row in rows]
    named = sorted((row for row in data if row["front"]), key=lambda row: (-row["speed"], row["key"]))
    at = min(row["size"] for row in named) * _NAMES_AT
    pixel, last = -math.inf, _HEIGHT - _LINE_PX / 2
    for index, row in enumerate(named):
        highest_left = last - _LINE_PX * (len(named) - 1 - index)
        pixel = min(max(axis.pixel(row["speed"]), pixel + _LINE_PX), max(highest_left, pixel + _LINE_PX))
        row |= {"name_at": at, "name_speed": axis.speed(min(pixel, _HEIGHT))}
    return data
