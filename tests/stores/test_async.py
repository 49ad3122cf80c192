"""What async stores promise beyond the contract: cancellation, on their own loop and through the bridge."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from packhorse.bench.lab.targets import Target
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages import registry
from packhorse.stages.base import Candidate
from packhorse.stores.base import AsyncStore, Endpoint, ObjectInfo, PutResult
from packhorse.stores.bridge import SyncBridge
from tests.stores.conftest import NETWORK_ROWS, await_parts, client_of, pending_uploads

ASYNC_ROWS = [row for row in NETWORK_ROWS if row.asynchronous]
INFO = ObjectInfo()


def make(row: Candidate, endpoint: Endpoint) -> AsyncStore:
    store: AsyncStore = registry.make(row, {}, endpoint=endpoint)
    return store


@pytest.mark.parametrize("row", ASYNC_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("good_parts", [0, 1, 2])
def test_cancelled_stream_leaves_nothing(row: Candidate, target: Target, good_parts: int) -> None:
    key = f"cancelled/{uuid.uuid4()}"
    client = client_of(target.endpoint)

    async def scenario() -> None:
        reached = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(good_parts * 9):
                yield bytes(1024 * 1024)
            reached.set()
            await asyncio.Event().wait()

        store = make(row, target.endpoint)
        upload = asyncio.create_task(store.put_stream(key, chunks(), INFO))
        await reached.wait()
        await asyncio.to_thread(await_parts, target.endpoint, key, good_parts * 9 * 1024 * 1024)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        await store.put(key + "-after", b"still works", INFO)
        await store.close()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(scenario())
    bucket = target.endpoint.bucket
    assert pending_uploads(target.endpoint, key) == []
    listed = client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
    assert [entry["Key"] for entry in listed] == [key + "-after"]


@pytest.mark.parametrize("row", ASYNC_ROWS, ids=lambda row: row.name)
def test_cancelled_put(row: Candidate, target: Target) -> None:
    import socket
    from dataclasses import replace

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            store = make(row, replace(target.endpoint, url=url))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.put("key", b"x", INFO), 0.5)
            await store.close()

    asyncio.run(scenario())


class Scripted:
    """An async store that does what a test wants."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()
        self.closed = 0

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("unreachable")

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        await anext(chunks)
        raise StoreError("early", kind=StoreErrorKind.THROTTLED)

    async def close(self) -> None:
        self.closed += 1


def test_bridge_stops_a_stream_that_nobody_reads() -> None:
    scripted = Scripted()
    bridge = SyncBridge(lambda: scripted)
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield bytes(1024 * 1024)

    with pytest.raises(StoreError, match="early"):
        bridge.put_stream("key", chunks(), INFO)
    assert taken < 10
    bridge.close()
    assert scripted.closed == 1


def test_closing_the_bridge_cancels_what_runs() -> None:
    scripted = Scripted()
    bridge = SyncBridge(lambda: scripted)
    errors: list[BaseException] = []

    def put() -> None:
        try:
            bridge.put("key", b"", INFO)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    scripted.started.wait()
    bridge.close()
    thread.join()
    assert scripted.cancelled.is_set()
    assert len(errors) == 1


def test_bridge_reports_a_store_that_cannot_be_made() -> None:
    before = set(threading.enumerate())  # those of others may end meanwhile

    def fails() -> Any:
        raise StoreError("no credentials", kind=StoreErrorKind.CONFIG)

    with pytest.raises(StoreError, match="no credentials"):
        SyncBridge(fails)
    assert set(threading.enumerate()) <= before


def test_bridge_without_a_reader_cannot_read() -> None:
    bridge = SyncBridge(Scripted)
    with pytest.raises(StoreError, match="sync"), bridge.open("key"):
        pass
    bridge.close()
