"""Child processes: messages both ways, ends of every kind, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench import child
from packhorse.bench.child import Child, ChildEnded


def echo(connection: Any) -> None:
    """Sends back what it gets, and does what some words ask for."""
    while True:
        word = connection.receive()
        if word == "print":
            print("said to nobody")  # noqa: T201
            os.write(1, b"nor this\n")
        elif word == "die":
            raise ValueError("planted")
        elif word == "abort":
            os.abort()
        elif word == "hang":
            time.sleep(60)
        elif word == "start another":
            started = subprocess.Popen(["sleep", "60"])
            connection.send(started.pid)
        else:
            connection.send({"event": "end"} if word == "end" else word)


ECHO = "tests.bench.test_child:echo"


def gone(process: int) -> bool:
    for _ in range(1200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_messages_go_both_ways_and_prints_do_not_disturb_them() -> None:
    with Child.of(ECHO) as one:
        one.send({"a": [1, "ü"]}, "print", "end")
        assert list(one.messages()) == [{"a": [1, "ü"]}]
        pid = one.pid
    assert gone(pid)


@pytest.mark.parametrize(("word", "said"), [("die", "exit status 1: ValueError: planted"), ("abort", "SIGABRT")])
def test_an_end_is_told_with_its_reason(word: str, said: str) -> None:
    with Child.of(ECHO) as one:
        one.send(word)
        with pytest.raises(ChildEnded, match=said) as told:
            one.receive()
    assert not told.value.hung


def test_silence_means_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with Child.of(ECHO) as one:
        one.send("x")
        assert one.receive() == "x"
        monkeypatch.setattr(child, "SILENCE_LIMIT_S", 0.3)
        one.send("hang")
        with pytest.raises(ChildEnded, match="did not answer") as told:
            one.receive()
        assert told.value.hung
        assert gone(one.pid)


def test_what_a_child_has_started_goes_with_it() -> None:
    with Child.of(ECHO) as one:
        one.send("start another")
        other = one.receive()
    assert gone(other)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_parent_is_killed(how: signal.Signals) -> None:
    script = textwrap.dedent(
        f"""
        import time
        from packhorse.bench.child import Child
        one = Child.of({ECHO!r})
        one.send("start another")
        print(one.pid, one.receive(), flush=True)
        one.send("hang")
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    processes = [int(word) for word in parent.stdout.readline().split()]
    parent.send_signal(how)
    parent.wait(30)
    parent.stdout.close()
    assert len(processes) == 2
    assert all(gone(process) for process in processes)


def test_a_large_message_passes() -> None:
    with Child.of(ECHO) as one:
        one.send("x" * 3_000_000)
        assert len(one.receive()) == 3_000_000
