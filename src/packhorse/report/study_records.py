"""Records of ``packhorse study``, read and checked as far as a page relies on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packhorse.errors import RecordError

#: What ``packhorse study`` writes (cli/study.py).
SCHEMA_VERSION = 1


def read_studies(files: Sequence[Path]) -> list[dict[str, Any]]:
    """The records of some files, each file once.

    Raises:
        RecordError: A file cannot be read or holds no study's record; names it.
    """
    return [_read(file) for file in dict.fromkeys(file.resolve() for file in files)]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{file.name}: cannot be read: {error.strerror}; give a study's record") from error
    except ValueError as error:
        raise RecordError(f"{file.name}: not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("kind") != "study" or not isinstance(found.get("name"), str):
        raise RecordError(f"{file.name}: not a record of packhorse study: kind must be 'study', with a name")
    if found.get("schema_version") != SCHEMA_VERSION:
        raise RecordError(
            f"{file.name}: schema_version is {found.get('schema_version')!r}, this packhorse reads {SCHEMA_VERSION}"
        )
    return found
