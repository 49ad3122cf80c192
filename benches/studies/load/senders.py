"""What a load sends through: an uploader of either face, or a store alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from benches.studies.load.loops import Send
from benches.studies.load.spec import Aim, Via
from packhorse.bench.synth import sized
from packhorse.errors import InputError, StoreError, UploadFailed
from packhorse.model import materialized
from packhorse.pipeline import Choice, Pipeline
from packhorse.profiles.loading import Profile, load_profile
from packhorse.stages.base import Stage
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.wire import describe


@asynccontextmanager
async def sender(aim: Aim, seed: int) -> AsyncIterator[Send]:
    """A function that sends the n-th capture, with its client open while the context lasts.

    Raises:
        PackhorseError: The pipeline or the endpoint cannot be used.
    """
    captures = [materialized(sized(aim.capture_bytes, seed + number, aim.kind)) for number in range(aim.captures)]
    pipeline = _pipeline(aim)
    if aim.via is Via.STORE:
        async with _store(aim, pipeline, captures) as send:
            yield send
        return
    profile = Profile("load", pipeline, aim.uploads_in_flight)
    options = UploaderOptions(endpoint=aim.endpoint)
    url = f"s3://{aim.endpoint.bucket}/{aim.prefix}"
    if aim.via is Via.ASYNC_UPLOADER:
        async with AsyncUploader(url, profile=profile, options=options, redact=False) as uploader:

            async def send_async(number: int) -> None:
                await (await uploader.submit(captures[number % len(captures)]))

            yield send_async
        return
    sync = Uploader(url, profile=profile, options=options, redact=False)
    try:

        async def send_sync(number: int) -> None:
            await sync.submit_nowait(captures[number % len(captures)])

        yield send_sync
    finally:
        await asyncio.to_thread(sync.close)


def failure_class(error: BaseException) -> str:
    """Failures by what they mean, not by their text: a fate, or a store's kind of error."""
    if isinstance(error, UploadFailed):
        return error.fate
    if isinstance(error, StoreError):
        return error.kind.value
    return type(error).__name__


def _pipeline(aim: Aim) -> Pipeline:
    """The aim's pipeline, its pool as large as the uploads in flight unless its text names another."""
    pipeline = load_profile().pipeline if aim.pipeline is None else Pipeline.parse(aim.pipeline)
    store = pipeline.store
    if store is None:
        raise InputError(
            f"{aim.pipeline!r} has no store: a load ends at S3, so write a fourth part such as '| obstore'"
        )
    sizes = {name: value for name, value in store.settings if name == "pool"}
    if not sizes or dict(store.given).get("pool") or int(sizes["pool"]) >= aim.uploads_in_flight:
        return pipeline
    larger = Choice.parse(Stage.STORE, f"{store}{':' if not store.given else ','}pool={aim.uploads_in_flight}")
    return Pipeline(pipeline.encode_with, pipeline.compress, pipeline.base64, larger)


@asynccontextmanager
async def _store(aim: Aim, pipeline: Pipeline, captures: list[Any]) -> AsyncIterator[Send]:
    assert pipeline.store is not None
    bodies = [b"".join(pipeline.cpu.encode(capture)) for capture in captures]
    info = describe(pipeline, "load")
    store = pipeline.store.make(endpoint=aim.endpoint)
    run = f"{aim.prefix}-{os.getpid()}"  # several machines or processes may load one bucket
    if pipeline.store.candidate.asynchronous:
        places = asyncio.Semaphore(aim.uploads_in_flight)

        async def send_async(number: int) -> None:
            async with places:
                await store.put(f"{run}-{number}", bodies[number % len(bodies)], info)

        try:
            yield send_async
        finally:
            await store.close()
        return
    threads = ThreadPoolExecutor(aim.uploads_in_flight, thread_name_prefix="packhorse-load")

    def put(number: int) -> Awaitable[object]:
        body = bodies[number % len(bodies)]
        return asyncio.get_running_loop().run_in_executor(threads, store.put, f"{run}-{number}", body, info)

    try:
        yield put
    finally:
        await _ended(threads.shutdown)
        store.close()


async def _ended(end: Callable[[], object]) -> None:
    await asyncio.to_thread(end)
