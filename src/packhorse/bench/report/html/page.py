"""The page put together: sections, the data embedded in it, and what its security policy allows."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from packhorse.bench.report.export import csv_text
from packhorse.bench.report.html import lists, race_figures, stage_figures, studies, verdict_figure
from packhorse.bench.report.html.answer import answer
from packhorse.bench.report.html.escape import csp_hash, script_json, visible, visible_data
from packhorse.bench.report.html.library import compiled, packed, require, script
from packhorse.bench.report.html.model import Section
from packhorse.bench.report.html.steps_figure import steps
from packhorse.bench.report.limits import limits

if TYPE_CHECKING:
    import jinja2

Record = dict[str, Any]


def render(record: Record, study_records: list[Record] | None = None) -> str:
    """The whole page as one HTML document that loads nothing.

    Args:
        record: A valid race record. Names in it may be hostile: they are shown, never run.
        study_records: Records of ``packhorse study``, drawn below the race.

    Returns:
        HTML; the same arguments give the same text, with the same versions of the plotting library.

    Raises:
        UnavailableError: A library of ``packhorse[report]`` is not installed.
    """
    require()
    sections = [*race_sections(record), *studies.sections(study_records or [])]
    figures = [figure for section in sections for figure in section.figures]
    charts = [{"name": f.name, "spec": compiled(visible_data(f.chart))} for f in figures if f.chart is not None]
    tables = [figure.table for figure in figures] + [found for section in sections for _, found in section.tables]
    keys = sorted({visible(line.key) for found in tables for line in found.lines if line.key})
    style, behaviour = _part("page.css"), _part("page.js")
    return _template().render(
        answer=answer(record),
        sections=sections,
        objective=record["objective"],
        command=record["command"],
        data=script_json({"charts": charts, "keys": keys}),
        record=script_json(record),
        samples=script_json(csv_text(record)),
        library=packed(),
        style=style,
        behaviour=behaviour,
        scripts_allowed=f"{csp_hash(script())} {csp_hash(behaviour)}",
        styles_allowed=csp_hash(style),
    )


def race_sections(record: Record) -> list[Section]:
    """The sections of a race, without its studies."""
    whole = (race_figures.rates(record), steps(record), race_figures.trade(record))
    sure = (verdict_figure.figure_of(record), race_figures.latencies(record))
    alone = (
        stage_figures.encoders(record),
        stage_figures.compressors(record),
        stage_figures.base64_cost(record),
        stage_figures.clients(record),
    )
    doubts = [
        ("Left early", lists.exits(record)),
        ("Rounds left out", lists.disturbed(record)),
        ("Failed", lists.failures(record)),
        ("Not available here", lists.unavailable(record)),
    ]
    origin = [
        ("Captures", lists.captures(record)),
        ("Machine", lists.machine(record)),
        ("Versions", lists.versions(record)),
    ]
    return [
        Section("race", "The race, end to end", "race", whole),
        Section("sure", "How sure, and how late", "confidence", sure),
        Section("alone", "The stages alone", "stages", alone),
        Section(
            "doubts",
            "What limits this result",
            "limits",
            tables=[one for one in doubts if one[1].lines],
            notes=tuple(map(str, limits(record))),
        ),
        Section("origin", "What it was measured on", "machine", tables=origin),
    ]


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FunctionLoader(_part),
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["visible"] = visible
    return environment.get_template("page.html")


def _finalized(value: Any) -> Any:
    """Every text that a template prints is made visible; what is marked as safe already went through its own way."""
    return value if hasattr(value, "__html__") or not isinstance(value, str) else visible(value)


def _part(name: str) -> str:
    return resources.files("packhorse.bench.report.html").joinpath("parts", name).read_text(encoding="utf-8")
