"""Pictures of a parallelism record: latency ratios, memory and backlog over time, who uses the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benches.studies.parallelism.summary import RATIO_BOUND
from packhorse.bench.report.plots.svg import BLUE, FAINT, FONT, GREY, INK, ORANGE, SKY, require, to_svg
from packhorse.units import MIB

if TYPE_CHECKING:
    import altair as alt

Document = Mapping[str, Any]
_COLOURS = {
    "floating": ORANGE,
    "awaited": "#E69F00",
    "common": GREY,
    "packhorse": BLUE,
    "packhorse, gc tuned": "#009E73",
}
_PARTS = {
    "tasks_s": ("the tasks themselves", SKY),
    "rest_of_loop_s": ("rest of the loop's thread", ORANGE),
    "other_threads_s": ("other threads", BLUE),
}


def pictures(document: Document) -> dict[str, str]:
    """SVG by name. Empty where there is nothing to draw.

    Raises:
        UnavailableError: The drawing library is not installed.
    """
    require()
    if not document["levels"]:
        return {}
    found = {"latency": _latency(document), "cpu": _cpu(document), "backlog": _over_time(document)}
    return {name: to_svg(_dressed(chart)) for name, chart in found.items() if chart is not None}


def shown_level(document: Document) -> int | None:
    """The level drawn over time: 100 where it was measured, else the highest."""
    levels = {int(n) for figures in document["levels"].values() for n in figures}
    return 100 if 100 in levels else max(levels, default=None)


def _dressed(chart: Any) -> Any:
    return (
        chart.configure(font=FONT, background="white", padding=16)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=FAINT, titleFontWeight="normal", labelFontSize=12, gridColor="#EEEEEE"
        )
        .configure_legend(labelColor=INK, titleColor=FAINT, labelFontSize=12)
    )


def _title(text: str, *below: str) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(
        text, subtitle=list(below), anchor="start", fontSize=16, subtitleFontSize=12, subtitleColor=FAINT, color=INK
    )


def _ways(document: Document) -> alt.Color:
    import altair as alt

    names = [name for name in _COLOURS if name in document["levels"]]
    return alt.Color(
        "way:N", title=None, scale=alt.Scale(domain=names, range=[_COLOURS[name] for name in names]), sort=names
    )


def _latency(document: Document) -> Any | None:
    import altair as alt

    rows = [
        {"way": way, "parallelism": int(n), "ratio": figures["ratio"]}
        for way, levels in document["levels"].items()
        for n, figures in levels.items()
        if figures["ratio"] is not None
    ]
    if not rows:
        return None
    base = alt.Chart(alt.InlineData(values=rows)).properties(width=560, height=320)
    measured = sorted({row["parallelism"] for row in rows})
    ticks = [n for n in (1, 3, 10, 30, 100, 300) if n <= max(measured, default=1)]
    x = alt.X(
        "parallelism:Q",
        title="tasks at once",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=ticks, format="d"),
    )
    y = alt.Y(
        "ratio:Q",
        title="task latency, parallel : single",
        scale=alt.Scale(type="log", nice=False, domain=[0.9, max(2.0, 1.1 * max(row["ratio"] for row in rows))]),
        axis=alt.Axis(format="~g", values=[1, 1.1, 1.5, 2, 3, 5, 8, 12, 20, 40]),
    )
    line = base.mark_line(point=alt.OverlayMarkDef(size=55, filled=True), strokeWidth=2).encode(
        x=x, y=y, color=_ways(document)
    )
    bound = (
        alt.Chart(alt.InlineData(values=[{"bound": RATIO_BOUND}]))
        .mark_rule(strokeDash=[5, 4], color=FAINT)
        .encode(y="bound:Q")
    )
    return alt.layer(bound, line).properties(
        title=_title(
            "What parallelism costs a task", f"Dashed: {RATIO_BOUND}. Tasks still running count as they stood."
        )
    )


def _over_time(document: Document) -> Any | None:
    import altair as alt

    level = shown_level(document)
    seen: set[str] = set()
    rows = []
    for run in document["samples"]:
        if run["parallelism"] != level or run["way"] in seen or "question" in run or run["way"] not in _COLOURS:
            continue
        seen.add(run["way"])
        rows += [{"way": run["way"], "at_s": s[0], "rss": s[1] / MIB, "backlog": s[4]} for s in run["samples"]]
    if not rows:
        return None
    base = alt.Chart(alt.InlineData(values=rows)).properties(width=330, height=240)
    x = alt.X("at_s:Q", title="seconds since the first task")

    def panel(field: str, title: str) -> Any:
        y = alt.Y(f"{field}:Q", title=None)
        return base.mark_line(strokeWidth=2).encode(x=x, y=y, color=_ways(document)).properties(title=_title(title))

    both = alt.hconcat(panel("backlog", "captures handed over, not stored"), panel("rss", "resident memory, MiB"))
    return both.properties(title=_title(f"{level} tasks at once, over time"))


def _cpu(document: Document) -> Any:
    import altair as alt

    names = [name for name in _COLOURS if name in document["levels"]]
    rows = [
        {
            "way": way,
            "level": int(n),
            "part": words,
            "order": order,
            "cores": figures["cpu"][part] / figures["cpu"]["wall_s"],
        }
        for way in names
        for n, figures in document["levels"][way].items()
        if figures["cpu"] and int(n) in document["settings"]["levels"]
        for order, (part, (words, _)) in enumerate(_PARTS.items())
    ]
    scale = alt.Scale(domain=[w for w, _ in _PARTS.values()], range=[c for _, c in _PARTS.values()])
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("level:O", title="tasks at once", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("cores:Q", title="cores used by the service"),
            color=alt.Color("part:N", title=None, scale=scale),
            order="order:Q",
            column=alt.Column("way:N", sort=names, title=None, header=alt.Header(labelFontSize=13, labelColor=INK)),
        )
        .properties(width=125, height=220, title=_title("Who uses the CPU"))
    )
