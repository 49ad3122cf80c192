"""Records of ``packhorse study``, read and checked as far as a page relies on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packhorse.bench.report.html.studies import sections
from packhorse.errors import RecordError

Record = dict[str, Any]

#: What ``packhorse study`` writes (cli/study.py).
SCHEMA_VERSION = 1
KIND = "study"


def read_studies(files: Sequence[Path]) -> list[Record]:
    """The records of some files, each file once.

    Raises:
        RecordError: A file cannot be read or holds no study's record; names it.
    """
    return [_checked(file, _read(file)) for file in _once(files)]


def find_studies(folder: Path) -> tuple[list[Path], list[str]]:
    """Every ``study-*.json`` of a folder that says that it is a study, and a sentence for each that does not.

    Others may have given a file such a name. What is no JSON at all may be a damaged study, and counts as one: reading
    it says so.

    Raises:
        RecordError: A file cannot be read or is not JSON; names it.
    """
    found, left_out = [], []
    for file in sorted(folder.glob("study-*.json")):
        record = _read(file)
        if isinstance(record, dict) and record.get("kind") == KIND:
            found.append(file)
        else:
            left_out.append(f"{file.name} was left out: it is not a record of packhorse study, whose kind is {KIND!r}")
    return found, left_out


def _once(files: Iterable[Path]) -> Iterable[Path]:
    return dict.fromkeys(file.resolve() for file in files)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{file.name}: cannot be read: {error.strerror}; give a study's record") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{file.name}: not JSON: {error}; if it is no study of this race, move it away") from error


def _checked(file: Path, found: Any) -> Record:
    if not isinstance(found, dict) or found.get("kind") != KIND or not isinstance(found.get("name"), str):
        raise RecordError(f"{file.name}: not a record of packhorse study: kind must be {KIND!r}, with a name")
    if found.get("schema_version") != SCHEMA_VERSION:
        raise RecordError(
            f"{file.name}: schema_version is {found.get('schema_version')!r}, this packhorse reads {SCHEMA_VERSION}"
        )
    try:
        sections([found])
    except RecordError as error:
        raise RecordError(f"{file.name}: {error}") from error
    return found
