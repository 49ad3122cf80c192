"""Runs one server and never outlives the process that asked for it.

``python -m packhorse.bench.lab.watchdog LOG CMD…``

The asking process holds the other end of this one's standard input, and writes a byte to have the server ended. When
that end closes, or this process gets another parent, it is ended, too: so it stops on an exception, on Ctrl-C and on
SIGKILL alike, on Linux and on macOS. On Linux the kernel also ends the server should this process itself be killed. The
server's folder, which holds LOG, is the asking process's to remove; where that died, it is removed here.

Without CMD, ``python -m packhorse.bench.lab.watchdog FOLDER``, there is a folder alone. It is removed once the asking
process needs it no more, or has died.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from packhorse.units import KIB

#: Most bytes of a server's output that are kept: its start-up errors come first.
LOG_LIMIT_BYTES = 256 * KIB
#: Seconds a server may take to end by itself before it is killed.
GRACE_S = 3.0
#: How the names of folders begin that are removed; no other ever is.
FOLDER_PREFIX = "packhorse-"
#: Seconds within which a folder must be gone: what the dead process had started may still be writing there.
REMOVE_LIMIT_S = 60.0
#: Seconds between looks at the parent and at the server.
LOOK_S = 0.2
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(arguments: list[str]) -> int:
    """Run ``CMD…`` with its output in ``LOG`` until it ends or nobody wants it any more; returns its exit status."""
    log, *command = arguments
    parent = os.getppid()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever ends everything, as a system that goes down, also ends the asking process: its folder goes then.
        signal.signal(name, _ask_to_end if command else signal.SIG_IGN)
    if not command:
        _watch(parent, lambda: True)
        _remove(Path(log))
        return 0
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread runs yet
    )
    assert server.stdout is not None
    pump = threading.Thread(target=_copy, args=(server.stdout, Path(log)), daemon=True)
    pump.start()
    left_alone = False
    try:
        left_alone = _watch(parent, lambda: server.poll() is None)
    except KeyboardInterrupt:
        pass
    finally:
        _end(server)
        pump.join(GRACE_S)
        if left_alone or os.getppid() != parent:
            _remove(Path(log).parent)
    return server.returncode


def _watch(parent: int, needed: Callable[[], bool]) -> bool:
    """Wait until the asking process says that it is done, or has died (then True), or there is nothing to watch."""
    while needed() and os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
        if ready:
            # The end of a process closes its files first; only later its children get another parent.
            return os.read(sys.stdin.fileno(), 1) == b""
    return os.getppid() != parent


def _ask_to_end(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _remove(folder: Path) -> None:
    """Remove what an asking process that died has left, a server's objects or copies of captures included."""
    end_s = time.monotonic() + REMOVE_LIMIT_S
    while folder.name.startswith(FOLDER_PREFIX) and folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > end_s:
            break
        time.sleep(LOOK_S)


def _copy(output: IO[bytes], log: Path) -> None:
    """Keep the first part of the output; read the rest too, as a full pipe would stop the server."""
    left = LOG_LIMIT_BYTES
    with log.open("wb", buffering=0) as file:
        while chunk := os.read(output.fileno(), 64 * KIB):
            with contextlib.suppress(OSError):  # a full disk is no reason to stop the server
                file.write(chunk[:left])
            left -= min(left, len(chunk))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
