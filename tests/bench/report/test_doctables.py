"""Tables in the documentation are what the records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.build_tables import TABLES, main, render
from packhorse.errors import InputError

DOCS = Path(__file__).parents[3] / "docs"
ROW = {"truth": "6 equal", "best_lost": 0.0396, "left_early": 0.002, "runs": 480}
TEXT = "before\n<!-- table: looks from study.json -->\nby hand\n<!-- end of table -->\nafter\n"


def test_the_documents_are_in_step_with_their_records() -> None:
    assert "<!-- table: " in (DOCS / "methodology.md").read_text(encoding="utf-8")
    for document in DOCS.glob("*.md"):
        text = document.read_text(encoding="utf-8")
        written = "python -m docs.build_tables docs/" + document.name
        assert render(text, document.parent) == text, f"not in step; run {written}"


def test_every_table_is_in_the_methodology() -> None:
    text = (DOCS / "methodology.md").read_text(encoding="utf-8")
    assert [name for name in TABLES if f"<!-- table: {name} from " not in text] == []


def test_what_was_written_by_hand_is_replaced_and_the_rest_is_left(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"studies": {"looks": [ROW]}}))
    document = tmp_path / "doc.md"
    document.write_text(TEXT)
    assert main([str(document), "--check"]) == 1
    assert document.read_text() == TEXT
    assert main([str(document)]) == 0
    fresh = document.read_text()
    assert "by hand" not in fresh
    assert "| 6 equal | **4.0 %** | 0.2 % | 480 |" in fresh
    assert fresh.startswith("before\n")
    assert fresh.endswith("after\n")
    assert main([str(document), "--check"]) == 0


def test_an_unknown_table_and_a_missing_record_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nonsense"):
        render(TEXT.replace("looks", "nonsense"), tmp_path)
    with pytest.raises(InputError, match=r"study\.json"):
        render(TEXT, tmp_path)
