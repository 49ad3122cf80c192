"""The ways of getting a finished task's capture into S3. Each is what one would write; packhorse is itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

from benches.studies.parallelism.backlog import Backlog
from benches.studies.parallelism.spec import KEYS, Level, Way, named
from packhorse.pipeline import Pipeline
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.ticket import Fate, Ticket
from packhorse.wire import describe

PREFIX = "parallelism"
#: Seconds that packhorse may drain once a level is over: long enough to end cleanly, too short to be waited for.
CLOSE_S = 1.0


class HandOver(Protocol):
    """What a task calls at its end; it returns when the task may end."""

    async def __call__(self, number: int, capture: Any, plain_bytes: int) -> None:
        """Hand over capture ``number``."""
        ...


def key(number: int) -> str:
    """Flat keys, used again and again."""
    return f"{PREFIX}-{number % KEYS}"


@asynccontextmanager
async def opened(level: Level, backlog: Backlog) -> AsyncIterator[HandOver]:
    """The level's way, ready: client made, one object stored. What still waits at the end is given up."""
    way = named(level.way)
    makers = {"loop": _on_loop, "threads": _in_threads, "packhorse": _packhorse}
    async with makers[way.kind](level, way, backlog) as hand_over:
        yield hand_over


def _pipeline(level: Level, way: Way) -> Pipeline:
    text = way.pipeline
    if level.variant.pool is not None:
        text = f"{text.partition(':pool=')[0]}:pool={level.variant.pool}"
    return Pipeline.parse(text)


@asynccontextmanager
async def _on_loop(level: Level, way: Way, backlog: Backlog) -> AsyncIterator[HandOver]:
    """Coroutines on the tasks' own loop, which get out of the way after each chunk."""
    pipeline = _pipeline(level, way)
    assert pipeline.store is not None
    store = pipeline.store.make(endpoint=level.endpoint)
    info = describe(pipeline, PREFIX)
    await store.put(key(0), b"warm", info)
    floating: set[asyncio.Task[None]] = set()

    async def compress_and_upload(number: int, capture: Any) -> None:
        try:
            chunks = []
            for chunk in pipeline.codec().encode(capture, overlap=False):
                chunks.append(chunk)
                await asyncio.sleep(0)
            await store.put(key(number), b"".join(chunks), info)
        except Exception as error:  # noqa: BLE001  # counted, whatever it was: nobody awaits this task
            backlog.end(number, type(error).__name__)
        else:
            backlog.end(number)

    async def hand_over(number: int, capture: Any, plain_bytes: int) -> None:
        backlog.begin(number, plain_bytes)
        task = asyncio.create_task(compress_and_upload(number, capture))
        if way.awaited:
            await task
        else:  # the set keeps asyncio from collecting it; nobody waits for it
            floating.add(task)
            task.add_done_callback(floating.discard)

    try:
        yield hand_over
    finally:
        for task in floating:
            task.cancel()
        await asyncio.gather(*floating, return_exceptions=True)
        await store.close()


@asynccontextmanager
async def _in_threads(level: Level, way: Way, backlog: Backlog) -> AsyncIterator[HandOver]:
    """The loop's default executor, with its unbounded queue."""
    pipeline = _pipeline(level, way)
    assert pipeline.store is not None
    store = pipeline.store.make(endpoint=level.endpoint)
    info = describe(pipeline, PREFIX)
    loop = asyncio.get_running_loop()
    mine = threading.local()
    await loop.run_in_executor(None, store.put, key(0), b"warm", info)
    ended = threading.Event()

    def upload(number: int, capture: Any) -> None:
        if ended.is_set():
            return
        try:
            if not hasattr(mine, "codec"):
                mine.codec = pipeline.codec()
            store.put(key(number), b"".join(mine.codec.encode(capture, overlap=False)), info)
        except Exception as error:  # noqa: BLE001  # counted: nobody looks at the future
            backlog.end(number, type(error).__name__)
        else:
            backlog.end(number)

    async def hand_over(number: int, capture: Any, plain_bytes: int) -> None:
        backlog.begin(number, plain_bytes)
        loop.run_in_executor(None, upload, number, capture)

    try:
        yield hand_over
    finally:
        ended.set()
        await loop.shutdown_default_executor()
        store.close()


@asynccontextmanager
async def _packhorse(level: Level, way: Way, backlog: Backlog) -> AsyncIterator[HandOver]:
    del way
    options = UploaderOptions(endpoint=level.endpoint, close_deadline_s=CLOSE_S)
    url = f"s3://{level.endpoint.bucket}"
    async with AsyncUploader(url, options=options, redact=level.variant.redact) as uploader:
        await uploader.upload({"log": {"entries": []}}, key=key(0), timeout_s=30)

        def ended(number: int, ticket: Ticket) -> None:
            backlog.end(number, None if ticket.fate is Fate.UPLOADED else f"{ticket.fate.value}: {ticket.reason}")

        async def hand_over(number: int, capture: Any, plain_bytes: int) -> None:
            backlog.begin(number, plain_bytes)
            ticket = await uploader.submit(capture, key=key(number))
            callback: Callable[[Ticket], None] = partial(ended, number)
            ticket.add_done_callback(callback)

        yield hand_over
