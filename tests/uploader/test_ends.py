"""However a process ends, its captures have a fate: uploaded or spooled, in time, with the right status, quietly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from packhorse.uploader import lifecycle
from packhorse.uploader.signals import close_on_signal
from packhorse.uploader.sync import Uploader
from tests.uploader.ends_child import CAPTURES
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.reliability import ROOT, note, quick_and_full

#: Of the long suite, which writes down how late it gets; and for any machine, with little of it for draining.
DEADLINE_S = 0.8
PATIENT_S, DRAIN_S = 30.0, 0.2
#: How it ends: exit status, and what the last line on stderr begins with (nothing: stderr is empty).
WAYS = {
    "exit": (0, ""),
    "closed": (0, ""),
    "exception": (1, "ValueError: planned"),
    "with-exception": (1, "ValueError: planned"),
    "sigterm": (-signal.SIGTERM, ""),
    "cancelled": (1, "asyncio.exceptions.CancelledError"),
    "ctrl-c": (-signal.SIGINT, "KeyboardInterrupt"),
}
#: The exit hook has no deadline of the caller's: it gives the wire 2 s, and spools meanwhile.
HOOK_S = 2.0


@dataclass(frozen=True, slots=True)
class End:
    status: int
    keys: set[str]
    stderr: str
    seconds: float


def end(python: str, how: str, folder: Path, s3: str, *, timed: bool) -> End:
    deadline = [str(DEADLINE_S), s3, ""] if timed else [str(PATIENT_S), s3, str(DRAIN_S)]
    command = [python, "-W", "error", "-m", "tests.uploader.ends_child", how, str(folder), *deadline]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    ended_s = time.time()
    *keys, ready = done.stdout.splitlines() or [f"no output: {done.stderr}"]
    word, _, moment = ready.partition(" ")
    assert word == "ready", done.stderr
    return End(done.returncode, set(keys), done.stderr, ended_s - float(moment))


def taken_over(folder: Path) -> set[str]:
    store = FakeStore()
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=folder, options=options(store)):
        pass
    return set(store.objects)


def check(python: str, how: str, folder: Path, s3: str, *, timed: bool = False) -> End:
    seen = end(python, how, folder, s3, timed=timed)
    status, last = WAYS[how]
    assert seen.status == status, seen.stderr
    assert "Warning" not in seen.stderr
    assert (seen.stderr.splitlines() or [""])[-1].startswith(last), seen.stderr
    if not last:
        assert seen.stderr == ""
    assert len(seen.keys) == CAPTURES
    if s3 == "hangs":
        assert taken_over(folder) == seen.keys
    return seen


@pytest.mark.parametrize("s3", ["hangs", "works"])
@pytest.mark.parametrize("how", WAYS)
def test_every_way_to_end(how: str, s3: str, tmp_path: Path) -> None:
    check(sys.executable, how, tmp_path / "spool", s3)


@quick_and_full("rounds", 2, 100)
def test_many_ends(rounds: int, tmp_path: Path) -> None:
    """The full suite ends 100 times in each way, in this Python and in those that PACKHORSE_PYTHONS names."""
    full = rounds > 2
    others = os.environ.get("PACKHORSE_PYTHONS", "").split(os.pathsep) if full else []
    for python in [sys.executable, *filter(None, others)]:
        version = subprocess.check_output([python, "-V"], text=True).strip()
        for how in WAYS if full else ("sigterm",):
            late_s = []
            for number in range(rounds):
                folder = tmp_path / f"{how}-{number}"
                seen = check(python, how, folder, "hangs", timed=full)
                allowed_s = HOOK_S if how in {"exit", "exception"} else DEADLINE_S
                late_s.append(seen.seconds - allowed_s)
                shutil.rmtree(folder)
            late_s.sort()
            figures = {"runs": rounds, "median_late_s": late_s[rounds // 2], "worst_late_s": late_s[-1]}
            note(f"ends: {how}, {version}", **figures)


def test_all_uploaders_share_the_time_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    uploader = Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore(), exit_deadline_s=1.5))
    engine = uploader._engine
    ends_s: list[float] = []
    monkeypatch.setattr(engine.lifecycle, "_spool_rest", ends_s.append)
    monkeypatch.setattr(engine.lifecycle, "_stop", lambda _, grace_s: None)
    engine.exit(100.0)
    monkeypatch.undo()
    uploader.close()
    assert ends_s == [100.0 + 1.5 + lifecycle.EXIT_SPOOL_S]


def test_the_helper_is_for_the_main_thread() -> None:
    import threading

    from packhorse.errors import InputError

    seen: list[BaseException] = []

    def elsewhere() -> None:
        try:
            close_on_signal()
        except InputError as error:
            seen.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(seen[0])
