"""obstore (Rust ``object_store``), async calls.

``pool`` means what it means in :mod:`packhorse.stores.obstore_sync`, and the same goes through boto3, in threads.

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
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import obstore

from packhorse.errors import StoreError
from packhorse.stores.answers import Writer, run_async
from packhorse.stores.base import AsyncStore, Endpoint, ObjectInfo, PutResult, Store
from packhorse.stores.credentials import STALE_S
from packhorse.stores.failure import EXPIRED, check_request
from packhorse.stores.multipart import LookingSender, PartStore, send_stream_async
from packhorse.stores.obstore_client import ObstoreRequests, boto3_in_place_of_obstore, client_version, translating
from packhorse.stores.obstore_forks import lost

T = TypeVar("T")
#: Seconds to wait for Rust threads that are inside Python; they need microseconds once they get the GIL.
QUIESCE_S = 2.0
#: Looks in a row without a foreign thread in Python: one look can fall between two requests' announcements.
QUIET_LOOKS = 3
#: Seconds between looks: the GIL is given up each time, and the default switch interval is 5 ms.
LOOK_S = 0.006


def make(*, endpoint: Endpoint, pool: int) -> AsyncStore:
    """A store on obstore's S3 client; in the child of a process that had used obstore, on boto3's, in threads.

    Raises:
        StoreError: kind ``config``.
    """
    return InThreads(boto3_in_place_of_obstore(endpoint, pool)) if lost() else ObstoreAsync(endpoint, pool)


def core_version() -> str:
    """The version of obstore."""
    return client_version()


class ObstoreAsync:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        self._requests = ObstoreRequests(endpoint, pool, self._call, asyncio.to_thread)
        self._writer = Writer(self._requests)

    async def _call(self, action: str, key: str, function: str, client: Any, *arguments: Any, **options: Any) -> Any:
        with translating(action, key, self._requests.endpoint):
            if function == "bytes":
                return await client.bytes_async()
            return await getattr(obstore, f"{function}_async")(client, key, *arguments, **options)

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put`."""
        instead = self._requests.way_out()
        if instead is not None:
            return await asyncio.to_thread(instead.put, key, body, info)
        began_s = time.monotonic()
        try:
            return await run_async(self._writer.put(key, body, info))
        except StoreError as error:
            source = self._requests.source
            if source is None or error.code not in EXPIRED:
                raise
            if not await asyncio.to_thread(source.renewed_since, began_s):
                raise
        await asyncio.sleep(STALE_S)
        return await run_async(self._writer.put(key, body, info))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put_stream`."""
        check_request(key, info)
        self._requests.clients()
        return await send_stream_async(
            _Sender(self, lambda: self._requests.boto3().sender(key, info), key, info), chunks
        )

    async def close(self) -> None:
        """As :meth:`packhorse.stores.base.AsyncStore.close`; see the module about exit."""
        self._requests.close()
        for pause_s in _until_quiet():
            await asyncio.sleep(pause_s)


class InThreads:
    """A sync store behind the async protocol, each request in a thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put`."""
        return await asyncio.to_thread(self._store.put, key, body, info)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put_stream`."""
        store = self._store
        assert isinstance(store, PartStore)
        return await send_stream_async(_Sender(self, lambda: store.sender(key, info), key, info), chunks)

    async def close(self) -> None:
        """As :meth:`packhorse.stores.base.AsyncStore.close`."""
        await asyncio.to_thread(self._store.close)


async def to_its_end(work: Callable[..., T], *arguments: Any) -> T:
    """Run ``work`` in a thread, and wait for it also when cancelled: a part that lands after an abort is paid for."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


class _Sender:
    """boto3's requests of one multipart upload, in threads: a :class:`packhorse.stores.multipart.AsyncSender`."""

    def __init__(self, store: AsyncStore, make_parts: Callable[[], LookingSender], key: str, info: ObjectInfo) -> None:
        self._store = store
        self._make_parts = make_parts
        self._key = key
        self._info = info
        self._parts: LookingSender | None = None

    async def whole(self, body: bytes) -> PutResult:
        return await self._store.put(self._key, body, self._info)

    async def begin(self) -> str:
        self._parts = await asyncio.to_thread(self._make_parts)
        return await asyncio.to_thread(self._parts.begin)

    async def part(self, upload_id: str, number: int, body: bytes) -> str:
        assert self._parts is not None
        return await to_its_end(self._parts.part, upload_id, number, body)

    async def finish(self, upload_id: str, etags: list[str]) -> str:
        assert self._parts is not None
        return await asyncio.to_thread(self._parts.finish, upload_id, etags)

    async def abort(self, upload_id: str) -> None:
        assert self._parts is not None
        await asyncio.to_thread(self._parts.abort, upload_id)


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
    return sys._current_frames().keys() - {thread.ident for thread in threading.enumerate() if _started(thread)}


def _started(thread: threading.Thread) -> bool:
    """Whether Python started it. ``threading`` also lists others that asked it who they are, in a class of its own."""
    kind = type(thread)
    known = kind in {threading.Thread, threading.Timer} or thread is threading.main_thread()
    return known or kind.__module__ != threading.__name__


#: Those that were here before any of obstore's (pytest-xdist has one). Not Python's own threads: when one of them has
#: ended, a thread of obstore's may get its number.
_THERE_BEFORE = frozenset(_strangers())
atexit.register(quiesce)
