"""obstore (Rust ``object_store``), async calls.

``pool`` means what it means in :mod:`packhorse.stores.obstore_sync`.

Exit: a finished request is announced to the event loop by a Rust thread that calls ``call_soon_threadsafe``. That call
gives the GIL up while it wakes the loop; when the interpreter ends before the thread has it back, Python ends the
thread by an unwind that Rust turns into an abort (exit status 134). :func:`quiesce` waits until no foreign thread is
inside Python any more; :meth:`ObstoreAsync.close` calls it, and so does the interpreter's exit.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import obstore

from packhorse.errors import StoreError
from packhorse.stores.base import DEFAULT_PART_BYTES, AsyncStore, Endpoint, ObjectInfo, PutResult
from packhorse.stores.credentials import STALE_S
from packhorse.stores.failure import EXPIRED, check_request, closed, created_before, entity_tag
from packhorse.stores.multipart import PARTS_IN_FLIGHT, Gatherer
from packhorse.stores.obstore_config import (
    attributes_of,
    check_stream,
    client_version,
    info_of,
    open_client,
    put_mode,
    translated,
    translating,
)
from packhorse.stores.obstore_patience import Clients

#: Seconds to wait for Rust threads that are inside Python; they need microseconds once they get the GIL.
QUIESCE_S = 2.0
#: Looks in a row without a foreign thread in Python: one look can fall between two requests' announcements.
QUIET_LOOKS = 3
#: Seconds between looks: the GIL is given up each time, and the default switch interval is 5 ms.
LOOK_S = 0.006


def make(*, endpoint: Endpoint, pool: int) -> AsyncStore:
    """A store on obstore's S3 client.

    Raises:
        StoreError: kind ``config``.
    """
    return ObstoreAsync(endpoint, pool)


def core_version() -> str:
    """The version of obstore."""
    return client_version()


class ObstoreAsync:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        client, self._endpoint, self._source = open_client(endpoint, pool)
        self._clients: Clients | None = Clients(client, self._endpoint)

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put`."""
        check_request(key, info)
        began_s = time.monotonic()
        try:
            return await self._put(key, body, info)
        except StoreError as error:
            source = self._source
            if source is None or error.code not in EXPIRED:
                raise
            if not await asyncio.to_thread(source.renewed_since, began_s):
                raise
        await asyncio.sleep(STALE_S)
        return await self._put(key, body, info)

    async def _put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        answer: Any
        try:
            with translating("put", key, self._endpoint):
                answer = await obstore.put_async(
                    self._open(len(body)),
                    key,
                    body,
                    attributes=attributes_of(info),
                    use_multipart=False,
                    mode=put_mode(self._endpoint),
                )
        except StoreError as refused:
            if not created_before(refused, self._endpoint):
                raise
            answer = {"e_tag": await self._tag_of_same(key, body, info, refused)}
        return PutResult(entity_tag(answer["e_tag"], "put", key, self._endpoint).strip('"'), len(body))

    async def _tag_of_same(self, key: str, body: bytes, info: ObjectInfo, refused: StoreError) -> Any:
        """As ``BotocoreClient._tag_of_same``."""
        try:
            with translating("get", key, self._endpoint):
                answer = await obstore.get_async(self._open(), key)
                tag, size = answer.meta["e_tag"], answer.meta["size"]
                same = size == len(body) and info_of(answer.attributes) == info
                same = same and bytes(await answer.bytes_async()) == body
        except StoreError as unseen:
            if unseen.retryable:
                raise unseen from None
            same = False
        if not same:
            raise refused
        return tag

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put_stream`.

        obstore aborts the upload when its source raises, but not when it is cancelled. A cancellation is therefore
        passed to it as an error of the source, and goes on once obstore has ended, after ``read_timeout_s`` at most.
        """
        check_request(key, info)
        source = AsyncSource(chunks)
        await source.start()
        if len(source.first) < DEFAULT_PART_BYTES:
            return await self.put(key, source.first, info)
        check_stream(self._endpoint)
        upload = asyncio.ensure_future(
            obstore.put_async(
                self._open(DEFAULT_PART_BYTES),
                key,
                source.parts(),
                attributes=attributes_of(info),
                use_multipart=True,
                chunk_size=DEFAULT_PART_BYTES,
                max_concurrency=PARTS_IN_FLIGHT,
            )
        )
        error: BaseException
        try:
            answer = await asyncio.shield(upload)
            tag = entity_tag(answer["e_tag"], "finishing the upload of", key, self._endpoint)
            return PutResult(tag.strip('"'), source.given_bytes)
        except StoreError as ours:
            error = source.error or ours
        except asyncio.CancelledError as cancelled:
            source.stop()
            await asyncio.wait([upload], timeout=self._endpoint.read_timeout_s)
            upload.cancel()
            await asyncio.gather(upload, return_exceptions=True)
            error = cancelled
        except Exception as sdk_error:  # noqa: BLE001 - the chunks may raise anything, through obstore
            error = source.error or translated(sdk_error, "put", key, self._endpoint)
        raise error

    async def close(self) -> None:
        """As :meth:`packhorse.stores.base.AsyncStore.close`; see the module about exit."""
        self._clients = None
        for pause_s in _until_quiet():
            await asyncio.sleep(pause_s)

    def _open(self, body_bytes: int = 0) -> Any:
        clients = self._clients
        if clients is None:
            raise closed(self._endpoint)
        return clients.of(body_bytes)


class AsyncSource:
    """The parts of a stream, which can be stopped from outside.

    Attributes:
        first: The first part, until :meth:`parts` hands it on.
        given_bytes: Bytes handed on so far.
        error: What the chunks raised.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._gathered = self._gather()
        self._stopped = asyncio.Event()
        self.first = b""
        self.given_bytes = 0
        self.error: BaseException | None = None

    async def start(self) -> None:
        """Gather the first part. Raises what the chunks raise."""
        self.first = await anext(self._gathered, b"")

    def stop(self) -> None:
        """Make :meth:`parts` raise, also when it is waiting for the next chunk."""
        self._stopped.set()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield the parts, first included.

        Raises:
            InterruptedError: After :meth:`stop`.
        """
        part, self.first = self.first, b""
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            while part:
                self.given_bytes += len(part)
                yield part
                following = asyncio.ensure_future(anext(self._gathered, b""))
                await asyncio.wait([following, stopped], return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    raise InterruptedError("the upload was cancelled")
                part = following.result()
        except BaseException as error:
            self.error = error
            raise
        finally:
            stopped.cancel()

    async def _gather(self) -> AsyncGenerator[bytes, None]:
        gatherer = Gatherer()
        async for chunk in self._chunks:
            for part in gatherer.add(chunk):
                yield part
        if last := gatherer.rest():
            yield last


def quiesce() -> None:
    """Wait until no thread that Python did not start is inside Python, two seconds at most. See the module."""
    for pause_s in _until_quiet():
        time.sleep(pause_s)


def _until_quiet() -> Iterator[float]:
    """Yield the seconds to pause between looks, until enough of them in a row have found nobody."""
    deadline_s = time.monotonic() + QUIESCE_S
    quiet = 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline_s:
        yield LOOK_S
        quiet = 0 if _strangers() - _THERE_BEFORE else quiet + 1


def _strangers() -> set[int]:
    """The threads inside Python that Python did not start."""
    ours = {thread.ident for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}
    return sys._current_frames().keys() - ours


#: Those that were here before any of obstore's (pytest-xdist has one). Not Python's own threads: when one of them has
#: ended, a thread of obstore's may get its number.
_THERE_BEFORE = frozenset(_strangers())
atexit.register(quiesce)
