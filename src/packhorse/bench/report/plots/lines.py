"""Lines over one setting, each named at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from packhorse.bench.report.plots.theme import FADED, Row, Spec, plot, tone

_HEIGHT = 300
#: Between the lines of two names, in pixels.
_LINE_PX = 15
#: How far the vertical axis reaches beyond the highest value.
_ROOM = 1.05


def lines(rows: Sequence[Row], *, x: str, y: str, description: str) -> Spec:
    """One line a ``series``; settings on a logarithmic axis, the vertical one from zero.

    Args:
        rows: ``key``, ``series``, ``tone``, ``x`` above zero, ``value`` from zero up, ``text``.
        x: Title of the horizontal axis, with its unit.
        y: Title of the vertical axis, with its unit.
        description: Of the plot, in words.
    """
    most = max(row["value"] for row in rows) * _ROOM or 1.0
    data = _named(rows, most)
    settings = sorted({row["x"] for row in rows})
    whole = {"axis": {"format": ",.6~f", "values": settings}, "scale": {"type": "log", "nice": False}}
    across = {"field": "x", "type": "quantitative", "title": x, **whole}
    scale = {"domain": [0, most], "nice": False}
    up = {"field": "value", "type": "quantitative", "title": y, "scale": scale}
    coloured = {"color": tone(), "detail": {"field": "series"}}
    layers: list[Spec] = [
        {"mark": {"type": "line", "tooltip": None}, "encoding": {"x": across, "y": up, **coloured}},
        {
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
            "encoding": {"x": across, "y": up, **coloured, "opacity": FADED},
        },
        {
            "transform": [{"filter": "isNumber(datum.name_at)"}],
            "mark": {"type": "text", "align": "left", "dx": 8, "fontWeight": 600, "limit": 140},
            "encoding": {"x": across, "y": {**up, "field": "name_at"}, "text": {"field": "series"}, **coloured},
        },
    ]
    return plot(data, layers, description=description, height=_HEIGHT)


def _named(rows: Sequence[Row], most: float) -> list[dict[str, Any]]:
    """Rows, the last one of each series with the height of its name: names are kept a line apart."""
    data = [dict(row) for row in rows]
    last = {row["series"]: row for row in sorted(data, key=lambda row: row["x"])}
    ends = sorted(last.values(), key=lambda row: (-row["value"], row["series"]))
    pixel, room = -float(_LINE_PX), _HEIGHT - _LINE_PX * (len(ends) - 1)
    for index, row in enumerate(ends):
        wanted = max(_HEIGHT * (1 - row["value"] / most), pixel + _LINE_PX)
        pixel = min(wanted, room + _LINE_PX * index)
        row["name_at"] = most * (1 - pixel / _HEIGHT)
    return data
