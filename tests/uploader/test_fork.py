"""Forks with uploads in flight: the child neither hangs, nor uploads, nor robs the spool; the parent goes on."""

from __future__ import annotations

import faulthandler
import os
import signal
import time
import warnings
from collections import Counter
from pathlib import Path

from packhorse.stores.base import ObjectInfo, PutResult
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.reliability import note, quick_and_full
from tests.uploader.test_uploader import CAPTURE, balanced

IN_FLIGHT = 100


class Pipe(FakeStore):
    """Every put of any process is one short line in a pipe."""

    def __init__(self, write: int) -> None:
        super().__init__()
        self._write = write

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        os.write(self._write, f"{os.getpid()} {key}\n".encode())
        return super().put(key, body, info)


def child(up: Uploader, folder: Path, write: int) -> int:
    """What the child finds; 0 when all is as it should be."""
    stats = up.stats()
    if (stats.submitted, stats.in_flight) != (0, 0):
        return 11
    up.close(1.0)
    if stats.spool is None or stats.spool.files:
        return 12
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=folder, options=options(Pipe(write))) as own:
        if own.stats().spool != stats.spool or own._engine.core.spool is None or own._engine.core.spool.adopt():
            return 13  # it robbed its living parent
        if own.submit(CAPTURE, key=f"child-{os.getpid()}").result(60).attempts != 1:
            return 14
    return 0


def ended(pid: int) -> int:
    deadline = time.monotonic() + 80
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 99


@quick_and_full("forks", 5, 200)
def test_forking_with_uploads_in_flight(forks: int, tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    duplicates = 0
    for number in range(forks):
        read, write = os.pipe()
        store = Pipe(write)
        store.gate.clear()
        folder = tmp_path / str(number)
        chosen = options(store, max_in_flight=8)
        with Uploader("s3://bucket", profile=PROFILE, spool_dir=folder, options=chosen) as up:
            tickets = [up.submit(CAPTURE) for _ in range(IN_FLIGHT)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # forking a process with threads is the point
                pid = os.fork()
            if pid == 0:
                status = 15
                faulthandler.dump_traceback_later(60, file=2)  # where it hangs, if it does
                try:
                    status = child(up, folder, write)
                finally:
                    os._exit(status)
            statuses[ended(pid)] += 1
            store.gate.set()
            for ticket in tickets:
                assert ticket.result(60).attempts == 1
        assert balanced(up.stats())
        os.close(write)
        with os.fdopen(read) as lines:
            puts = Counter(line.partition(" ")[2] for line in lines)
        duplicates += sum(count - 1 for count in puts.values())
        assert len(puts) == IN_FLIGHT + 1
    note("fork", forks=forks, in_flight=IN_FLIGHT, duplicates=duplicates, statuses=dict(statuses))
    assert statuses == {0: forks}
    assert duplicates == 0
