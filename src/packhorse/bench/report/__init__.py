"""Reports rendered from race records, and from records only: rendering again gives the same bytes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write"]


def write(folder: Path) -> tuple[Path, ...]:
    """Render ``record.json`` of a race's folder into the reports and tables of samples beside it.

    Each file is written whole, or not at all; those whose libraries are not installed are left out.

    Returns:
        The paths written.

    Raises:
        RecordError: The record is missing or does not follow the schema.
    """
    from packhorse.bench.report.rendered import render

    return render(folder).paths
