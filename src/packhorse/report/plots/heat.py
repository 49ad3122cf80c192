"""A quantity over two settings, as coloured cells with their figures."""

from __future__ import annotations

from collections.abc import Sequence

from packhorse.report.plots.look import INK, Row, Spec, plot

_CELL_PX = 36


def heat(rows: Sequence[Row], *, across: str, down: str, description: str) -> Spec:
    """One cell a row, light for much: ``cividis``, which reads the same with any colour vision and in grey.

    Args:
        rows: ``key``, ``across``, ``down``, ``value``, ``text``.
        across: Title of the horizontal setting.
        down: Title of the vertical setting.
        description: Of the plot, in words.
    """
    # Rows keep the order of the data: a list to sort by would be compiled into an expression, names and all.
    values = [row["value"] for row in rows]
    half = (min(values) + max(values)) / 2 if values else 0.0
    bare = {"domain": False, "ticks": False}
    x = {"field": "across", "type": "ordinal", "title": across, "axis": {**bare, "labelAngle": 0, "orient": "top"}}
    y = {
        "field": "down",
        "type": "ordinal",
        "sort": None,
        "title": down or None,
        "axis": {**bare, "labelColor": INK, "labelLimit": 150},
    }
    colour = {"field": "value", "type": "quantitative", "scale": {"scheme": "cividis"}, "legend": None}
    readable = {"condition": {"test": f"datum.value > {half!r}", "value": "#111111"}, "value": "#ffffff"}
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "cornerRadius": 2, "stroke": "var(--ground)", "strokeWidth": 2},
            "encoding": {"color": colour},
        },
        {"mark": {"type": "text"}, "encoding": {"text": {"field": "text"}, "color": readable}},
    ]
    return plot(rows, layers, description=description, height={"step": _CELL_PX}, encoding={"x": x, "y": y})
