"""Records of ``packhorse study`` on the page: those with plots are drawn, others only named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from packhorse.bench.report.html import study_load, study_parallelism, study_pools, study_regimes
from packhorse.bench.report.html.model import Section
from packhorse.errors import RecordError

Record = dict[str, Any]

#: A study's name → its title and what draws it.
_DRAWN = {
    "pools": ("Pool × concurrency under a declared link", study_pools),
    "load": ("What a closed loop hides", study_load),
    "regimes": ("Which compressor wins where", study_regimes),
    "parallelism": ("What uploads do to a service's tasks", study_parallelism),
}


def sections(records: list[Record]) -> list[Section]:
    """A section for each study's record.

    Raises:
        RecordError: A record of a known study lacks what is drawn of it; names the study.
    """
    made = [_section(number, record) for number, record in enumerate(records)]
    names = [figure.name for section in made for figure in section.figures]
    again = {name for name in names if names.count(name) > 1}
    return [_apart(section, again) for section in made]


def _apart(section: Section, names: set[str]) -> Section:
    """The section with names of its own where several records are of one study."""
    figures = [
        replace(one, name=f"{one.name}-{section.name}", table=replace(one.table, name=f"{one.name}-{section.name}"))
        if one.name in names
        else one
        for one in section.figures
    ]
    return replace(section, figures=tuple(figures))


def _section(number: int, record: Record) -> Section:
    name = record["name"]
    title, drawn = _DRAWN.get(name, (f"Study: {name}", None))
    notes = [f"Command: {' '.join(map(str, record.get('command', ())))}"]
    if record.get("quick"):
        notes.append("A quick run: to see that it works, not to believe its figures.")
    if record.get("interrupted"):
        notes.append("The study was interrupted: these are the figures it had.")
    if drawn is None:
        notes.append("This study has no plots here; its own report stands beside its record.")
    try:
        told = [*(drawn.notes(record) if drawn else ()), *notes]
        return Section(
            f"study-{number}",
            title,
            name,
            drawn.figures(record) if drawn else (),
            drawn.tables(record) if drawn else (),
            tuple(told),
        )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise RecordError(f"study {name!r}: its record is not of the form drawn here: {error!r}") from error
