"""Synthetic against recorded captures in one picture: percentiles side by side, and the order of pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from packhorse.bench.report.plots.svg import BLUE, FAINT, FONT, GREY, INK, ORANGE, SKY, require, to_svg

if TYPE_CHECKING:
    import altair as alt

Plain = Mapping[str, Any]

#: Both ends of the axis, as multiples of the recorded median; what lies beyond is drawn at the end.
_SPAN = 8.0
_BANDS_WIDTH, _ROW_HEIGHT = 440, 23
_SLOPE_WIDTH, _RANK_HEIGHT = 300, 21
#: Metrics in words; one that is not here is shown by its name.
_WORDS = {
    "entries": "entries per capture",
    "compact_bytes": "size, bytes of compact JSON",
    "top1_entry_share": "largest entry, of all entries",
    "top5_entry_share": "five largest, of all entries",
    "body_share": "bodies, of all bytes",
    "body_entry_share": "entries with a body",
    "b64_share_of_body": "base64, of bodies",
    "dup_body_share": "repeated, of bodies",
    "header_share": "headers, of all bytes",
    "cookie_share": "cookies, of all bytes",
    "hosts": "hosts per capture",
    "nonascii_char_share": "non-ASCII, of characters",
    "escape_share": "escapes, of all bytes",
    "nodes_per_kb": "JSON values per kB",
    "gzip6": "gzip 6, times smaller",
    "zstd3": "zstd 3, times smaller",
}
#: Where the columns of figures begin, in pixels right of the bands.
_COLUMNS = (("synthetic", 84), ("recorded (band)", 262), ("off by", 320))


def render(comparisons: Sequence[Plain], title: str) -> str:
    """The picture of one comparison or of several, one below the other.

    Args:
        comparisons: What ``Comparison.to_plain`` gives.
        title: Of the whole.

    Returns:
        SVG text; the same arguments give the same text.

    Raises:
        UnavailableError: The drawing library is not installed.
    """
    require()
    import altair as alt

    charts: list[Any] = []
    for plain in comparisons:
        charts.append(_bands(plain))
        if plain["agreement"] is not None:
            charts.append(_slope(plain["agreement"]))
    heading = alt.TitleParams(
        title,
        subtitle=[
            "Bars reach from the 25th to the 75th percentile over files (blue: recorded; orange: synthetic), with the",
            "median as a line and as a dot, relative to the recorded median; beyond 1/8 or 8× it is drawn there.",
        ],
        anchor="start", fontSize=17, subtitleFontSize=12, subtitleColor=FAINT, offset=14, color=INK,
    )  # fmt: skip
    whole = (
        alt.vconcat(*charts, title=heading, spacing=34)
        .resolve_scale(y="independent", x="independent")
        .configure(font=FONT, background="white", padding=16)
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, titleColor=FAINT, titleFontWeight="normal", labelFontSize=12)
    )
    return to_svg(whole)


def _bands(plain: Plain) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rows = [_row(row) for row in plain["rows"]]
    order = [row["label"] for row in rows]
    base = alt.Chart(alt.InlineData(values=rows)).properties(width=_BANDS_WIDTH, height=len(rows) * _ROW_HEIGHT)
    y = alt.Y(
        "label:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=260, labelPadding=8)
    )
    ticks = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
    # Vega's own number format would write 0.125; people think of these as fractions.
    words = "datum.value < 1 ? '1/' + format(1 / datum.value, 'd') : format(datum.value, 'd') + '×'"
    axis = alt.Axis(
        values=ticks,
        labelExpr=words,
        grid=True,
        gridColor="#E8E8E8",
        domain=False,
        ticks=False,
        labelFlush=False,
        labelColor=FAINT,
    )
    scale = alt.Scale(type="log", base=2, domain=[1 / _SPAN, _SPAN], nice=False)
    x = alt.X("real_low:Q", title="times the recorded median", axis=axis, scale=scale)
    drawn = base.transform_filter("datum.drawn")
    layers = [
        drawn.mark_bar(height=15, color=SKY).encode(y=y, x=x, x2="real_high:Q"),
        drawn.mark_tick(thickness=2.5, size=19, color=BLUE).encode(y=y, x=alt.X("one:Q", scale=scale)),
        drawn.mark_bar(height=4, color=ORANGE).encode(y=y, x=alt.X("low:Q", scale=scale), x2="high:Q"),
        drawn.mark_point(size=62, filled=True, opacity=1, stroke="white", strokeWidth=1).encode(
            y=y, x=alt.X("middle:Q", scale=scale), color=alt.value(ORANGE)
        ),
        base.transform_filter("!datum.drawn")
        .mark_text(color=FAINT, fontSize=11, fontStyle="italic")
        .encode(y=y, x=alt.value(_BANDS_WIDTH / 2), text="remark:N"),
    ]
    for (_, offset), field in zip(_COLUMNS, ("synthetic_text", "real_text", "off_text"), strict=True):
        text = base.mark_text(align="right", fontSize=11.5).encode(
            y=y,
            x=alt.value(_BANDS_WIDTH + offset),
            text=f"{field}:N",
            color=alt.condition("datum.fine", alt.value(INK), alt.value(ORANGE)),
        )
        layers.append(text)
    layers.append(
        base.mark_text(align="left", fontSize=11.5, fontWeight="bold").encode(
            y=y,
            x=alt.value(_BANDS_WIDTH + _COLUMNS[-1][1] + 14),
            text="verdict:N",
            color=alt.condition("datum.fine", alt.value(BLUE), alt.value(ORANGE)),
        )
    )
    layers += _heads(base)
    return alt.layer(*layers).properties(title=_title(_words(plain)))


def _heads(base: alt.Chart) -> list[alt.Chart]:
    """The columns' names, above them."""
    import altair as alt

    one = base.transform_window(number="row_number()").transform_filter("datum.number == 1")
    return [
        one.mark_text(align="right", fontSize=11, color=FAINT).encode(
            x=alt.value(_BANDS_WIDTH + offset), y=alt.value(-9), text=alt.value(name)
        )
        for name, offset in _COLUMNS
    ]


