"""Reading and writing a race's record: one versioned JSON document, checked both ways."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from packhorse.bench.race.record_types import RaceRecord
from packhorse.bench.race.record_v2 import upgraded
from packhorse.errors import RecordError
from packhorse.files import write_text

SCHEMA_VERSION = 3
#: A record as plain JSON data, as reports read it.
Plain = dict[str, Any]


def schema() -> dict[str, Any]:
    """The JSON Schema of a record, as it is in the file beside this module."""
    text = resources.files("packhorse.bench.race").joinpath("record.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def validate(data: object, *, source: str) -> RaceRecord:
    """Check a record, and bring one of an older version up to the present one.

    Raises:
        RecordError: Names ``source``, the field and what is wrong with it.
    """
    if isinstance(data, RaceRecord):
        data = plain(data)
    if not isinstance(data, dict):
        raise RecordError(f"{source}: a record is a JSON object, this is {type(data).__name__}")
    version = data.get("schema_version")
    if version in (1, 2):
        try:
            data = upgraded(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(
                f"{source}: written by an older packhorse (version {version}) and cannot be read any more "
                f"({type(error).__name__}: {error}); race again"
            ) from error
    elif version != SCHEMA_VERSION:
        raise RecordError(
            f"{source}: schema_version is {version!r}, this packhorse reads 1 to {SCHEMA_VERSION}; "
            "use the packhorse that wrote it"
        )
    try:
        return msgspec.convert(data, RaceRecord)
    except msgspec.ValidationError as error:
        raise RecordError(f"{source}: {str(error)[:300]}") from error


def plain(record: RaceRecord) -> Plain:
    """The record as JSON data, as reports read it."""
    found: Plain = msgspec.to_builtins(record)
    return found


def write_record(record: RaceRecord, path: Path) -> None:
    """Write a record beside its place, then rename: a reader sees the old file or the new one, never a part.

    Raises:
        RecordError: It does not follow its own classes; nothing is written.
    """
    data = plain(validate(record, source=path.name))
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path) -> RaceRecord:
    """Read a record, given its file or its folder.

    Raises:
        RecordError: Missing, not JSON, or not following the schema.
    """
    file, loaded = load_json(path, "record.json", kind="race")
    return validate(loaded, source=str(file))


def read_plain(path: Path) -> Plain:
    """As :func:`read_record`, as JSON data for the reports."""
    return plain(read_record(path))


def load_json(path: Path, name: str, *, kind: str) -> tuple[Path, Any]:
    """Read a JSON document, given its file or the folder in which it is called ``name``.

    Returns:
        The file and what is in it, unchecked.

    Raises:
        RecordError: Missing or not JSON; says to give the folder of a ``kind``.
    """
    file = path / name if path.is_dir() else path
    try:
        return file, json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{file}: cannot be read: {error.strerror}; give the folder of a {kind}") from error
    except ValueError as error:
        raise RecordError(f"{file}: not JSON: {error}") from error
