"""``packhorse gate`` as a shell sees it: exit status, what is said, and what is left in the folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.gate import run as running
from packhorse.bench.gate import selftest
from packhorse.cli import run
from packhorse.cli.gate import _Bar
from packhorse.errors import InputError, PackhorseError

ROWS = '[[tool.packhorse.gate.rows]]\nname = "encode"\ncall = "shop:encode"\n'
ROW = {
    "name": "encode", "margin_ratio": 0.01, "outcome": "passed", "bytes_out": {"base": 1, "head": 1}, "ratio": 1.0,
    "low": 0.99, "high": 1.005, "level": 0.95, "p_slower": 0.9, "p_within": 0.01, "blocks": 8, "measurements": 1,
    "judged_measurements": [1], "base_s": 0.5, "head_s": 0.5, "noise_floor_ratio": 1.02,
}  # fmt: skip
TIMINGS = [
    {"measurement": 1, "block": block, "arm": arm, "row": "encode", "passes": 1, "wall_s": [0.5], "cpu_s": [0.5],
     "foreign_share": [0.0], "counted": [True]}
    for block in range(8) for arm in ("base", "base-again", "head")
]  # fmt: skip
RECORD: dict[str, Any] = {
    "schema_version": 2, "kind": "gate", "packhorse_version": "0", "command": "packhorse gate", "base": "main",
    "head": "working tree", "machine": {}, "link": "loopback", "target": None, "captures": [],
    "settings": {"blocks": 8, "repeats": 1, "sample_s": 0.05, "alpha": 0.05, "seed": 1, "environments": "own"},
    "rows": [ROW], "exit_code": 0, "timings": TIMINGS,
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(ROWS)
    return tmp_path


def gate(project: Path, *arguments: str) -> int:
    return run(["gate", "--base", "main", "-C", str(project), "-o", str(project / "out"), *arguments])


def ends(monkeypatch: pytest.MonkeyPatch, how: Any) -> None:
    """The gate itself ends with ``how``: a record, or an exception."""

    def stand_in(*_: Any, **__: Any) -> Any:
        if isinstance(how, BaseException):
            raise how
        return how

    monkeypatch.setattr(running, "run_gate", stand_in)
    monkeypatch.setattr(selftest, "run_self_test", stand_in)


@pytest.mark.parametrize(
    ("over", "status"),
    [
        ({}, 0),
        ({"exit_code": 1, "rows": [{**ROW, "outcome": "regressed"}]}, 1),
        ({"exit_code": 3, "rows": [{**ROW, "outcome": "unresolved"}]}, 3),
        ({"exit_code": 3, "rows": [{**ROW, "outcome": "unresolved"}], "interrupted": True}, 130),
    ],
)
def test_the_verdict_is_the_exit_status_and_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, over: dict[str, Any], status: int
) -> None:
    ends(monkeypatch, {**RECORD, **over})
    assert gate(project) == status
    assert json.loads((project / "out" / "gate.json").read_text()) == {**RECORD, **over}
    assert {"summary.md", "comment.md", "junit.xml", "benchmark.json"} <= {p.name for p in (project / "out").iterdir()}


@pytest.mark.parametrize(
    "error",
    [
        InputError("no"),
        PackhorseError("base: the process ended"),
        RuntimeError("a defect"),
        TimeoutError(),
        OSError(5, "no"),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--self-test"]])
def test_whatever_goes_wrong_is_never_taken_for_a_regression(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, arguments: list[str]
) -> None:
    ends(monkeypatch, error)
    assert gate(project, *arguments) == 2


def test_a_failed_gate_leaves_no_older_verdict_behind(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, RECORD)
    gate(project)
    (project / "out" / "mine.txt").write_text("")
    ends(monkeypatch, InputError("no"))
    assert gate(project) == 2
    assert [path.name for path in (project / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("reader", ["ascii", "closed"])
@pytest.mark.parametrize("outcome", ["passed", "regressed"])
def test_a_verdict_that_cannot_be_shown_stays_what_it_is(
    project: Path, monkeypatch: pytest.MonkeyPatch, reader: str, outcome: str
) -> None:
    status = int(outcome == "regressed")
    rows, timings = [{**ROW, "name": "größer", "outcome": outcome}], [{**t, "row": "größer"} for t in TIMINGS]
    ends(monkeypatch, {**RECORD, "exit_code": status, "rows": rows, "timings": timings})
    stdout: Any
    if reader == "ascii":
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    else:
        reading, writing = os.pipe()
        os.close(reading)
        stdout = open(writing, "w", encoding="utf-8")  # noqa: SIM115
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert gate(project) == status
    stdout.close()
    assert json.loads((project / "out" / "gate.json").read_text())["exit_code"] == status


def test_a_closed_stderr_does_not_end_the_gate() -> None:
    """Rich's own console ends the process with 1, which here means regressed."""
    code = (
        "import os, sys\nfrom packhorse.cli.gate import _Bar, _tell\n"
        "reading, writing = os.pipe()\nos.close(reading)\nos.dup2(writing, 2)\n"
        "with _Bar() as bar:\n    bar.say('x')\n    bar.begin(2, 1, ['a'])\n    bar.block()\n"
        "_tell(ValueError('no'))\nos._exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 7


def test_names_of_rows_are_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with _Bar() as bar:
        bar.say("GET [/items]")
        bar.begin(2, 1, ["GET [/items]"])
        bar.begin(2, 2, ["GET [/items]"])
        bar.block()
    assert "measuring again: GET [/items]" in capsys.readouterr().err


def test_messages_hold_no_credential_and_no_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "git fetch https://me:hush@git.example/shop failed in /home/alice/shop"
    for error in (InputError(said), RuntimeError(said)):
        ends(monkeypatch, error)
        assert gate(project) == 2
        err = capsys.readouterr().err
        assert "git.example" in err
        assert "hush" not in err
        assert "alice" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--blocks", "3"], "--blocks is 3; it must be from 6 to 1000"),
        (["--quick"], "--quick belongs to --self-test"),
        (["--row", "gone"], "there is no such row; there are encode"),
    ],
)
def test_wrong_use_is_told_before_anything_is_made(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert gate(project, *arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "pyproject.toml" not in err
    assert "making" not in err


def test_blocks_that_cannot_decide_so_many_rows_are_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text("".join(ROWS.replace("encode", f"row {n}") for n in range(6)))
    assert gate(project, "--blocks", "6") == 2
    assert "--blocks is 6, but 6 rows need at least 7 at alpha 0.05" in capsys.readouterr().err
    assert gate(project, "--blocks", "6", "--row", "row 1") == 2
    assert "not a git repository" in capsys.readouterr().err  # past that check: this is no repository


def test_the_exit_statuses_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gate", "--help"]) == 0
    shown = capsys.readouterr().out
    for status in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n    {status}" in shown


def test_sigterm_unwinds_as_ctrl_c_does() -> None:
    """As CI systems and ``timeout`` end a job: what was made is cleared away, and the status says interrupted."""
    code = (
        "import os, signal, sys, time\nfrom packhorse.cli import run\nfrom packhorse.bench.gate import selftest\n"
        "def stand_in(**_):\n    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(30)\n"
        "    finally:\n        os.kill(os.getpid(), signal.SIGTERM)\n        print('cleared')\n"
        "selftest.run_self_test = stand_in\nsys.exit(run(['gate', '--self-test']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "cleared\n"), done.stderr
