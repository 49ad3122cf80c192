"""Bars from zero, each with its raw samples, and intervals beside a zero line."""

from __future__ import annotations

from collections.abc import Sequence

from packhorse.bench.report.plots.theme import FADED, INK, ROW_PX, Row, Spec, amount, named, plot, row_axis, tone

#: The bar lies below its name.
_BELOW = 9


def bars(rows: Sequence[Row], *, title: str, description: str) -> Spec:
    """One bar a row.

    Args:
        rows: ``key``, ``label``, ``text`` (the figure in words), ``tone``, ``value``; ``low`` and ``high`` or None;
            ``points``, the raw samples.
        title: Of the axis, with its unit.
        description: Of the plot, in words.
    """
    y = row_axis()
    bar = {
        "mark": {"type": "bar", "height": 10, "yOffset": _BELOW, "cornerRadiusEnd": 2},
        "encoding": {"x": amount("value", title), "color": tone(), "opacity": FADED},
    }
    line = {"type": "rule", "strokeWidth": 2, "yOffset": _BELOW, "color": INK, "tooltip": None}
    return plot(
        rows,
        # A layer without marks would be a picture without a name to those who hear the page.
        [
            bar,
            *([_samples()] if any(row["points"] for row in rows) else []),
            *([_interval(line, {"opacity": FADED})] if any(row["low"] is not None for row in rows) else []),
            *named(rows),
        ],
        description=description,
        height={"step": ROW_PX},
        encoding={"y": y},
    )


def _samples() -> Spec:
    return {
        "transform": [{"flatten": ["points"]}],
        "mark": {
            "type": "tick",
            "size": 10,
            "thickness": 1,
            "yOffset": _BELOW,
            "color": INK,
            "tooltip": None,
            "aria": False,
        },
        "encoding": {"x": {"field": "points", "type": "quantitative"}, "opacity": {"value": 0.28}},
    }


def _interval(mark: Spec, colour: Spec) -> Spec:
    ends = {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}
    return {"transform": [{"filter": "isNumber(datum.low)"}], "mark": mark, "encoding": {**ends, **colour}}


def spans(rows: Sequence[Row], *, title: str, description: str) -> Spec:
    """A line from ``value`` to ``far`` for each row, with a dot at each end: the median and the 99th percentile.

    Args:
        rows: ``key``, ``label``, ``text``, ``tone``, ``value``, ``far``.
        title: Of the axis, with its unit.
        description: Of the plot, in words.
    """
    x = amount("value", title)
    line = {
        "mark": {"type": "rule", "strokeWidth": 3, "yOffset": _BELOW, "strokeCap": "round"},
        "encoding": {"x": {**x, "scale": {"zero": True}}, "x2": {"field": "far"}, "color": tone(), "opacity": FADED},
    }
    near = {
        "mark": {"type": "point", "filled": True, "size": 70, "yOffset": _BELOW, "opacity": 1},
        "encoding": {"x": x, "color": tone(), "opacity": FADED},
    }
    far = {
        "mark": {"type": "point", "filled": False, "size": 60, "strokeWidth": 2, "yOffset": _BELOW, "opacity": 1},
        "encoding": {"x": {"field": "far", "type": "quantitative"}, "color": tone(), "opacity": FADED},
    }
    layers = [line, near, far, *named(rows)]
    return plot(rows, layers, description=description, height={"step": ROW_PX}, encoding={"y": row_axis()})


def forest(rows: Sequence[Row], *, title: str, floor: float | None, description: str) -> Spec:
    """Estimates with intervals around zero, over a band as wide as the noise.

    Args:
        rows: ``key``, ``label``, ``text``, ``tone``, ``value``, ``low``, ``high`` in per cent; ``points`` raw.
        title: Of the axis, with its unit.
        floor: Half the width of the noise band, in per cent; None where noise was not measured.
        description: Of the plot, in words.
    """
    x = amount("value", title, format="+,.6~f", labelExpr="datum.value === 0 ? '0' : datum.label")
    whole = {"y": {"value": 0}, "y2": {"value": "height"}}
    once: Spec = {"values": [{}]}
    zero = {
        "mark": {"type": "rule", "color": INK, "tooltip": None, "aria": False},
        "encoding": {"x": {"datum": 0}, **whole},
    }
    layers: list[Spec] = [{**zero, "data": once}]
    if floor is not None:
        band = {"type": "rect", "color": INK, "opacity": 0.09, "tooltip": None, "aria": False}
        ends = {"x": {"datum": -floor}, "x2": {"datum": floor}, **whole}
        layers.insert(0, {"data": once, "mark": band, "encoding": ends})
    y, colour = row_axis(), {"color": tone(), "opacity": FADED}
    dot = {"type": "point", "filled": True, "size": 80, "yOffset": _BELOW, "opacity": 1}
    lines = [
        *([_samples()] if any(row["points"] for row in rows) else []),
        _interval({"type": "rule", "strokeWidth": 3, "yOffset": _BELOW}, colour),
        {"mark": dot, "encoding": {"x": x, **colour}},
        *named(rows),
    ]
    layers += [{**layer, "encoding": {**layer["encoding"], "y": y}} for layer in lines]
    return plot(rows, layers, description=description, height={"step": ROW_PX})
