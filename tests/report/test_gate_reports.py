"""Renderings of a gate's record: readable, machine-readable, and inert whatever names hold."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from packhorse.race.gate import power
from packhorse.race.gate.record import validate
from packhorse.report.gate.facts import verdict
from packhorse.report.gate.files import FILES, render
from packhorse.report.gate.selftest import markdown
from packhorse.report.gate.terminal import show

EVIL = "<script>alert(1)</script> | `x` \x1b[31m ]]>"


def _timing(row: str, arm: str, block: int, seconds: float, measurement: int = 1) -> dict[str, Any]:
    return {
        "measurement": measurement, "block": block, "arm": arm, "row": row, "rounds": 2,
        "wall_s": [2 * seconds], "cpu_s": [2 * seconds], "suspect": "", "judged": True,
    }  # fmt: skip


@pytest.fixture
def record() -> dict[str, Any]:
    rows = [
        {
            "name": EVIL, "margin_ratio": 0.01, "outcome": "regressed", "bytes_out": {"base": 10_000, "head": 12_000},
            "ratio": 1.034, "low": 1.02, "high": 1.05, "p_slower": 0.001, "p_within": 0.9, "blocks": 8,
            "measurements": 2, "base_s": 0.010, "head_s": 0.01034, "noise_floor_ratio": 1.006,
        },
        {"name": "new one", "margin_ratio": 0.01, "outcome": "new", "bytes_out": {"base": None, "head": 5},
         "error": "AttributeError: no"},
        {
            "name": "steady", "margin_ratio": 0.02, "outcome": "unresolved", "bytes_out": {"base": 7, "head": 7},
            "ratio": 1.001, "low": 0.98, "high": 1.03, "p_slower": 0.7, "p_within": 0.2, "blocks": 16,
            "measurements": 2, "base_s": 0.5, "head_s": 0.5005, "noise_floor_ratio": 1.02,
        },
    ]  # fmt: skip
    timings = [
        _timing(row, arm, block, 0.01 + block / 10_000)
        for row in (EVIL, "steady")
        for arm in ("base", "base-again", "head")
        for block in range(8)
    ]
    made = {
        "schema_version": 1, "kind": "gate", "packhorse_version": "0", "command": f"packhorse gate {EVIL}",
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
    assert "<script" not in text
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


@pytest.mark.parametrize(
    ("outcomes", "code", "said"),
    [
        (["passed"], 0, "Passed"),
        (["passed", "broken"], 1, "Regressed: row 1"),
        (["unresolved"], 3, "neither slower"),
        (["inconclusive: environment"], 3, "too unsteady"),
    ],
)
def test_the_verdict_in_a_sentence(outcomes: list[str], code: int, said: str) -> None:
    rows = [{"name": f"row {n}", "outcome": outcome} for n, outcome in enumerate(outcomes)]
    assert said in verdict({"rows": rows, "exit_code": code})


def _self_test_record(slowdowns: dict[str, float]) -> dict[str, Any]:
    """Blocks whose arms differ by exactly what was planted, on a drift that all of them share, and a little scatter."""
    import random

    rng = random.Random(3)
    arms = {"base": 0.0, "base-again": 0.0, "head": 0.0, **{power.arm(r): r for r in power.PLANTED}}
    timings = []
    for block in range(40):
        drift = 1 + 0.1 * rng.random()
        for row in power.MARGINS:
            for arm, ratio in arms.items():
                scatter = 1 + rng.gauss(0, 0.002)
                timings.append(_timing(row, arm, block, drift * scatter * (1 + slowdowns.get(row, 1.0) * ratio)))
    for block in range(40):
        for row in power.MARGINS:
            timings += [
                _timing(row, arm, block, 1 + abs(rng.gauss(0, 0.3)), measurement=2)
                for arm in ("base", "base-again", "head")
            ]
    return {"seed": 1, "timings": timings, "command": "x", "machine": {}, "kind": "gate-self-test"}


def test_power_and_false_alarms_come_out_of_the_samples() -> None:
    found = power.figures(_self_test_record({}), gates=60)
    assert found["verdict"]["goals_met"]
    assert found["verdict"]["false_alarm_share"] == 0
    assert found["verdict"]["power"] == {power.CPU: 1.0, power.END_TO_END: 1.0}
    assert found["loaded"]["drawn"]["regressed"] == 0
    assert found["loaded"]["drawn"]["unresolved"] > 0
    ten = [a for a in found["achieved"] if a["planted_ratio"] == 0.10]
    assert all(a["ratio"] == pytest.approx(1.1, abs=0.005) for a in ten)


def test_a_gate_that_finds_nothing_misses_its_goals() -> None:
    """The planted work was not done: the self-test has to notice."""
    record = _self_test_record(dict.fromkeys(power.MARGINS, 0.0))
    record |= power.figures(record, gates=60)
    assert not record["verdict"]["goals_met"]
    assert "goals missed" in markdown(record)
