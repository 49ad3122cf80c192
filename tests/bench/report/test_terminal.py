"""Summaries on a terminal: intervals of all rows on one scale, and nothing cut off at any usual width."""

from __future__ import annotations

import io
import math
import re
from types import ModuleType
from typing import Any

import pytest
from packhorse.bench.report.interval_column import drawn
from rich.console import Console

from packhorse.bench.report import ranking, terminal
from tests.bench.report.records import published, with_verdicts

_SPARK = re.compile(r"[·━●○│┿◀▶]{9,}")


def effect(low: float | None, middle: float | None, high: float | None) -> dict[str, float | None]:
    """Given in per cent."""
    ends = {"low": low, "log_ratio": middle, "high": high}
    return {name: None if end is None else math.log1p(end / 100) for name, end in ends.items()}


def shown(record: dict[str, Any], width: int, module: ModuleType) -> str:
    out = io.StringIO()
    module.show(record, Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def test_all_rows_stand_on_one_scale_with_zero_marked() -> None:
    rows = [effect(-10, 0, 10), effect(-5, 10, 29.5), effect(15, 20, 25), effect(None, 20, None), None]
    found = drawn(rows, 13)
    assert found is not None
    assert found.cells == ("━━━●━━━······", "··━┿━━●━━━━━━", "···│····━●━··", "···│·····○···", "")
    assert found.scale == "-10 %   +30 %"


def test_what_lies_far_out_is_an_arrow_and_does_not_flatten_the_rest() -> None:
    found = drawn([effect(-1, 2, 5), effect(2000, 3000, 4000), effect(-99, -98, -97)], 13)
    assert found is not None
    assert found.cells[1].endswith("▶")
    assert found.cells[2].startswith("◀")
    assert found.scale == "-60 %   +60 %"


@pytest.mark.parametrize("rows", [[], [None], [{"log_ratio": None, "low": None, "high": None}]])
def test_without_effects_there_is_no_column(rows: list[Any]) -> None:
    assert drawn(rows, 9) is None


def test_an_effect_of_nothing_has_an_axis() -> None:
    found = drawn([effect(0, 0, 0)], 11)
    assert found is not None
    assert found.cells == ("●··········",)


@pytest.fixture(scope="module")
def judged() -> dict[str, Any]:
    """A race whose rows have verdicts."""
    return with_verdicts()


@pytest.mark.parametrize("width", [80, 103, 104, 113, 114, 129, 130, 200])
def test_the_race_shows_every_verdict_with_its_interval(judged: dict[str, Any], width: int) -> None:
    text = shown(judged, width, terminal)
    rows = [row for row in judged["results"] if row["role"] != "aa-twin"]
    lines = [_SPARK.search(line) for line in text.splitlines() if _SPARK.search(line)]
    assert len(lines) == len(rows)
    assert len({len(line[0]) for line in lines if line}) == 1
    assert max(map(len, text.splitlines())) <= width
    assert "+60 %" in text
    assert "…" not in text
    assert "Verdicts and costs are over the yardstick (│)" in " ".join(text.split())


@pytest.mark.parametrize("width", [80, 100, 130])
def test_the_ranking_draws_how_far_each_is_behind(judged: dict[str, Any], width: int) -> None:
    text = shown(judged, width, ranking)
    behind = [row for row in judged["results"] if row["against_best"]]
    found = [line for line in text.splitlines() if _SPARK.search(line)]
    assert len(found) == (len(behind) if width >= 100 else 0)
    assert all(f"{row['captures_per_s']:.0f}" in text for row in behind if row["captures_per_s"] >= 100)


def test_a_record_without_a_yardstick_has_no_column_of_costs() -> None:
    record = published()
    record["method"]["yardstick"] = None
    for row in record["results"]:
        row["verdict"] = None
    text = shown(record, 120, terminal)
    assert not _SPARK.search(text)
    assert "yardstick" not in text
