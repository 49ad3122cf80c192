"""Writes the JSON Schemas of records beside their classes: ``python -m packhorse.bench.schemas``."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from packhorse.bench.gate.record import GateRecord
from packhorse.bench.race.record_types import RaceRecord

_HERE = Path(__file__).parent
FILES: dict[Path, type[msgspec.Struct]] = {
    _HERE / "race" / "record.schema.json": RaceRecord,
    _HERE / "gate" / "gate.schema.json": GateRecord,
}


def text(record: type[msgspec.Struct]) -> str:
    """The schema of a record's class, as it is stored."""
    return json.dumps(msgspec.json.schema(record), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    for file, record in FILES.items():
        file.write_text(text(record), encoding="utf-8")


if __name__ == "__main__":
    main()
