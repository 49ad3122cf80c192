"""Captures of a race: which are screened on, and how large ones are cut for that."""

from __future__ import annotations

import json
from pathlib import Path

from packhorse.bench.race import inputs


def test_stages_are_screened_on_the_smallest_captures_up_to_a_bound(tmp_path: Path) -> None:
    files = [
        inputs.write(tmp_path, f"{size}.json", {"log": {"entries": ["x" * 100] * size}}, "given") for size in (9, 1, 3)
    ]
    assert inputs.for_screening(tmp_path, files, 600) == ["1.json", "3.json"]
    assert inputs.for_screening(tmp_path, files, 10_000) == ["1.json", "3.json", "9.json"]


def test_a_capture_beyond_the_bound_is_cut_to_its_first_entries(tmp_path: Path) -> None:
    file = inputs.write(
        tmp_path, "large.json", {"log": {"version": "1.2", "entries": [{"n": i} for i in range(1000)]}}, "given"
    )
    assert inputs.for_screening(tmp_path, [file], file.plain_bytes // 10) == ["screening.json"]
    cut = json.loads((tmp_path / "screening.json").read_text())
    assert cut["log"]["version"] == "1.2"
    count = len(cut["log"]["entries"])
    assert 95 <= count <= 100
    assert cut["log"]["entries"] == [{"n": i} for i in range(count)]
    other = inputs.write(tmp_path, "list.json", list(range(1000)), "given")
    assert inputs.for_screening(tmp_path, [other], 10) == ["list.json"]
