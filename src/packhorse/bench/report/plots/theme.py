"""One look for the page's plots: colours by name, so that light, dark and print are the style sheet's matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Spec = dict[str, Any]
Row = Mapping[str, Any]

#: What a row is → the style sheet's colour. Its hues are Okabe and Ito's, told apart with any colour vision.
TONES = {
    "chosen": "var(--chosen)",
    "set": "var(--set)",
    "candidate": "var(--other)",
    "common": "var(--common)",
    "reference": "var(--reference)",
    "extra": "var(--extra)",
}
INK, SOFT, GRID = "var(--ink)", "var(--soft)", "var(--grid)"
#: Pixels of a row that has its name above its bar: long names fit on a phone.
ROW_PX = 40
#: Pixels of a bold character, of the usual size, at most on average.
_CHARACTER_PX = 7.4
#: Times the smallest value, beyond which an axis is logarithmic; and beyond which it names whole decades alone.
_DECADE, _MANY = 12, 500
#: How far such an axis reaches beyond its values.
_WIDER = 1.15
#: Names shrink a little where space is short.
_NAME_SIZE: Spec = {"expr": "width < 440 ? 11 : width < 620 ? 11.5 : 12"}
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": SOFT, "titleColor": SOFT, "titleFontWeight": "normal", "labelFontSize": 12, "titleFontSize": 12,
        "gridColor": GRID, "domainColor": GRID, "tickColor": GRID, "tickCount": 5, "labelFlush": False,
        "labelOverlap": True,
    },
    "mark": {"tooltip": True},
    "text": {"color": INK, "fontSize": 12},
}  # fmt: skip
#: ``picked`` is the pipeline of the page's address, ``shown`` the keys that the filter leaves (null: all).
PARAMS: list[Spec] = [{"name": "picked", "value": ""}, {"name": "shown", "value": None}]
SHOWN: Spec = {"filter": "shown === null || indexof(shown, datum.key) >= 0"}
FADED: Spec = {"condition": {"test": "picked === '' || datum.key === picked", "value": 1}, "value": 0.3}


def plot(rows: Sequence[Row], layers: Sequence[Spec], *, description: str, **rest: Any) -> Spec:
    """A Vega-Lite specification as wide as its place on the page.

    Args:
        rows: Plain data, each row with a ``key``; the filter works on it.
        layers: Vega-Lite layers.
        description: What the plot shows, for those who cannot see it.
        rest: More of the specification: height, transforms.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "config": CONFIG,
        "params": PARAMS,
        "data": {"name": "rows", "values": list(rows)},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "transform": [SHOWN],
        "layer": list(layers),
        **rest,
    }


def tone() -> Spec:
    """Colour by what a row is."""
    return {
        "field": "tone",
        "type": "nominal",
        "scale": {"domain": list(TONES), "range": list(TONES.values())},
        "legend": None,
    }


def named(rows: Sequence[Row]) -> list[Spec]:
    """A row's name above its bar at the left, its figure (``text``) at the right."""
    kept = 12 + _CHARACTER_PX * max((len(row["text"]) for row in rows), default=0)
    name = {
        "name": "names",
        "mark": {
            "type": "text",
            "align": "left",
            "dy": -10,
            "fontSize": _NAME_SIZE,
            "limit": {"expr": f"max(90, width - {kept:.0f})"},
        },
        "encoding": {"x": {"value": 0}, "text": {"field": "label"}, "opacity": FADED},
    }
    figure = {
        "mark": {"type": "text", "align": "right", "dy": -10, "fontWeight": 600},
        "encoding": {"x": {"value": "width"}, "text": {"field": "text"}, "opacity": FADED},
    }
    return [name, figure]


def decades(values: Sequence[float]) -> bool:
    """Whether the largest value is so many times the smallest that both can be read on a logarithmic axis only."""
    return min(values) > 0 and max(values) > _DECADE * min(values)


def steps(low: float, high: float, *, digits: Sequence[int] = (1, 2, 5)) -> list[float]:
    """Round values within the ends, for a logarithmic axis."""
    found = [digit * 10.0**power for power in range(-9, 13) for digit in digits]
    return [step for step in found if low <= step <= high]


def decade_axis(values: Sequence[float]) -> Spec:
    """Scale and axis over the decades that values span, a little wider than they are."""
    low, high = min(values) / _WIDER, max(values) * _WIDER
    few = max(values) > _MANY * min(values)
    ticks = steps(low, high, digits=(1,) if few else (1, 2, 5))
    return {
        "scale": {"type": "log", "domain": [low, high], "nice": False},
        "axis": {"format": ",.6~f", "values": ticks},
    }


def row_axis() -> Spec:
    """Rows from top to bottom in the order of the data."""
    return {"field": "key", "type": "nominal", "sort": None, "axis": None}


def amount(field: str, title: str, **axis: Any) -> Spec:
    """A quantity on a horizontal axis from zero."""
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": ",.6~f", **axis}}
