"""Bars from zero (dots, where values span decades), each with its raw samples, and intervals beside a zero line."""

from __future__ import annotations

from collections.abc import Sequence

from packhorse.bench.report.plots.theme import (
    FADED,
    INK,
    ROW_PX,
    Row,
    Spec,
    amount,
    decade_axis,
    decades,
    named,
    plot,
    row_axis,
    tone,
)

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
    ends = [value for row in rows for value in (row["value"], row["low"], row["high"], *row["points"]) if value]
    log = decades(ends)
    line = {"type": "rule", "strokeWidth": 2, "yOffset": _BELOW, "color": INK, "tooltip": None}
    return plot(
        rows,
        # A layer without marks would be a picture without a name to those who hear the page.
        [
            *(_stalks(ends, title) if log else [_bar(title)]),
            *([_samples()] if any(row["points"] for row in rows) else []),
            *([_interval(line, {"opacity": FADED})] if any(row["low"] is not None for row in rows) else []),
            *named(rows),
        ],
        description=description,
        height={"step": ROW_PX},
        encoding={"y": row_axis()},
    )


def _bar(title: str) -> Spec:
    return {
        "mark": {"type": "bar", "height": 10, "yOffset": _BELOW, "cornerRadiusEnd": 2},
        "encoding": {"x": amount("value", title), "color": tone(), "opacity": FADED},
    }


def _stalks(values: Sequence[float], title: str) -> list[Spec]:
    """Dots on thin stalks: a logarithmic axis has no zero that a bar's length could be counted from."""
    over = decade_axis(values)
    x = {"field": "value", "type": "quantitative", "title": f"{title}, logarithmic", **over}
    seen = {"color": tone(), "opacity": FADED}
    stalk = {"type": "rule", "strokeWidth": 2, "yOffset": _BELOW, "tooltip": None, "aria": False}
    dot = {"type": "point", "filled": True, "size": 90, "yOffset": _BELOW, "opacity": 1}
    start = {"datum": over["scale"]["domain"][0]}
    return [
        {"mark": stalk, "encoding": {"x": x, "x2": start, **seen}},
        {"mark": dot, "encoding": {"x": x, **seen}},
    ]


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
    ends = [row[end] for row in rows for end in ("value", "far")]
    log = decades(ends)
    x = amount("value", f"{title}, logarithmic" if log else title)
    x |= decade_axis(ends) if log else {"scale": {"zero": True}}
    line = {
        "mark": {"type": "rule", "strokeWidth": 3, "yOffset": _BELOW, "strokeCap": "round"},
        "encoding": {"x": x, "x2": {"field": "far"}, "color": tone(), "opacity": FADED},
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


def forest(rows: Sequence[Row], *, title: str, description: str) -> Spec:
    """Estimates with intervals around zero.

    Args:
        rows: ``key``, ``label``, ``text``, ``tone``, ``value``, ``low``, ``high`` in per cent; ``points`` raw.
        title: Of the axis, with its unit.
        description: Of the plot, in words.
    """
    x = amount("value", title, format="+,.6~f", labelExpr="datum.value === 0 ? '0' : datum.label")
    # In a row's lower half alone: a line through all of them would cross the names.
    zero = {"type": "tick", "color": INK, "size": 20, "thickness": 1, "yOffset": _BELOW, "tooltip": None, "aria": False}
    colour = {"color": tone(), "opacity": FADED}
    dot = {"type": "point", "filled": True, "size": 80, "yOffset": _BELOW, "opacity": 1}
    layers = [
        {"mark": zero, "encoding": {"x": {"datum": 0, "type": "quantitative"}}},
        *([_samples()] if any(row["points"] for row in rows) else []),
        _interval({"type": "rule", "strokeWidth": 3, "yOffset": _BELOW}, colour),
        {"mark": dot, "encoding": {"x": x, **colour}},
        *named(rows),
    ]
    return plot(rows, layers, description=description, height={"step": ROW_PX}, encoding={"y": row_axis()})
