"""A service that is ended in one of several ways: ``python -m tests.uploader.ends_child HOW FOLDER DEADLINE_S``.

S3 hangs or works. It prints the keys it has submitted, then ``ready``; the end comes after that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.signals import close_on_signal
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options

CAPTURES = 25


def arguments(folder: str, deadline_s: float, *, works: bool) -> dict[str, Any]:
    store = FakeStore()
    if not works:
        store.gate.clear()
    chosen: UploaderOptions = options(store, close_deadline_s=deadline_s)
    return {"profile": PROFILE, "spool_dir": folder or None, "options": chosen}


def capture(number: int) -> dict[str, Any]:
    return {"log": {"entries": [{"n": number, "text": "x" * 5000}]}}


def ready(keys: list[str]) -> None:
    sys.stdout.write("\n".join([*keys, f"ready {time.time()}\n"]))
    sys.stdout.flush()


def sync(how: str, given: dict[str, Any]) -> None:
    uploader = Uploader("s3://bucket/pre", **given)
    if how == "sigterm":
        close_on_signal(uploader)
    keys = [uploader.submit(capture(number)).key for number in range(CAPTURES)]
    ready(keys)
    if how == "sigterm":
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait()
    if how == "closed":
        uploader.close()
    if how == "exception":
        raise ValueError("planned")


async def service(given: dict[str, Any]) -> None:
    async with AsyncUploader("s3://bucket/pre", **given) as uploader:
        tickets = [await uploader.submit(capture(number)) for number in range(CAPTURES)]
        ready([ticket.key for ticket in tickets])
        await asyncio.sleep(60)


async def cancelled(given: dict[str, Any]) -> None:
    task = asyncio.create_task(service(given))
    await asyncio.sleep(0.3)
    task.cancel()
    await task


def main() -> None:
    how, folder, deadline_s, works = sys.argv[1:]
    given = arguments(folder, float(deadline_s), works=works == "works")
    if how in {"cancelled", "ctrl-c"}:
        if how == "ctrl-c":
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            threading.Timer(0.5, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
        asyncio.run(cancelled(given) if how == "cancelled" else service(given))
    elif how == "with-exception":
        with Uploader("s3://bucket/pre", **given) as uploader:
            ready([uploader.submit(capture(number)).key for number in range(CAPTURES)])
            raise ValueError("planned")
    else:
        sync(how, given)


if __name__ == "__main__":
    main()