def _slope(agreement: Plain) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    points, order = _ranks(agreement), len(agreement["pipelines"])
    base = alt.Chart(alt.InlineData(values=points)).properties(width=_SLOPE_WIDTH, height=order * _RANK_HEIGHT)
    x = alt.X(
        "side:N",
        sort=["recorded", "synthetic"],
        title=None,
        scale=alt.Scale(padding=0),
        axis=alt.Axis(orient="top", labelAngle=0, domain=False, ticks=False, labelPadding=8),
    )
    y = alt.Y("rank:Q", axis=None, scale=alt.Scale(domain=[0.5, order + 0.5], reverse=True, nice=False))
    colour = alt.condition("datum.moved", alt.value(ORANGE), alt.value(BLUE))
    layers = [
        base.mark_line(strokeWidth=2.2).encode(
            x=x, y=y, detail="pipeline:N", color=alt.condition("datum.moved", alt.value(ORANGE), alt.value(GREY))
        ),
        base.mark_point(size=50, filled=True, opacity=1).encode(x=x, y=y, color=colour),
    ]
    recorded, synthetic = (base.transform_filter(f"datum.side == '{side}'") for side in ("recorded", "synthetic"))
    layers += [
        side.encode(x=x, y=y, text="label:N", color=alt.condition("datum.moved", alt.value(ORANGE), alt.value(INK)))
        for side in (
            recorded.mark_text(align="right", dx=-10, fontSize=11.5),
            synthetic.mark_text(align="left", dx=10, fontSize=11.5),
        )
    ]
    words = f"Order of pipelines by speed, fastest first: Kendall's τ = {agreement['tau']:.2f}"
    below = "Times: multiples of the fastest pipeline's on the same captures. Orange: another place on the other side."
    return alt.layer(*layers).properties(title=_title(words, below))


def _ranks(agreement: Plain) -> list[dict[str, Any]]:
    points = []
    sides = {"recorded": agreement["real_s"], "synthetic": agreement["synthetic_s"]}
    ranks = {
        side: {index: place + 1 for place, index in enumerate(sorted(range(len(times)), key=times.__getitem__))}
        for side, times in sides.items()
    }
    for index, text in enumerate(agreement["pipelines"]):
        name = text.removesuffix(" | raw")
        moved = ranks["recorded"][index] != ranks["synthetic"][index]
        for side, times in sides.items():
            factor = f"{_short(times[index] / min(times))}×"
            label = f"{name}  ·  {factor}" if side == "recorded" else f"{factor}  ·  {name}"
            rank = ranks[side][index]
            points.append({"pipeline": text, "side": side, "rank": rank, "label": label, "moved": moved})
    return points


def _title(text: str, below: str = "") -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(
        text, subtitle=below, anchor="start", frame="group", fontSize=13.5, offset=18, color=INK, subtitleColor=FAINT
    )


def _words(plain: Plain) -> str:
    if plain["basis"]:
        return (
            f"Population {plain['population']}: {plain['synthetic_files']} synthetic captures against "
            f"the published percentiles of {plain['real_files']} recorded"
        )
    return f"{plain['synthetic_files']} synthetic against {plain['real_files']} recorded captures"


def _row(row: Plain) -> dict[str, Any]:
    """A metric's row: places on the axis, and the figures in words."""
    low, middle, high = row["synthetic"]
    real_low, real_middle, real_high = row["real"]
    fine = row["in_band"] and not row["ratio_off"]
    figures = [_figure(value, row["unit"]) for value in (real_middle, real_low, real_high)]
    shown = {
        "label": _WORDS.get(row["metric"], row["metric"]),
        "synthetic_text": _figure(middle, row["unit"]),
        "real_text": figures[0] if real_low == real_high else f"{figures[0]}  ({figures[1]} – {figures[2]})",
        "off_text": _off(middle, real_middle),
        "fine": fine,
        "verdict": "in band" if fine else "OUTSIDE" if not row["in_band"] else "> 15 % off",
        "drawn": real_middle > 0,
    }
    if real_middle <= 0:
        return {**shown, "remark": "the recorded median is 0: nothing to be relative to"}
    places = {"low": low, "middle": middle, "high": high, "real_low": real_low, "real_high": real_high}
    return {**shown, "one": 1, **{name: _place(value / real_middle) for name, value in places.items()}}


def _place(ratio: float) -> float:
    return round(min(max(ratio, 1 / _SPAN), _SPAN), 6)


def _off(synthetic: float, real: float) -> str:
    if real == 0:
        return "±0 %" if synthetic == 0 else "–"
    percent = round(100 * (synthetic / real - 1))
    return f"{percent:+d} %".replace("-", "−") if percent else "±0 %"


def _figure(value: float, unit: str) -> str:
    """Three digits: shares (which have no unit) as percentages, thousands and millions as k and M."""
    if not unit:
        return f"{_short(100 * value)} %"
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{_short(value / limit)} {letter}"
    return _short(value)


def _short(value: float) -> str:
    if 0 < value < 0.001:
        return "<0.001"
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.3g}"
