"""A service that is ended in one of several ways: ``python -m tests.uploader.ends_child HOW FOLDER DEADLINE S3 DRAIN``.

S3 hangs or works. It prints the keys it has submitted, then ``ready``; the end comes after that. DRAIN is the part of
the deadline, in seconds, in which nothing is spooled yet; where it is empty, the uploader decides.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

from packhorse.uploader import lifecycle
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.signals import close_on_signal
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options

CAPTURES = 12


def arguments(folder: str, deadline_s: float, *, works: bool) -> dict[str, Any]:
    store = FakeStore()
    if not works:
        store.gate.clear()
    chosen: UploaderOptions = options(store, close_deadline_s=deadline_s)
    return {"profile": PROFILE, "spool_dir": folder or None, "options": chosen}


def capture(number: int) -> dict[str, Any]:
    return {"log": {"entries": [{"n": number, "text": "x" * 5000}]}}


def encoded(uploader: Uploader | AsyncUploader) -> None:
    """Wait until all are encoded: how long the first one takes on a busy machine is not what is looked at."""
    engine = uploader._engine
    while engine.core.table.queued or not all(job.attempts for job in engine.core.in_hand()):
        time.sleep(0.002)


def ready(keys: list[str]) -> None:
    sys.stdout.write("\n".join([*keys, f"ready {time.time()}\n"]))
    sys.stdout.flush()


def sync(how: str, given: dict[str, Any]) -> None:
    uploader = Uploader("s3://bucket/pre", **given)
    if how == "sigterm":
        close_on_signal(uploader)
    keys = [uploader.submit(capture(number)).key for number in range(CAPTURES)]
    encoded(uploader)
    ready(keys)
    if how == "sigterm":
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait()
    if how == "closed":
        uploader.close()
    if how == "exception":
        raise ValueError("planned")


async def service(how: str, given: dict[str, Any]) -> None:
    async with AsyncUploader("s3://bucket/pre", **given) as uploader:
        tickets = [await uploader.submit(capture(number)) for number in range(CAPTURES)]
        encoded(uploader)
        ready([ticket.key for ticket in tickets])
        if how == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)
        else:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await asyncio.sleep(60)


def main() -> None:
    how, folder, deadline_s, works, drain_s = sys.argv[1:]
    if drain_s:  # then the disk may be as slow as it likes
        lifecycle.share_s = lambda deadline_s: deadline_s - float(drain_s)
        lifecycle.EXIT_SPOOL_S = float(deadline_s)
    given = arguments(folder, float(deadline_s), works=works == "works")
    if how in {"cancelled", "ctrl-c"}:
        asyncio.run(service(how, given))
    elif how == "with-exception":
        with Uploader("s3://bucket/pre", **given) as uploader:
            keys = [uploader.submit(capture(number)).key for number in range(CAPTURES)]
            encoded(uploader)
            ready(keys)
            raise ValueError("planned")
    else:
        sync(how, given)


if __name__ == "__main__":
    main()
