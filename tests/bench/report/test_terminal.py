"""The table on a terminal: 80 columns, short names, the winner once, the presets last, the same without colour."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from packhorse.bench.report import terminal
from packhorse.bench.report.names import differing, letters, same
from tests.bench.race.known import FAST
from tests.bench.report.records import hostile, published


def shown(record: dict[str, Any], width: int = 80, *, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    terminal.show(record, console)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_and_says_the_winner_once_and_the_presets_last(width: int) -> None:
    text = shown(published(), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    assert " ".join(text.split()).count(FAST) == 1
    rows = [line for line in lines if re.match(r" ?(A|B|C|D|  ) +\S", line)]
    order = [line.split()[0] for line in rows if line.split()[0] in "ABCD"]
    assert order == ["A", "B", "C", "D"]
    table = text.partition("All but the last")[0]
    assert table.index(" D ") < table.index("common stack") < table.index("original design")
    assert "verdict" in text
    assert "by CPU" in text
    assert f"Use {FAST} with 8 in flight:" in " ".join(text.split())


def test_rows_show_what_differs() -> None:
    record = published()
    names = differing(record)
    assert names[f"{FAST} @8"] == "zlib:1"
    assert set(letters(record).values()) == {"A", "B", "C", "D"}
    assert same(record) == "json, raw, obstore, 8 in flight"
    assert {"none", "bz2:9", "gzip:1", "common stack", "original design"} < set(names.values())


def test_colour_means_a_verdict_and_without_it_nothing_is_lost() -> None:
    coloured = shown(published(), colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(published())
    assert "\x1b[" not in shown(published())
    codes = re.findall(r"\x1b\[([0-9;]*)m([^\x1b]*)", coloured)
    meant = {code: {text.strip().partition(" ")[0] for of, text in codes if of == code} for code, _ in codes}
    assert {code for code in meant if set(code.split(";")) & set(map(str, range(30, 50)))} == {"1;32", "31"}
    assert meant["31"] == {"slower"}
    assert {"fastest", "Use"} <= meant["1;32"]


def test_a_race_that_decided_nothing_has_nothing_green() -> None:
    record = published()
    record["winner"]["conclusive"] = False
    text = shown(record, colour=True)
    assert "32m" not in text
    assert " ahead " in text


def test_what_the_reader_must_know_is_said() -> None:
    record = published()
    record["busy"] = True
    record["twin"]["differs"] = True
    text = " ".join(shown(record).split())
    assert text.startswith("Busy machine: ")
    assert "under two names was told apart" in text
    assert "By client CPU B is best; the declared objective, throughput, decides." in text
    assert "bare parts 1" in text
    assert re.search(r"bare parts [\d.]+ → hot path [\d.]+ → with redaction [\d.]+ → uploader [\d.]+;", text)


def test_undecided_rows_say_what_would_decide_them_where_anything_would() -> None:
    verdict = {"word": "undecided", "text": "undecided; 31 s more would tell"}
    assert terminal.short(verdict) == "undecided (+31 s)"
    assert terminal.short(verdict, timed=False) == "undecided"
    assert terminal.short({"word": "slower", "text": "slower by 3–8 %"}) == "slower by 3–8 %"


def test_names_are_text_and_never_markup() -> None:
    record = hostile()
    record["winner"]["sentence"] = "[bold red]x[/nope]"
    assert "[bold red]x[/nope]" in shown(record, 400)
