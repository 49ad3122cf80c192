"""Processes in groups of their own: what a command has started goes when it goes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def end_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process that was started with ``start_new_session``, and every process of its group; wait for it.

    Its children are killed also when it has ended before them. One that leaves the group (a daemon) is not found.
    """
    # A group without members is gone, and macOS does not let its zombies be signalled.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()


def run_to_end(
    command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str], limit_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and gather its output. No process of its group is left, also after a time limit and an interrupt.

    Raises:
        subprocess.TimeoutExpired: It took longer than ``limit_s``.
        FileNotFoundError: There is no such program.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",  # file names that git lists may be of any bytes
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    finally:
        end_group(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
