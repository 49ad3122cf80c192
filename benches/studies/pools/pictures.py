"""Heat maps over pool and requests in flight, one panel per client, link and body."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benches.studies.pools.plan import CLIENTS, LINKS
from packhorse.bench.report.plots.svg import BLUE, FAINT, FONT, INK, ORANGE, SKY, require, to_svg
from packhorse.units import format_bytes

Row = Mapping[str, Any]

_CELL_WIDTH, _CELL_HEIGHT = 44, 24
_RANGES = {"good": ["#FFFFFF", SKY, BLUE], "bad": ["#FFFFFF", "#F3BE9B", ORANGE]}
#: Title, and what is drawn: name of the figure, whether much of it is good, and how it is written.
PICTURES: Mapping[str, tuple[str, tuple[str, str, Callable[[float], str]]]] = {
    "rates": ("PUT/s by pool and requests in flight", ("puts_per_s", "good", lambda value: f"{value:.0f}")),
    "connections": (
        "Connections opened per 100 PUTs",
        ("connections_per_100_puts", "bad", lambda value: f"{value:.0f}"),
    ),
    "p99": ("99th percentile of a PUT's latency, ms", ("latency_p99_ms", "bad", lambda value: f"{value:.0f}")),
}


def pictures(document: Mapping[str, Any]) -> dict[str, str]:
    """SVG by name; the same document gives the same bytes.

    Raises:
        UnavailableError: The drawing library is not installed.
    """
    rows = [row for row in document["samples"] if row.get("puts")]
    return {name: _picture(rows, title, figure) for name, (title, figure) in PICTURES.items()} if rows else {}


def _picture(rows: Sequence[Row], title: str, figure: tuple[str, str, Callable[[float], str]]) -> str:
    require()
    import altair as alt

    field, sense, write = figure
    clients = [client for client in CLIENTS if any(row["client"] == client for row in rows)]
    places = sorted(
        {(row["body_bytes"], row["link"]) for row in rows}, key=lambda place: (place[0], LINKS.index(place[1]))
    )
    lines = []
    for body, link in places:
        here = [row for row in rows if (row["body_bytes"], row["link"]) == (body, link)]
        most = max(row[field] for row in here) or 1.0
        panels = [
            _panel([row for row in here if row["client"] == client], client, (field, sense, write), most)
            for client in clients
        ]
        heading = alt.TitleParams(f"{format_bytes(body)}, {link}", anchor="start", fontSize=13, color=INK, offset=8)
        lines.append(alt.hconcat(*panels, spacing=14, title=heading))
    below = (
        "Across: requests in flight; down: pool. Dark: the client's best pool for as many in flight; pale: costly."
        if sense == "good"
        else "Across: requests in flight; down: pool. Darker is worse, within a line of panels."
    )
    heading = alt.TitleParams(
        title,
        subtitle=below,
        anchor="start",
        fontSize=17,
        subtitleFontSize=12,
        subtitleColor=FAINT,
        color=INK,
        offset=12,
    )
    whole = (
        alt.vconcat(*lines, title=heading, spacing=22)
        .resolve_scale(color="independent", x="independent", y="independent")
        .configure(font=FONT, background="white", padding=16)
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, titleColor=FAINT, titleFontWeight="normal", labelFontSize=11)
    )
    return to_svg(whole)


def _panel(rows: Sequence[Row], client: str, figure: tuple[str, str, Callable[[float], str]], most: float) -> Any:
    import altair as alt

    field, sense, write = figure
    best = {flight: max(row[field] for row in rows if row["in_flight"] == flight) for flight in _flights(rows)}
    values = [
        {
            "pool": row["pool"],
            "in_flight": row["in_flight"],
            "share": round(row[field] / (best[row["in_flight"]] if sense == "good" else most), 4),
            "text": write(row[field]),
        }
        for row in rows
    ]
    flights, pools = _flights(rows), sorted({row["pool"] for row in rows})
    base = alt.Chart(alt.InlineData(values=values)).properties(
        width=max(1, len(flights)) * _CELL_WIDTH, height=max(1, len(pools)) * _CELL_HEIGHT
    )
    bare = alt.Axis(domain=False, ticks=False, labelAngle=0, title=None)
    x = alt.X("in_flight:O", sort=flights, axis=bare)
    y = alt.Y("pool:O", sort=pools, axis=bare)
    colour = alt.Color("share:Q", legend=None, scale=alt.Scale(range=_RANGES[sense], domain=[0, 0.5, 1]))
    name = alt.TitleParams(client, anchor="start", fontSize=11.5, fontWeight="normal", color=INK, offset=4)
    return alt.layer(
        base.mark_rect(stroke="white", strokeWidth=2).encode(x=x, y=y, color=colour),
        base.mark_text(fontSize=11).encode(
            x=x, y=y, text="text:N", color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value(INK))
        ),
    ).properties(title=name)


def _flights(rows: Sequence[Row]) -> list[int]:
    return sorted({row["in_flight"] for row in rows})
