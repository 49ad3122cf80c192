"""Where one capture's time goes, stage after stage, beside the original design."""

from __future__ import annotations

from collections.abc import Sequence

from packhorse.bench.report.plots.theme import INK, Row, Spec, amount, plot

_STEP = 46


def waterfall(rows: Sequence[Row], *, default: str, reference: str, description: str) -> Spec:
    """Floating bars by stage: above the picked pipeline's (at first the chosen one's), below the reference's.

    Args:
        rows: ``key`` (the pipeline), ``step`` (the stage), ``begin`` and ``end`` in ms, ``text``.
        default: Key of the pipeline shown while none is picked.
        reference: Key of the reference.
        description: Of the plot, in words.
    """
    steps = list(dict.fromkeys(row["step"] for row in rows))
    keys = {"default": default, "reference": reference}
    data = [{**row, **keys} for row in rows]
    chosen = {"calculate": "datum.key === (picked || datum.default) && datum.key !== datum.reference", "as": "mine"}
    y = {
        "field": "step", "type": "nominal", "sort": steps, "title": None,
        "axis": {"domain": False, "ticks": False, "labelColor": INK, "labelPadding": 8, "labelLimit": 90},
    }  # fmt: skip
    offset = {"field": "mine", "type": "nominal", "sort": "descending", "scale": {"domain": [True, False]}}
    x = amount("begin", "ms since the capture was handed over")
    colour = {"condition": {"test": "datum.mine", "value": "var(--chosen)"}, "value": "var(--reference)"}
    right = {"type": "text", "align": "left", "dx": 5, "baseline": "middle"}
    bar = {"type": "bar", "cornerRadius": 2, "minBandSize": 2}
    left = {"type": "text", "align": "right", "dx": -5, "baseline": "middle"}
    layers: list[Spec] = [
        {"mark": bar, "encoding": {"x": x, "x2": {"field": "end"}, "color": colour}},
        {
            "transform": [{"filter": "datum.end <= 0.6 * datum.last"}],
            "mark": right,
            "encoding": {"x": {"field": "end", "type": "quantitative"}, "text": {"field": "text"}},
        },
        {
            "transform": [{"filter": "datum.end > 0.6 * datum.last && datum.begin > 0.3 * datum.last"}],
            "mark": left,
            "encoding": {"x": {"field": "begin", "type": "quantitative"}, "text": {"field": "text"}},
        },
        {
            "transform": [{"filter": "datum.end > 0.6 * datum.last && datum.begin <= 0.3 * datum.last"}],
            "mark": {**right, "color": "var(--on-bar)", "fontWeight": 600},
            "encoding": {"x": {"field": "begin", "type": "quantitative"}, "text": {"field": "text"}},
        },
    ]  # fmt: skip
    return plot(
        data,
        layers,
        description=description,
        height={"step": _STEP, "for": "position"},
        transform=[
            chosen,
            {"filter": "datum.mine || datum.key === datum.reference"},
            {"joinaggregate": [{"op": "max", "field": "end", "as": "last"}]},
        ],
        encoding={"y": y, "yOffset": offset},
    )
