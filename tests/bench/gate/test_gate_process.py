"""A side's process, whatever a row does to it: its own reason in each case, and nothing left behind."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from packhorse.bench import child
from packhorse.bench.child import run_to_end
from packhorse.bench.gate.process import Worker, WorkerDied
from packhorse.bench.gate.sides import Side, clean_environment, here

ROWS = """
import os, signal, subprocess, sys, time

def fine():
    print("a library that prints")
    return b"12"

def gone():
    os._exit(7)

def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)

def hangs():
    time.sleep(1000)

def reads():
    return sys.stdin.read() or b"1"

def raises():
    raise ValueError("of https://user:secret@host/x")

def leaves_children():
    for command in (["sleep", "987654"], ["sh", "-c", "sleep 987654"]):
        subprocess.Popen(command)
    if os.fork() == 0:
        time.sleep(987654)
    return b"1"

def dies_with_children():
    leaves_children()
    os._exit(7)

def forks_and_returns():
    os.fork()
    return b"1"

def names_an_odd_file():
    raise ValueError(os.fsdecode(b"nowhere-\\xff"))

def needs():
    import not_installed_here
"""


@pytest.fixture
def side(tmp_path: Path) -> Side:
    (tmp_path / "shop.py").write_text(ROWS)
    (tmp_path / "needs.py").write_text("import not_installed_here\n")
    return replace(here("head", "x"), folder=tmp_path)


def row(name: str) -> dict[str, Any]:
    return {"name": name, "call": name if ":" in name else f"shop:{name}"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", r"row 'gone': the process ended with exit status 7"),
        ("crashes", r"row 'crashes': the process was ended by SIGSEGV"),
        ("hangs", r"row 'hangs': the process did not answer for 2 s"),
        ("dies_with_children", r"row 'dies_with_children': the process ended with exit status 7"),
        ("forks_and_returns", r"was ended by SIGKILL: the row returned in a process that it had forked"),
    ],
)
def test_a_row_that_ends_its_process_is_named_with_the_reason(
    side: Side, name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker(side) as worker:
        assert worker.prepare(side.folder, [], [row("fine")])["fine"] == {"bytes_out": 2}
        if name == "hangs":
            heard = worker._hear

            def soon(waited_for: str | None) -> dict[str, Any]:
                """With a short limit for the silent row alone: no other answer is late by design."""
                if waited_for == name:
                    monkeypatch.setattr(child, "SILENCE_LIMIT_S", 2.0)
                return heard(waited_for)

            monkeypatch.setattr(worker, "_hear", soon)
        with pytest.raises(WorkerDied, match=reason) as died:
            worker.prepare(side.folder, [], [row("fine"), row(name)])
    assert died.value.row == name
    assert died.value.side == "head"


def test_children_of_a_row_end_with_its_process(side: Side) -> None:
    with Worker(side) as worker:
        group = worker.pid
        assert worker.prepare(side.folder, [], [row("leaves_children")]) == {"leaves_children": {"bytes_out": 1}}
        assert len(_group(group)) >= 4
    assert _left_of(group) == []


def _left_of(group: int) -> list[int]:
    """Who is left when those that were killed have had time to go."""
    deadline_s = time.monotonic() + 60
    while _group(group) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return _group(group)


def _group(group: int) -> list[int]:
    found = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def test_what_rows_print_and_read_is_not_the_gates(side: Side) -> None:
    with Worker(side) as worker:
        assert worker.prepare(side.folder, [], [row("fine"), row("reads")]) == {
            "fine": {"bytes_out": 2},
            "reads": {"bytes_out": 1},
        }
        assert worker.run("fine", 3)["wall_s"] > 0


def test_only_the_rows_own_code_can_be_missing(side: Side) -> None:
    names = ("shop:nothing", "nowhere:encode", "shop.deeper:encode", "needs:encode", "needs", "raises")
    with Worker(side) as worker:
        answers = worker.prepare(side.folder, [], [row(name) for name in names])
    assert [bool(answers[name].get("missing")) for name in names] == [True, True, True, False, False, False]
    assert "not_installed_here" in answers["needs:encode"]["error"]
    assert "secret" not in answers["raises"]["error"]


def test_an_error_can_be_written_down_whatever_it_names(side: Side) -> None:
    with Worker(side) as worker:
        answers = worker.prepare(side.folder, [], [row("names_an_odd_file")])
    assert "nowhere-?" in answers["names_an_odd_file"]["error"]
    answers["names_an_odd_file"]["error"].encode()


def test_what_is_installed_comes_before_the_checkout(side: Side, tmp_path: Path) -> None:
    """As the compiled packages of a project without a ``src`` folder: its checkout holds the sources alone."""
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "shop.py").write_text("def fine():\n    return b'installed'\n")
    with Worker(replace(side, path=(installed,))) as worker:
        assert worker.prepare(side.folder, [], [row("fine")])["fine"]["bytes_out"] == len("installed")


def test_an_interrupted_command_leaves_no_process_of_its_group(tmp_path: Path) -> None:
    script = (
        "import os, signal, subprocess, sys, time\n"
        "subprocess.Popen(['sleep', '987654'])\n"
        "open('pid', 'w').write(str(os.getpid()))\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "time.sleep(1000)\n"
    )
    with pytest.raises(KeyboardInterrupt):
        run_to_end([sys.executable, "-c", script], folder=tmp_path, env=clean_environment())
    assert _left_of(int((tmp_path / "pid").read_text())) == []
