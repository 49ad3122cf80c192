"""A quantity over two settings, as coloured cells with their figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from packhorse.bench.report.plots.theme import INK, Row, Spec, plot

#: Height of a cell with one line of text, and with two.
_CELL_PX, _TALL_PX = 36, 44
#: Room for the second line of a column's label.
_LABEL_PX = 18


def heat(rows: Sequence[Row], *, across: str, down: str, description: str) -> Spec:
    """One cell a row, light for much: ``cividis``, which reads the same with any colour vision and in grey.

    Colours follow the square root, so that slow and middling cells can be told apart beside very fast ones.

    Args:
        rows: ``key``, ``across``, ``down``, ``value`` (from zero up), ``text``; ``more``, a second line, in all rows or
            in none. Where ``across`` is two words parted by a bar, the column's label has two lines.
        across: Title of the horizontal setting.
        down: Title of the vertical setting.
        description: Of the plot, in words.
    """
    # Rows keep the order of the data: a list to sort by would be compiled into an expression, names and all.
    roots = [math.sqrt(row["value"]) for row in rows]
    half = ((min(roots) + max(roots)) / 2) ** 2 if roots else 0.0
    split = any("|" in str(row["across"]) for row in rows)
    bare = {"domain": False, "ticks": False}
    x = {
        "field": "across",
        "type": "ordinal",
        "sort": None,
        "title": across,
        "axis": {
            **bare,
            "labelAngle": 0,
            "orient": "top",
            "labelExpr": "split(datum.label, '|')",
            "labelPadding": _LABEL_PX if split else 4,
        },
    }
    y = {
        "field": "down",
        "type": "ordinal",
        "sort": None,
        "title": down or None,
        "axis": {**bare, "labelColor": INK, "labelLimit": 150},
    }
    scale = {"type": "sqrt", "scheme": "cividis"}
    colour = {"field": "value", "type": "quantitative", "scale": scale, "legend": None}
    readable = {"condition": {"test": f"datum.value > {half!r}", "value": "#111111"}, "value": "#ffffff"}
    two = any("more" in row for row in rows)
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "cornerRadius": 2, "stroke": "var(--ground)", "strokeWidth": 2},
            "encoding": {"color": colour},
        },
        {
            "mark": {"type": "text", "dy": -7 if two else 0, "fontWeight": 600 if two else "normal"},
            "encoding": {"text": {"field": "text"}, "color": readable},
        },
    ]
    if two:
        second = {"type": "text", "dy": 8, "fontSize": 11}
        layers.append({"mark": second, "encoding": {"text": {"field": "more"}, "color": readable}})
    step = _TALL_PX if two else _CELL_PX
    return plot(rows, layers, description=description, height={"step": step}, encoding={"x": x, "y": y})
