from __future__ import annotations

import re
from typing import Any

import pytest

from packhorse.bench.report.html import render
from packhorse.bench.report.html.library import compiled
from packhorse.bench.report.html.page import race_sections as page_sections
from packhorse.bench.report.html.studies import sections
from packhorse.errors import RecordError
from tests.bench.report.records import HOSTILE, hostile, published


def study(name: str, **rest: Any) -> dict[str, Any]:
    return {"kind": "study", "schema_version": 1, "name": name, "command": ["packhorse", "study", name], **rest}


def pools() -> dict[str, Any]:
    rows = [
        {"client": client, "pool": pool, "in_flight": flight, "body_bytes": 20_000, "link": link, "puts": 9,
         "puts_per_s": 10.0 * pool, "latency_p99_ms": 3.0, "connections_per_100_puts": None}
        for client in ("boto3", f"obstore{HOSTILE}") for pool in (1, 10) for flight in (1, 50)
        for link in ("loopback", "same-region")
    ]  # fmt: skip
    return study("pools", samples=[*rows, {"client": "boto3", "failed": "it did"}], quick=True)


def regimes() -> dict[str, Any]:
    cells = [
        {"cores": cores, "plain_bytes": size, "mbit": mbit, "winners": ["isal:2", "zstd:1"], "captures_per_s": 8.0,
         "bottleneck": "link", "uncompressed_captures_per_s": 2.0}
        for cores in (1, 8) for size in (10_000, 1_000_000) for mbit in (1.0, 100.0)
    ]  # fmt: skip
    return study("regimes", cells=cells, checked={"runs": 4, "median_absolute_error": 0.08})


def parallelism() -> dict[str, Any]:
    level = {"ratio": 1.1, "peak_rss_bytes": 5e7, "gc_share": 0.01, "lag_p99_s": 0.002, "backlog": 3}
    levels = {way: {"1": {**level, "ratio": 1.0}, "30": level, "100": {**level, "ratio": None}} for way in ("a", "b")}
    return study("parallelism", levels=levels, interrupted=True)


def test_every_map_and_line_of_a_study_is_drawn_with_its_table() -> None:
    found = sections([pools(), regimes(), parallelism()])
    counts = [len(section.figures) for section in found]
    assert counts == [2, 2, 5]
    for section in found:
        for figure in section.figures:
            assert figure.chart is not None
            assert compiled(figure.chart)["marks"]
            assert figure.table.lines
    assert "window.owned" in str(found[0].figures[0].chart)
    ratio = found[2].figures[0]
    assert len(ratio.table.lines) == 4  # levels without a ratio have none here either
    assert "A quick run" in " ".join(found[0].notes)
    assert "interrupted" in " ".join(found[2].notes)


def test_two_records_of_one_study_have_figures_and_tables_of_their_own() -> None:
    found = sections([pools(), regimes(), pools()])
    figures = [figure for section in found for figure in section.figures]
    assert len({figure.name for figure in figures}) == len({figure.table.name for figure in figures}) == len(figures)


def test_a_cell_measured_again_is_drawn_once() -> None:
    record = pools()
    again = {**record["samples"][0], "puts_per_s": 30.0}
    record["samples"] += [again]
    figure = sections([record])[0].figures[0]
    assert figure.chart is not None
    values = figure.chart["data"]["values"]
    assert len({row["key"] for row in values}) == len(values)
    assert next(row for row in values if row["key"] == "boto3:pool=1 @1")["value"] == 20.0
    assert sum(line.key == "boto3:pool=1 @1" for line in figure.table.lines) == 2


def test_the_load_study_shows_what_the_closed_loop_hides() -> None:
    percentiles = {"p50_s": 0.01, "p90_s": 0.02, "p99_s": 0.03, "p999_s": 0.04, "max_s": 2.0}
    late = {**percentiles, "p99_s": 1.9}
    closed = {"response": percentiles, "service": percentiles, "corrected": late}
    rows = {"closed loop": closed, "open loop, steady": {"response": late, "service": late, "corrected": {}}}
    (found,) = sections([study("load", rows=rows, settings={"stall_s": 2.0})])
    assert found.notes[0] == "The same stall of 2 s: p99 is 30 ms by the closed loop, 1.9 s by the open one."
    (figure,) = found.figures
    assert [line.cells[1].text for line in figure.table.lines] == [
        "as it shows them",
        "with HdrHistogram's correction",
        "from due to done",
        "from sent to done alone",
    ]
    assert figure.chart is not None
    assert [row["far"] for row in figure.chart["data"]["values"]] == [30.0, 1900.0, 1900.0]
    assert compiled(figure.chart)["marks"]


def test_studies_stand_on_the_page_below_the_race() -> None:
    page = render(published(), [pools(), study("other")])
    assert "Pool × concurrency under a declared link" in page
    assert 'id="plot-pools-1"' in page
    assert "Study: other" in page
    assert not re.search(r"<img[^>]*window\.owned", page)


@pytest.mark.parametrize("name", ["pools", "regimes", "parallelism"])
def test_a_record_of_another_form_is_named(name: str) -> None:
    with pytest.raises(RecordError, match=f"study '{name}'"):
        sections([study(name, samples=3, cells=[{"cores": 1}], levels=[])])


def test_no_text_of_a_record_becomes_part_of_an_expression() -> None:
    def expressions(value: Any, key: str = "") -> list[str]:
        if isinstance(value, dict):
            plain = {name: item for name, item in value.items() if name not in {"values", "description"}}
            return [text for name, item in plain.items() for text in expressions(item, name)]
        if isinstance(value, list):
            return [text for item in value for text in expressions(item, key)]
        return [value] if isinstance(value, str) else []

    charts = [figure.chart for section in sections([pools()]) for figure in section.figures]
    charts += [figure.chart for section in page_sections(hostile()) for figure in section.figures]
    drawn = [chart for chart in charts if chart is not None]
    assert len(drawn) >= 9
    for chart in drawn:
        assert not [text for text in expressions(compiled(chart)) if "window.owned" in text]
