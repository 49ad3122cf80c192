"""Rows that fail on one side, interrupts, signals: which exit status, what is kept, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from packhorse.bench import child
from packhorse.bench.gate import measure, process
from packhorse.bench.gate.measure import BASE, BASE_AGAIN, HEAD, Bench
from packhorse.bench.gate.probe import probe
from packhorse.bench.gate.process import Worker, WorkerDied
from packhorse.bench.gate.record import write_gate
from packhorse.bench.gate.sides import here
from packhorse.bench.report.gate.files import render
from packhorse.errors import InputError
from tests.bench.gate.gate_shop import ROW, WORK, Quiet, gate, git, make_shop

#: Fails from its fourth process on: after the probe and one block, which has two processes of the base.
FAILS_LATER = """
from pathlib import Path
import os
FILE = Path({file!r})
def other(capture):
    FILE.touch()
    return b"1"
def later():
    with FILE.open("a") as file:
        file.write("x")
    if FILE.stat().st_size > 2:
        os._exit(9)
later() if {later} else None
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("import sys\nsys.exit('stop')\n", "ended with exit status 1: stop"),
        ("import os, signal\ndef encode(c):\n    os.kill(os.getpid(), signal.SIGSEGV)\n", "was ended by SIGSEGV"),
        ("import time\ndef encode(c):\n    time.sleep(1000)\n", "did not answer for"),
        (
            "import os\ndef encode(c):\n    if os.fork():\n        os._exit(4)\n    __import__('time').sleep(50)\n",
            "status 4",
        ),
    ],
)
def test_a_head_that_dies_or_hangs_is_a_broken_row_in_a_record(
    tmp_path: Path, temporary: Path, head: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_shop(tmp_path)
    (repo / "shop.py").write_text(head)
    heard = process.Worker._hear

    def soon(worker: process.Worker, row: str | None) -> dict[str, Any]:
        """With a short limit for the head's silent row alone: no other answer is late by design."""
        with monkeypatch.context() as limited:
            if worker._side.name == "head" and row is not None and "sleep(1000)" in head:
                limited.setattr(child, "SILENCE_LIMIT_S", 2.0)
            return heard(worker, row)

    monkeypatch.setattr(process.Worker, "_hear", soon)
    record, watching = gate(repo)
    assert record["rows"][0]["outcome"] == "broken"
    assert reason in record["rows"][0]["error"]
    assert record["exit_code"] == 1
    assert watching.blocks == 0
    assert list(temporary.iterdir()) == []
    write_gate(record, tmp_path / "gate.json")
    render(record, tmp_path)


@pytest.mark.parametrize(
    ("fails", "outcome", "tries"), [("raise OSError('once')", None, 2), ("os._exit(9)", None, 2), ("pass", "broken", 2)]
)
def test_one_failure_alone_breaks_no_row(tmp_path: Path, fails: str, outcome: str | None, tries: int) -> None:
    """The first process fails, or with ``pass`` every one does."""
    always = "raise OSError('always')" if outcome else "pass"
    (tmp_path / "shop.py").write_text(
        "import os\nfrom pathlib import Path\ndef encode():\n"
        "    with Path('tries').open('a') as file:\n        file.write(f'{os.getpid()}\\n')\n"
        f"    if len(set(Path('tries').read_text().split())) == 1:\n        {fails}\n"
        f"    {always}\n    return b'1'\ndef fine():\n    return b'12'\n"
    )
    whole = replace(here("base", "x"), folder=tmp_path / "base")
    whole.folder.mkdir()
    (whole.folder / "shop.py").write_text("def encode():\n    return b'1'\ndef fine():\n    return b'12'\n")
    sides = {BASE: whole, HEAD: replace(here("head", "x"), folder=tmp_path)}
    rows = [ROW, {"name": "fine", "call": "shop:fine"}, {"name": "gone", "call": "shop:gone"}]
    seen = probe(Bench(sides, dict.fromkeys(sides, rows), tmp_path, [], 1, 0.001), [row["name"] for row in rows])
    assert (seen.failure("encode") or (None,))[0] == outcome
    assert seen.failure("fine") is None
    assert seen.missing == {BASE: {"gone"}, HEAD: {"gone"}}
    assert len(set((tmp_path / "tries").read_text().split())) == tries


def test_what_fails_on_every_side_is_not_blamed_on_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Worker):
        def begin_prepare(self, *_: object) -> None:
            pass

        def prepared(self) -> dict[str, Any]:
            return {"encode": {"error": "OSError: no space left"}}

    monkeypatch.setattr(measure, "Worker", Failing)
    sides = {BASE: here("base", "x"), BASE_AGAIN: here("base", "x"), HEAD: here("head", "x")}
    bench = Bench(sides, {arm: [ROW] for arm in sides}, tmp_path, [], 1, 0.001)
    for seed in range(5):
        with pytest.raises(WorkerDied) as died:
            measure._block(bench, ["encode"], 1, 0, random.Random(seed))
        assert died.value.side == "base"


