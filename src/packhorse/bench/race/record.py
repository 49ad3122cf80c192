"""The record: one versioned JSON document per race, checked against its schema on write and on read."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from packhorse.errors import RecordError
from packhorse.files import write_text

SCHEMA_VERSION = 2
#: Versions that can be read; older ones become the present one on reading.
READABLE = (1, 2)

#: A record as plain JSON data. ``record.schema.json`` beside this module says what is in it.
Record = dict[str, Any]


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    text = resources.files("packhorse.bench.race").joinpath("record.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def validate(record: object, *, source: str) -> Record:
    """Check a record, and bring one of an older version up to the present one.

    With ``jsonschema`` installed the whole schema is checked, without it the version and the required keys.

    Raises:
        RecordError: Names ``source``, the field and what is wrong with it.
    """
    if not isinstance(record, dict):
        raise RecordError(f"{source}: a record is a JSON object, this is {type(record).__name__}")
    version = record.get("schema_version")
    if version not in READABLE:
        raise RecordError(
            f"{source}: schema_version is {version!r}, this packhorse reads {' and '.join(map(str, READABLE))}; "
            "use the packhorse that wrote it"
        )
    record = upgraded(record)
    rules = schema()
    missing = [key for key in rules["required"] if key not in record]
    if missing:
        raise RecordError(f"{source}: {', '.join(missing)} missing")
    try:
        import jsonschema  # type: ignore[import-untyped]
    except ImportError:
        return record
    errors = sorted(jsonschema.Draft202012Validator(rules).iter_errors(record), key=lambda e: e.json_path)
    if errors:
        raise RecordError(f"{source}: {errors[0].json_path}: {errors[0].message[:300]}")
    return record


def upgraded(record: Record) -> Record:
    """A record of version 1 as one of version 2; one of version 2 as it is. The given one is not changed.

    Version 1 had no verdicts on rows, kept no looks, and told of early exits by a phrase alone. What it did not keep is
    empty here; ``packhorse judge`` forms the verdicts from its samples.
    """
    if record.get("schema_version") != 1:
        return record
    added: Record = {
        "exits": [],
        "method": {"yardstick": None, "verdicts": None, "looks": {}},
        "require": None,
        "link_figures": None,
    }
    return {**added, **record, "interactions": [], "schema_version": SCHEMA_VERSION}


def write_record(record: Record, path: Path) -> None:
    """Write a record beside its place, then rename: a reader sees the old file or the new one, never a part.

    Raises:
        RecordError: It does not follow the schema; nothing is written.
    """
    record = validate(record, source=path.name)
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path) -> Record:
    """Read a record, given its file or its folder.

    Raises:
        RecordError: Missing, not JSON, or not following the schema.
    """
    file, loaded = load_json(path, "record.json", kind="race")
    return validate(loaded, source=str(file))


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
