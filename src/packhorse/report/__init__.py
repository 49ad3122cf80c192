"""Reports rendered from race records, and from records only: rendering again gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from packhorse.files import write_text
from packhorse.race.record import read_record
from packhorse.report import markdown, picture

__all__ = ["write"]


def write(folder: Path) -> tuple[Path, ...]:
    """Render ``record.json`` of a race's folder into ``report.md`` and ``report.svg`` beside it.

    Each file is written whole, or not at all.

    Returns:
        The paths written.

    Raises:
        RecordError: The record is missing or does not follow the schema.
    """
    record = read_record(folder)
    rendered = {"report.md": markdown.render(record), "report.svg": picture.render(record)}
    for name, text in rendered.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in rendered)
