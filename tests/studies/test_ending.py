"""A study that is told to end by SIGTERM keeps what it measured, and leaves no process behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from benches.studies.blocks import fresh
from packhorse.cli import run
from packhorse.cli.interrupts import ends_on_signals, interrupt_held_back

#: The command line itself, told to end after its first cell.
ENDED = """
import os, signal, sys
from packhorse.cli import run
from benches.studies.faults import whole

def run_cell(*positions, **names):
    if run_cell.done:
        os.kill(os.getpid(), signal.SIGTERM)
    run_cell.done = True
    return real(*positions, **names)

run_cell.done = False
real, whole.run_cell = whole.run_cell, run_cell
sys.exit(run(["study", "faults", "--quick", "-o", sys.argv[1]]))
"""


def test_a_terminated_study_writes_what_it_has(tmp_path: Path) -> None:
    output = tmp_path / "study-faults.json"
    ended = subprocess.run(
        [sys.executable, "-c", ENDED, str(output)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 130, ended.stderr
    assert f"interrupted; what was measured is in {output}" in ended.stderr
    record = json.loads(output.read_text())
    assert record["interrupted"]
    assert len(record["cells"]) == 1
    assert "Interrupted" in output.with_suffix(".md").read_text()


def end_and_wait() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def test_a_block_ends_with_its_study() -> None:
    started: list[psutil.Process] = []

    def end_it() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        started.extend(psutil.Process(child.pid) for child in children)
        os.kill(os.getpid(), signal.SIGTERM)

    assert multiprocessing.active_children() == []
    thread = threading.Thread(target=end_it)
    thread.start()
    with ends_on_signals(), pytest.raises(KeyboardInterrupt):
        fresh(sleep, 3600.0)
    thread.join()
    assert started
    assert psutil.wait_procs(started, timeout=60)[1] == []


def test_a_study_that_keeps_nothing_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benches.studies.startup.study", lambda **_: end_and_wait())
    assert run(["study", "startup"]) == 130
    assert "interrupted; nothing was kept" in capsys.readouterr().err


def test_a_terminal_that_goes_ends_it_once() -> None:
    heard = []
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append("outside"))
    try:
        with ends_on_signals():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)  # the shell's, while what was measured is written
        assert heard == []
        signal.raise_signal(signal.SIGHUP)
        assert heard == ["outside"]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_on_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_handler_of_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ends_on_signals():
        end_and_wait()
    assert signal.getsignal(signal.SIGTERM) is before


def interrupted(done: list[str], times: int) -> None:
    with interrupt_held_back():
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        done.append("the rest of the block")


def twice(number: signal.Signals, done: list[str]) -> None:
    with interrupt_held_back():
        for _ in range(2):
            signal.raise_signal(number)
        done.append("the rest of the block")
    done.append("more")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_that_comes_twice_waits_too_and_is_named(number: signal.Signals) -> None:
    done: list[str] = []
    with ends_on_signals(signal.SIG_IGN) as ending:
        assert ending.status == 130
        with pytest.raises(KeyboardInterrupt):
            twice(number, done)
        assert ending.status == 128 + number
    assert len(done) == 1


def test_ctrl_c_waits_for_what_must_not_be_broken_off() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(done, 1)
    assert len(done) == 1
    with pytest.raises(KeyboardInterrupt):
        interrupted(done, 2)
    assert len(done) == 1  # a second one does not wait
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
