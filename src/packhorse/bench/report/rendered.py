"""All files rendered from a race's record, each whole or not at all; those that need libraries only where these are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packhorse.bench.race.record import read_plain
from packhorse.bench.report import export, export_parquet, html, markdown, picture
from packhorse.bench.report.study_records import find_studies, read_studies
from packhorse.errors import UnavailableError
from packhorse.files import appearing

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written.

    Attributes:
        paths: The files.
        left_out: A sentence for each file that was not written, with the library it needs, and for each that is not a
            study though named like one.
    """

    paths: tuple[Path, ...]
    left_out: tuple[str, ...]


def render(folder: Path, studies: Sequence[Path] = ()) -> Rendered:
    """Render ``record.json`` of a race's folder into the files beside it; the same record gives the same bytes.

    Args:
        folder: A race's folder.
        studies: Records of ``packhorse study`` for the page, beside every ``study-*.json`` of the folder.

    Raises:
        RecordError: A record is missing or does not follow its schema; nothing is written. Names it.
    """
    record = read_plain(folder)
    beside, left_out = find_studies(folder)
    found = read_studies([*beside, *studies])
    files: dict[str, Callable[[], str | bytes]] = {
        "report.md": lambda: markdown.render(record),
        "report.svg": lambda: picture.render(record),
        "report.html": lambda: html.render(record, found),
        "samples.csv": lambda: export.csv_text(record),
        "samples.parquet": lambda: export_parquet.parquet_bytes(record),
    }
    paths = []
    for name, made in files.items():
        try:
            content = made()
        except UnavailableError as error:
            left_out.append(f"{name} was not written: {error}")
            continue
        with appearing(folder / name) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        paths.append(folder / name)
    return Rendered(tuple(paths), tuple(left_out))
