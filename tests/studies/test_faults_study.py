"""The whole study of faults: at least 1,000 uploads a cell, and ten minutes of black hole (``tox -e reliability``)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from packhorse.cli.study import study

#: Where the record and the report are left, for reading (relative to where pytest is run: the repository's root).
FOLDER = Path("out/reliability")
#: A bound for hanging: the study takes about 40 minutes on two cores, 22 of them in the black holes.
LIMIT_S = 3 * 3600


@pytest.mark.reliability
@pytest.mark.timeout(LIMIT_S)
def test_the_study_of_faults_finds_no_problem() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = FOLDER / "study-faults.json"
    done = CliRunner().invoke(study, ["faults", "-o", str(record)], catch_exceptions=False)
    assert done.exit_code == 0
    document = json.loads(record.read_bytes())
    assert not document["interrupted"]
    assert document["problems"] == []
    assert all(row["submitted"] >= 1000 or "multipart" in row["cell"] for row in document["cells"])
    assert {row["spec"]["hole_s"] for row in document["outages"]} == {600.0}
    assert record.with_suffix(".md").exists()