def test_a_base_that_fails_is_not_taken_for_a_new_row(tmp_path: Path) -> None:
    repo = make_shop(tmp_path, base="import not_installed_here\n" + WORK.format(1))
    (repo / "shop.py").write_text(WORK.format(1))
    record, _ = gate(repo)
    assert record["rows"][0]["outcome"] == "base failed"
    assert "not_installed_here" in record["rows"][0]["error"]
    assert record["exit_code"] == 3


def test_new_rows_alone_resolve_nothing_and_a_new_row_that_fails_is_broken(tmp_path: Path) -> None:
    repo = make_shop(tmp_path)
    (repo / "more.py").write_text(
        "def fine(capture):\n    return b''\ndef fails(capture):\n    raise ValueError('no')\n"
    )
    record, _ = gate(repo, rows=[{"name": "fine", "call": "more:fine"}])
    assert [row["outcome"] for row in record["rows"]] == ["new"]
    assert record["exit_code"] == 3
    record, _ = gate(repo, rows=[{"name": "fails", "call": "more:fails"}])
    assert [row["outcome"] for row in record["rows"]] == ["broken"]
    assert record["exit_code"] == 1
    with pytest.raises(InputError, match="runs on neither side"):
        gate(repo, rows=[{"name": "gone", "call": "more:gone"}])


def test_a_row_that_dies_later_is_given_up_and_the_others_are_measured(tmp_path: Path) -> None:
    repo = make_shop(tmp_path)
    (repo / "late.py").write_text(FAILS_LATER.format(file=str(tmp_path / "base"), later=False))
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "two")
    git(repo, "tag", "-f", "base")
    (repo / "late.py").write_text(FAILS_LATER.format(file=str(tmp_path / "head"), later=True))
    record, _ = gate(repo, blocks=9, rows=[ROW, {"name": "other", "call": "late:other"}])
    first, other = record["rows"]
    assert first["blocks"] in {9, 18}
    assert other["outcome"] == "broken"
    assert "in 3 blocks: the process ended with exit status 9" in other["error"]
    assert record["exit_code"] == 1
    assert len(record["incidents"]) == 3
    assert "row 'other'" in record["incidents"][0]
    assert {t["block"] for t in record["timings"] if t["row"] == "other"} == {0}


def _interrupt_at(number: int) -> Quiet:
    def look(blocks: int) -> None:
        if blocks == number:
            raise KeyboardInterrupt

    return Quiet(look)


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path, temporary: Path) -> None:
    record, _ = gate(make_shop(tmp_path), observer=_interrupt_at(3))
    assert record["interrupted"]
    assert record["exit_code"] == 3
    assert record["rows"][0]["outcome"] == "unresolved"
    assert (
        len({t["block"] for t in record["timings"] if any(t["counted"])}) == 3
    )  # not 0 to 2 where one was measured again
    assert list(temporary.iterdir()) == []
    write_gate(record, tmp_path / "gate.json")
    render(record, tmp_path)


def test_an_interrupt_of_the_second_measurement_keeps_the_first_ones_figures(tmp_path: Path) -> None:
    repo = make_shop(tmp_path)
    (repo / "shop.py").write_text(WORK.format(400_000))
    record, watching = gate(repo, observer=_interrupt_at(9))
    assert watching.measurements == [(1, ["encode"]), (2, ["encode"])]
    assert record["interrupted"]
    assert record["exit_code"] == 3
    row = record["rows"][0]
    assert row["outcome"] == "unresolved"  # a failure is a suspicion until it has been measured again
    assert row["ratio"] > 1.3
    assert row["judged_measurements"] == [1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    repo, out, temporary = make_shop(tmp_path), tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    (repo / "pyproject.toml").write_text(
        "[tool.packhorse.gate]\nblocks = 400\nrepeats = 1\nsample_s = 0.001\n"
        '[[tool.packhorse.gate.rows]]\nname = "encode"\ncall = "shop:encode"\n'
        '[[tool.packhorse.gate.rows]]\nname = "put"\npipeline = "json | none | raw | obstore"\n'
    )
    (repo / "tiny.har").write_text(json.dumps({"log": {"entries": [{"n": 1}]}}))
    command = ["gate", "--base", "base", "--environment", "here", "-C", str(repo), "-o", str(out)]
    with (tmp_path / "said").open("wb") as said:
        running = subprocess.Popen(
            [sys.executable, "-m", "packhorse", *command, str(repo / "tiny.har")],
            stdout=said,
            stderr=said,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )
    try:
        started = _started(running, tmp_path / "said")
        running.send_signal(number)
        assert running.wait(120) == 130, (tmp_path / "said").read_text()
    finally:
        running.kill()
        running.wait()
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert list(temporary.iterdir()) == []
    record = json.loads((out / "gate.json").read_text())
    assert record["interrupted"]
    assert {row["outcome"] for row in record["rows"]} == {"unresolved"}
    assert "nterrupted" in (out / "summary.md").read_text()


def _started(running: subprocess.Popen[bytes], said: Path) -> list[psutil.Process]:
    """The gate's processes, once it measures: three workers, and the S3 server with its watchdog."""
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s and running.poll() is None:
        if b"measuring" in said.read_bytes():
            found: list[psutil.Process] = psutil.Process(running.pid).children(recursive=True)
            if len(found) >= 5:
                return found
        time.sleep(0.05)
    pytest.fail(f"the gate never came to measure: {said.read_text()}")
