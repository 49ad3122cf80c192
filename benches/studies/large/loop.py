"""How late an event loop gets while a large capture goes up, by the same process or by another one."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from packhorse.bench.synth import sized
from packhorse.fetching import fetch
from packhorse.model import materialized
from packhorse.stores.base import Endpoint
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions

NOTHING = "nothing"
ARMS = (
    NOTHING,
    "here",
    "here, redacting",
    "in another process",
    "in another process, redacting",
)
#: How often the watched loop wakes up, in seconds, and from when on that is late: UPLOADER's bound.
TICK_S = 0.001
LATE_S = 0.005
_NOTHING_S = 0.3
#: Seconds for the other process to close its uploader, once nothing is asked of it any more.
_END_LIMIT_S = 60.0
_BUDGET_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Spec:
    """One block: the capture, where it goes, and the order of the arms."""

    endpoint: Endpoint
    order: tuple[str, ...]
    capture_bytes: int
    seed: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Watch:
    """One upload, or other work, watched.

    Attributes:
        arm: Who did it, and how.
        wall_s: Seconds that it took.
        ticks: Times the loop woke up meanwhile; ``late_ticks`` of them by more than ``LATE_S`` late.
        lag_max_s: By how much it was late at worst.
        queued_s: Of that, seconds in which the loop's thread could run and had no core (Linux: proc(5), schedstat;
            elsewhere 0). The rest is the interpreter's lock and what the thread itself does.
    """

    arm: str
    wall_s: float
    ticks: int
    late_ticks: int
    lag_max_s: float
    queued_s: float


def run_block(spec: Spec) -> list[Watch]:
    """Run every arm so many times. The block's own capture is kept from the garbage collector: it is the host's."""
    capture = materialized(sized(spec.capture_bytes, spec.seed, "browser"))
    gc.collect()
    gc.freeze()
    watched: list[Watch] = []
    for arm in spec.order:
        if arm == NOTHING:
            watched += asyncio.run(_watch_all(arm, lambda: asyncio.sleep(_NOTHING_S), spec.repeats))
        elif arm.startswith("here"):
            watched += asyncio.run(_here(arm, spec, capture))
        else:
            watched += _elsewhere(arm, spec)
    return watched


async def _here(arm: str, spec: Spec, capture: Any) -> list[Watch]:
    async with _uploader(spec.endpoint, redact="redacting" in arm) as up:
        await _checked(up, spec.endpoint, capture)
        return await _watch_all(arm, lambda: up.upload(capture), spec.repeats)


def _elsewhere(arm: str, spec: Spec) -> list[Watch]:
    """Another process uploads a capture of its own each time it is told to."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, spec, "redacting" in arm), daemon=True)
    process.start()
    theirs.close()
    try:
        _said(ours)

        async def one() -> None:
            ours.send("upload")
            while not ours.poll():  # the watched loop ticks meanwhile; a pipe has no event
                await asyncio.sleep(TICK_S)
            _said(ours)

        return asyncio.run(_watch_all(arm, one, spec.repeats))
    finally:
        ours.close()
        process.join(_END_LIMIT_S)
        process.kill()
        process.join()


def _said(connection: Connection) -> None:
    try:
        connection.recv()
    except EOFError:
        raise RuntimeError("the uploading process ended; see its error above") from None


def _serve(connection: Connection, spec: Spec, redact: bool) -> None:  # positional over a process's border
    asyncio.run(_serving(connection, spec, redact=redact))


async def _serving(connection: Connection, spec: Spec, *, redact: bool) -> None:
    capture = materialized(sized(spec.capture_bytes, spec.seed, "browser"))
    gc.collect()
    gc.freeze()
    async with _uploader(spec.endpoint, redact=redact) as up:
        await _checked(up, spec.endpoint, capture)
        while True:
            try:
                connection.send("ready")
                connection.recv()
            except (EOFError, BrokenPipeError):
                return
            await up.upload(capture)


def _uploader(endpoint: Endpoint, *, redact: bool) -> AsyncUploader:
    options = UploaderOptions(endpoint=endpoint)
    url = f"s3://{endpoint.bucket}/large"
    return AsyncUploader(url, redact=redact, options=options, memory_budget_bytes=_BUDGET_BYTES)


async def _checked(up: AsyncUploader, endpoint: Endpoint, capture: Any) -> None:
    """Before anything is timed: what is stored is what was given (redaction keeps the number of entries)."""
    receipt = await up.upload(capture)
    stored = await asyncio.to_thread(fetch, receipt.url, endpoint=endpoint)
    if len(stored["log"]["entries"]) != len(capture["log"]["entries"]):
        raise AssertionError(f"{receipt.url} holds another number of entries than it was given")


async def _watch_all(arm: str, upload: Callable[[], Awaitable[object]], repeats: int) -> list[Watch]:
    return [await watch(arm, upload) for _ in range(repeats)]


async def watch(arm: str, upload: Callable[[], Awaitable[object]]) -> Watch:
    """Await ``upload`` while this loop is asked to wake up every millisecond."""
    ticks = late_ticks = 0
    worst_s = queued_s = 0.0
    with _queue_clock() as clock:
        task = asyncio.ensure_future(upload())
        begun_s = time.perf_counter()
        while not task.done():
            queue_s, asked_s = clock(), time.perf_counter()
            await asyncio.sleep(TICK_S)
            lag_s = time.perf_counter() - asked_s - TICK_S
            ticks += 1
            late_ticks += lag_s > LATE_S
            if lag_s > worst_s:
                worst_s, queued_s = lag_s, clock() - queue_s
        await task
        return Watch(arm, time.perf_counter() - begun_s, ticks, late_ticks, worst_s, queued_s)


@contextmanager
def _queue_clock() -> Iterator[Callable[[], float]]:
    """Seconds that this thread has waited for a core so far."""
    try:
        file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    except OSError:
        yield lambda: 0.0
        return
    try:
        yield lambda: int(os.pread(file, 100, 0).split()[1]) / 1e9
    finally:
        os.close(file)
