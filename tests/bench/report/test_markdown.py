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
from rich.console import Console

from packhorse.bench.race.bench import Findings
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import plain as plain_data
from packhorse.bench.race.record import read_record, validate, write_record
from packhorse.bench.race.results import build_record
from packhorse.bench.report import markdown, terminal
from packhorse.bench.report.text import code, plain, table
from tests.bench.race.known import race_data

HOSTILE = "a|b`c``d <script>alert(1)</script> ![x](http://evil.test/) \r\n# head\n| - |\u202e[bold red]"


def record(name: str = "json | none | raw | memory") -> dict[str, Any]:
    """A record with hostile names everywhere a name may stand."""
    made = race_data()
    for row in made["results"][:2]:
        row["pipeline"], row["error"] = name, name
    made["winner"].update(pipeline=name, sentence=f"Use {name}.", decided_by=name)
    made["captures"] = [{**made["captures"][0], "name": name.replace("/", "_")}]
    made["errors"] = [{"phase": "finals", "arm": name, "error": name}]
    made["unavailable"] = [{"stage": "encode", "name": name, "reason": name}]
    made["stages"]["encode"][0].update(candidate=name, error=name)
    made["published"]["results"][0]["pipeline"] = name
    made["published"]["note"] = name
    return made


def test_an_empty_race_has_a_record_and_a_report() -> None:
    made = validate(build_record(RaceOptions(target="memory"), Findings(), ["packhorse"]), source="here")
    assert "No answer: nothing that may win was measured" in markdown.render(plain_data(made))


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    made = validate(record(), source="here")
    write_record(made, tmp_path / "record.json")
    again = plain_data(read_record(tmp_path))
    assert again == plain_data(made)
    assert markdown.render(again) == markdown.render(copy.deepcopy(record()))
    assert markdown.render(json.loads(json.dumps(again, sort_keys=True))) == markdown.render(again)


def test_the_report_says_by_what_the_choice_stands() -> None:
    text = markdown.render(race_data())
    assert text.startswith("# Race report\n\n**Use json &#124; zlib:1")
    for heading in ("## Verdicts", "## As imported", "## What limits this result", "## Looks", "## Encoders alone"):
        assert heading in text
    assert "| A | `json \\| zlib:1 \\| raw \\| obstore` | 8 | fastest | best |" in text
    assert "1 of 25 rounds were left out" in text
    assert "3× the common stack (no interval" not in text


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
