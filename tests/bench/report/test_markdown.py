from __future__ import annotations

import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packhorse.bench.race.findings import Findings
from rich.console import Console

from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import read_record, validate, write_record
from packhorse.bench.race.results import build_record
from packhorse.bench.report import markdown, terminal
from packhorse.bench.report.text import code, plain, table

HOSTILE = "a|b`c``d <script>alert(1)</script> ![x](http://evil.test/) \r\n# head\n| - |\u202e[bold red]"


def sample(block: int) -> dict[str, Any]:
    return {"arm": "x @1", "block": block, "rounds": 1, "captures": 3, "wall_s": 0.3, "user_s": 0.2, "system_s": 0.1,
            "gc_s": 0.0, "gc_collections": 0, "bytes_out": 900, "suspect": []}  # fmt: skip


def record(name: str = "json | none | raw | memory") -> dict[str, Any]:
    """An otherwise empty record with one measured row and hostile names everywhere a name may stand."""
    made = build_record(RaceOptions(target="memory"), Findings(), ["packhorse", name])
    row = {
        "pipeline": name, "arm": "x @1", "role": "candidate", "in_flight": 1, "captures_per_s": 10.0, "wall_s": 0.1,
        "raw_bytes_per_s": 1e6, "cpu_s": 0.1, "bytes_out": 300.0, "peak_rss_bytes": 1 << 20, "blocks": 2,
        "latency": {"p50_s": 0.1, "p99_s": 0.2}, "samples": [sample(0), sample(1)], "error": None, "left_early": None,
        "speedup_over_reference": 2.0, "target_limited": True, "against_best": None,
    }  # fmt: skip
    made["results"] = [
        row,
        {**row, "arm": "y @1", "captures_per_s": None, "wall_s": None, "error": name, "samples": []},
    ]
    made["winner"] = {
        "pipeline": name, "in_flight": 1, "set": [name], "set_arms": ["x @1"], "named": False, "conclusive": False,
        "decided_by": "measurement", "why": name, "method": "m", "blocks": 2, "held_out": None, "streaming": False,
        "captures_per_s": 10.0, "raw_bytes_per_s": 1e6, "wall_s": 0.1, "cpu_s": 0.1, "bytes_out": 300.0,
        "peak_rss_bytes": 1 << 20, "speedup_over_reference": 2.0,
    }  # fmt: skip
    made["captures"] = [{"name": name.replace("/", "_"), "sha256": "0" * 64, "plain_bytes": 100, "entries": None,
                         "shape": {}, "origin": "given", "use": "raced"}]  # fmt: skip
    made["errors"] = [{"phase": "finals", "arm": name, "error": name}]
    made["unavailable"] = [{"stage": "encode", "name": name, "reason": name}]
    made["stages"] = {"encode": [{"candidate": name, "samples": [], "error": name}]}
    return made


def test_an_empty_race_has_a_record_and_a_report() -> None:
    made = validate(build_record(RaceOptions(target="memory"), Findings(), ["packhorse"]), source="here")
    assert "No winner" in markdown.render(made)


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    made = validate(record(), source="here")
    write_record(made, tmp_path / "record.json")
    again = read_record(tmp_path)
    assert again == made
    assert markdown.render(again) == markdown.render(copy.deepcopy(made))
    assert markdown.render(json.loads(json.dumps(made, sort_keys=True))) == markdown.render(made)


@pytest.mark.parametrize("name", [HOSTILE, "`", "``` ", "|", "\\", "\\|", "", "\n\n# x"])
def test_hostile_names_stay_inside_their_cells(name: str) -> None:
    text = markdown.render(record(name))
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [line for line in markdown.render(record()).splitlines() if line.startswith("#")]
    for line in outside_code(text):
        assert "<script" not in line
        assert not re.search(r"(?<!\\)\]\(", line)
        assert "http://" not in line
    for rows in tables(text):
        assert len({cells(row) for row in rows}) == 1, rows


def outside_code(text: str) -> list[str]:
    return [re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line) for line in text.splitlines()]


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row))


def tables(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith(("| ", "|--")):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [rows for rows in found if rows]


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    for shown in (plain(text), code(text), *table((text,), [(plain(text),)])[1:]):
        assert len(shown.splitlines()) <= 1


@given(st.text(alphabet="`ab |\\"))
def test_a_code_span_cannot_be_left(text: str) -> None:
    shown = code(text)
    fence = re.match(r"`+", shown)
    assert fence is not None
    assert shown.endswith(fence[0])
    inner = shown[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall(r"`+", inner)


def test_the_terminal_shows_hostile_names_as_text() -> None:
    console = Console(file=io.StringIO(), width=400, force_terminal=False)
    terminal.show(record("[bold red]x[/nope]"), console)
    assert "[bold red]x[/nope]" in console.file.getvalue()  # type: ignore[attr-defined]
