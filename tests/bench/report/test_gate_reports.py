"""Renderings of a gate's record: readable, machine-readable, and inert whatever names hold."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from packhorse.bench.gate.record import validate, write_gate
from packhorse.bench.report.gate.facts import advice, verdict
from packhorse.bench.report.gate.files import FILES, clear, render
from packhorse.bench.report.gate.terminal import show

EVIL = "<script>alert(1)</script> | `x` \x1b[31m ]]>"


def _timing(row: str, arm: str, block: int, seconds: float, measurement: int = 1) -> dict[str, Any]:
    return {
        "measurement": measurement, "block": block, "arm": arm, "row": row, "passes": 2,
        "wall_s": [2 * seconds], "cpu_s": [2 * seconds], "foreign_share": [0.0], "counted": [True],
    }  # fmt: skip


@pytest.fixture
def record() -> dict[str, Any]:
    rows = [
        {
            "name": EVIL, "margin_ratio": 0.01, "outcome": "regressed", "bytes_out": {"base": 10_000, "head": 12_000},
            "ratio": 1.034, "low": 1.02, "high": 1.05, "p_slower": 0.001, "p_within": 0.9, "blocks": 8,
            "measurements": 2, "base_s": 0.010, "head_s": 0.01034, "noise_floor_ratio": 1.006,
            "level": 0.95, "judged_measurements": [2],
        },
        {"name": "new one", "margin_ratio": 0.01, "outcome": "new", "bytes_out": {"base": None, "head": 5},
         "error": "AttributeError: no"},
        {
            "name": "steady", "margin_ratio": 0.02, "outcome": "unresolved", "bytes_out": {"base": 7, "head": 7},
            "ratio": 1.001, "low": 0.98, "high": 1.03, "p_slower": 0.7, "p_within": 0.2, "blocks": 16,
            "measurements": 2, "base_s": 0.5, "head_s": 0.5005, "noise_floor_ratio": 1.02,
            "level": 0.975, "judged_measurements": [1, 2],
        },
    ]  # fmt: skip
    timings = [
        _timing(row, arm, block, 0.01 * measurement + block / 10_000, measurement)
        for measurement in (1, 2)
        for row in (EVIL, "steady")
        for arm in ("base", "base-again", "head")
        for block in range(8)
    ]
    made = {
        "schema_version": 2, "kind": "gate", "packhorse_version": "0", "command": f"packhorse gate {EVIL}",
        "base": EVIL, "head": "working tree",
        "machine": {"cpu_model": EVIL, "cores_usable": 2, "python": "3.11.7", "kernel": "Linux 6", "architecture": "x"},
        "link": "loopback", "target": None, "captures": [{"name": "a.har", "sha256": "00", "plain_bytes": 5}],
        "settings": {"blocks": 8, "repeats": 1, "sample_s": 0.05, "alpha": 0.05, "seed": 1, "environments": "own"},
        "rows": rows, "exit_code": 1, "timings": timings,
    }  # fmt: skip
    return validate(made, source="test")


def test_every_rendering_is_a_function_of_the_record(record: dict[str, Any], tmp_path: Path) -> None:
    before = copy.deepcopy(record)
    render(record, tmp_path)
    first = {name: (tmp_path / name).read_bytes() for name in FILES}
    render(record, tmp_path)
    assert first == {name: (tmp_path / name).read_bytes() for name in FILES}
    assert record == before


def test_markdown_says_what_failed_and_cannot_be_broken_out_of(record: dict[str, Any]) -> None:
    text = FILES["summary.md"](record)
    assert "+3.4 % [+2.0 %, +5.0 %]" in text
    assert "REGRESSED" in text
    assert "<script" not in re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)  # inert inside a code span
    assert "\x1b" not in text
    assert "output 10,000 → 12,000 bytes" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_junit_is_xml_with_one_case_a_row(record: dict[str, Any]) -> None:
    suite = ET.fromstring(FILES["junit.xml"](record)).find("testsuite")
    assert suite is not None
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    cases = suite.findall("testcase")
    assert [case.find(kind) is not None for case, kind in zip(cases, ("failure", "skipped", "error"), strict=True)] == [
        True,
        True,
        True,
    ]
    assert "+3.4 %" in str(cases[0].find("failure").get("message"))  # type: ignore[union-attr]


def test_pytest_benchmark_reads_its_export(record: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "benchmark.json"
    file.write_text(FILES["benchmark.json"](record))
    names = [b["name"] for b in json.loads(file.read_text())["benchmarks"]]
    assert names == [f"{EVIL}[base]", f"{EVIL}[head]", "steady[base]", "steady[head]"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "steady[head]" in done.stdout


def test_the_terminal_shows_names_as_text(record: dict[str, Any]) -> None:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    show(record, console)
    text = console.export_text()
    assert "<script>alert(1)" in text
    assert "Regressed:" in text


@pytest.mark.parametrize("name", ["summary.md", "comment.md"])
def test_each_interval_is_shown_with_its_own_level(record: dict[str, Any], name: str) -> None:
    both = FILES[name](record)
    assert "change [95 %]" in both
    assert "+3.4 % [+2.0 %, +5.0 %] |" in both
    assert "+0.1 % [-2.0 %, +3.0 %] at 97.5 % |" in both
    for row in record["rows"]:
        row.pop("level", None)
    assert "change [interval]" in FILES[name](record)


def test_the_export_holds_the_blocks_that_decided_and_no_others(record: dict[str, Any]) -> None:
    found = {b["name"]: b["stats"]["data"] for b in json.loads(FILES["benchmark.json"](record))["benchmarks"]}
    assert len(found["steady[head]"]) == 16  # judged by both measurements
    assert found[f"{EVIL}[base]"] == [pytest.approx(0.02 + block / 10_000) for block in range(8)]  # by the second


def test_text_in_code_spans_is_not_escaped_and_calls_nobody(record: dict[str, Any]) -> None:
    record["command"] = record["head"] = "my_row"
    record["rows"][1]["error"] = "KeyError: @alice"
    assert "`my_row`" in FILES["summary.md"](record)
    assert "my\\_row against" in FILES["comment.md"](record)
    assert "@&#8203;alice" in FILES["comment.md"](record)


def test_disturbed_rounds_are_counted(record: dict[str, Any]) -> None:
    assert "disturbed" not in FILES["summary.md"](record)
    for timing in record["timings"]:
        timing["foreign_share"] = [0.5 if timing["block"] < 2 else 0.0]
        timing["counted"] = [timing["block"] > 0]
    text = FILES["summary.md"](record)
    assert "Others disturbed 24 of 96 samples; 12 of these count." in text
    assert "Busy machine" not in text
    for timing in record["timings"]:
        timing["foreign_share"] = [0.5]
    assert "Busy machine" in FILES["summary.md"](record)


def test_the_summary_says_which_measurement_decided(record: dict[str, Any]) -> None:
    text = FILES["summary.md"](record)
    assert "twice, the second judged" in text
    assert "twice, judged together" in text


@pytest.mark.parametrize(
    ("outcomes", "code", "said", "advised"),
    [
        (["passed"], 0, "1 row compared", ""),
        (["passed", "new"], 0, "1 row compared, 1 new", ""),
        (["passed", "regressed"], 1, "Regressed: row 1.", "raise its margin"),
        (["passed", "broken"], 1, "Broken: row 1.", "does not run on the change"),
        (["unresolved"], 3, "1 row could be called neither slower", "--blocks"),
        (["passed", "base failed"], 3, "the base cannot run row 1", "name a base that runs"),
        (["new"], 3, "nothing to compare with", ""),
        (["inconclusive: environment"], 3, "too unsteady", "packhorse doctor"),
    ],
)
def test_the_verdict_in_a_sentence_and_what_to_do(outcomes: list[str], code: int, said: str, advised: str) -> None:
    rows = [{"name": f"row {n}", "outcome": outcome} for n, outcome in enumerate(outcomes)]
    found = {"rows": rows, "exit_code": code}
    assert said in verdict(found)
    assert advised in advice(found)
    assert bool(advised) == bool(advice(found))


def test_a_broken_row_is_not_said_to_have_been_measured() -> None:
    found = {"rows": [{"name": "a", "outcome": "broken"}], "exit_code": 1}
    assert "Regressed" not in verdict(found)
    assert "margin" not in advice(found)


def test_what_could_not_be_compared_is_told_with_its_reason(record: dict[str, Any]) -> None:
    """As a head that dies and a base that fails come out of a gate, and an interrupt before the second measurement."""
    record["rows"] += [
        {"name": "dies", "margin_ratio": 0.01, "outcome": "broken", "bytes_out": {"base": 1, "head": None},
         "error": "the process ended by SIGSEGV"},
        {"name": "old", "margin_ratio": 0.01, "outcome": "base failed", "bytes_out": {"base": None, "head": 1},
         "error": "ValueError: no"},
    ]  # fmt: skip
    validate(record, source="test")
    for name in ("summary.md", "comment.md"):
        text = FILES[name](record)
        assert "dies: fails: the process ended by SIGSEGV" in text
        assert "old: fails on the base: ValueError: no" in text
    suite = ET.fromstring(FILES["junit.xml"](record)).find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors")) == ("2", "2")
    record["incidents"] = [f"block {number}: the process ended by SIGKILL" for number in range(9)]
    validate(record, source="test")
    assert "Measured again, as a process died (9):" in FILES["summary.md"](record)
    assert "… and 4 more" in FILES["summary.md"](record)
    record["interrupted"], record["exit_code"] = True, 3
    validate(record, source="test")
    assert "interrupted" in FILES["comment.md"](record)


def test_old_files_of_a_gate_are_cleared_and_nothing_else(record: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("the user's own")
    clear(tmp_path)
    assert (tmp_path / "summary.md").read_text() == "the user's own"
    write_gate(record, tmp_path / "gate.json")
    render(record, tmp_path)
    (tmp_path / "notes.md").write_text("the user's own")
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]
