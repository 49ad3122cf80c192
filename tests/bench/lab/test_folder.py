"""A work folder goes with whoever needs it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from packhorse.bench.lab.folder import work_folder

#: Seconds within which things come and go; a bound for hanging, not a measurement.
LIMIT_S = 120.0

HOLDER = """
import sys, time
from packhorse.bench.lab.folder import work_folder
with work_folder("race") as folder:
    (folder / "kept").mkdir()
    (folder / "kept" / "capture.har").write_text("secret")
    print(folder, flush=True)
    while True:
        time.sleep(0.2)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_it_goes_with_the_block_and_so_does_its_watchdog() -> None:
    before = set(psutil.Process().children(recursive=True))
    with work_folder("race") as folder:
        assert folder.name.startswith("packhorse-race-")
        (folder / "capture.har").write_text("secret")
        assert len(set(psutil.Process().children(recursive=True)) - before) == 1
    assert not folder.exists()
    assert set(psutil.Process().children(recursive=True)) <= before


def test_what_an_interrupted_removal_leaves_goes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", interrupted)
    with pytest.raises(KeyboardInterrupt), work_folder("race") as folder:
        (folder / "capture.har").write_text("secret")
    assert not folder.exists()


@pytest.mark.parametrize("whole_group", [False, True])
def test_it_goes_with_a_process_that_is_killed(tmp_path: Path, *, whole_group: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            folder = Path(holder.stdout.readline().decode().strip())
            assert (folder / "kept" / "capture.har").exists()
            family = psutil.Process(holder.pid).children()
            if whole_group:
                os.killpg(holder.pid, signal.SIGKILL)
        finally:
            holder.kill()
    wait_for(lambda: not folder.exists())
    assert len(family) == 1
    assert psutil.wait_procs(family, timeout=LIMIT_S)[1] == []
    assert list(tmp_path.iterdir()) == []


def test_no_folder_of_another_name_is_ever_removed(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "packhorse.bench.lab.watchdog", str(tmp_path)], stdin=subprocess.DEVNULL, check=True
    )
    assert tmp_path.exists()


def _holds_a_capture(folder: Path) -> bool:
    try:
        return next(folder.rglob("*.har"), None) is not None
    except OSError:  # something went while it was looked at
        return False


@pytest.mark.parametrize(
    "arguments",
    [
        ["race", "capture.har", "--target", "rclone", "--quick", "-o", "out"],
        ["gate", "--base", "default", "--head", "smallest", "--environment", "here"],
        ["gate", "--self-test", "--quick"],
    ],
    ids=["race", "gate", "self-test"],
)
def test_no_copy_of_a_capture_is_left_by_a_command_that_is_killed(tmp_path: Path, arguments: list[str]) -> None:
    project, temporary = tmp_path / "project", tmp_path / "temporary"
    project.mkdir()
    temporary.mkdir()
    (project / "capture.har").write_text('{"log": {"version": "1.2", "entries": [{"secret": 1}]}}')
    with subprocess.Popen(
        [sys.executable, "-m", "packhorse", *arguments],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    ) as command:
        try:
            wait_for(lambda: _holds_a_capture(temporary) or command.poll() is not None)
            assert command.poll() is None
        finally:
            command.kill()
    wait_for(lambda: list(temporary.glob("packhorse-*")) == [])
