"""Reports rendered from race records, and from records only: rendering again gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from packhorse.race.record import read_record, write_text
from packhorse.report import markdown

__all__ = ["write"]


def write(folder: Path) -> Path:
    """Render ``record.json`` of a race's folder into ``report.md`` beside it (written whole, or not at all).

    Returns:
        The report's path.

    Raises:
        RecordError: The record is missing or does not follow the schema.
    """
    path = folder / "report.md"
    write_text(path, markdown.render(read_record(folder)))
    return path
