"""Records of ``packhorse study`` on the page: pools, regimes and parallelism are drawn, others only named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packhorse.errors import RecordError
from packhorse.report.html import study_parallelism, study_pools, study_regimes
from packhorse.report.html.model import Figure, Section

Record = dict[str, Any]

#: A study's name → its title and the figures drawn of it.
_DRAWN: dict[str, tuple[str, Callable[[Record], list[Figure]]]] = {
    "pools": ("Pool × concurrency under a declared link", study_pools.figures),
    "regimes": ("Which pipeline wins where", study_regimes.figures),
    "parallelism": ("What uploads do to a service's tasks", study_parallelism.figures),
}


def sections(records: list[Record]) -> list[Section]:
    """A section for each study's record.

    Raises:
        RecordError: A record of a known study lacks what is drawn of it; names the study.
    """
    return [_section(number, record) for number, record in enumerate(records)]


def _section(number: int, record: Record) -> Section:
    name = record["name"]
    title, figures = _DRAWN.get(name, (f"Study: {name}", lambda _: []))
    notes = [f"Command: {' '.join(map(str, record.get('command', ())))}"]
    if record.get("quick"):
        notes.append("A quick run: to see that it works, not to believe its figures.")
    if record.get("interrupted"):
        notes.append("The study was interrupted: these are the figures it had.")
    if name not in _DRAWN:
        notes.append("This study has no plots here; its own report stands beside its record.")
    try:
        return Section(f"study-{number}", title, figures(record), notes=tuple(notes))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise RecordError(f"study {name!r}: its record is not of the form drawn here: {error!r}") from error
