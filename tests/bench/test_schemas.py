"""The stored schemas are those of the classes, and hold what is committed."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from packhorse.bench.gate.record import read_gate
from packhorse.bench.race.record import read_plain
from packhorse.bench.schemas import FILES, text
from tests.bench.race.known import race_data

REPORTS = Path(__file__).parents[2] / "reports"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_schemas_are_in_step_with_their_classes(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == text(FILES[file]), "run: python -m packhorse.bench.schemas"


def test_committed_records_follow_them() -> None:
    race, gate = (json.loads(file.read_text(encoding="utf-8")) for file in FILES)
    for data in (read_plain(REPORTS / "race-default"), race_data()):
        jsonschema.validate(data, race)
    jsonschema.validate(read_gate(REPORTS / "gate-example"), gate)
