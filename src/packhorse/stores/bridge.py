"""An async store for threads: one event loop in a daemon thread, behind the protocol of a sync store.

The chunks of a stream are produced in the caller's thread and handed to the loop, at most
:data:`CHUNKS_AHEAD` ahead of it.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import AsyncStore, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.multipart import gather
from packhorse.units import MIB

#: Chunks that may wait between the caller's thread and the loop.
CHUNKS_AHEAD = 2
#: Bytes per hand-over: smaller chunks are gathered, as each hand-over costs a round trip between two threads.
HANDOVER_BYTES = 1 * MIB
#: Seconds given to cancelled requests and to the store's own close.
CLOSE_S = 10.0

T = TypeVar("T")


class LoopThread:
    """An event loop in a daemon thread. After :meth:`stop` nothing is left of it. In a forked child it is not there."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        # Looks names up. Our own, because the loop starts a thread to end its own one, and at the interpreter's exit
        # Python 3.12 starts none.
        self._executor = ThreadPoolExecutor(thread_name_prefix="packhorse-lookup")
        self._loop.set_default_executor(self._executor)
        self._lock = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="packhorse-loop", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run ``work`` on the loop.

        Raises:
            StoreError: kind ``config``: the loop has been stopped, or runs in the parent of this process.
        """
        if self._pid != os.getpid():
            work.close()
            raise StoreError(
                "the store was made before this process was forked; make a new one", kind=StoreErrorKind.CONFIG
            )
        with self._lock:  # a coroutine handed to a loop that is being stopped would never end
            if not self._stopped:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise StoreError("the store is closed; make a new one", kind=StoreErrorKind.CONFIG)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop and wait; an interrupted wait cancels it."""
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, run ``last``, end the thread. Idempotent; waits twice ten seconds at most."""
        if self._pid != os.getpid():  # there is no thread that could answer
            return
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            ending = asyncio.run_coroutine_threadsafe(_end(last), self._loop)
        try:
            ending.result(2 * CLOSE_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S)
            self._executor.shutdown(wait=not self._thread.is_alive(), cancel_futures=True)
            if not self._thread.is_alive():
                self._loop.close()


class SyncBridge:
    """Makes a :class:`Store` of an :class:`AsyncStore`. Thread-safe, not fork-safe."""

    def __init__(self, make_store: Callable[[], AsyncStore], *, reader: Callable[[], Store] | None = None) -> None:
        """Start the loop's thread and make the store in it.

        Args:
            make_store: Makes the async store; called on the loop.
            reader: Makes the sync store that :meth:`open` reads through; async stores only write.

        Raises:
            StoreError: What ``make_store`` raises; no thread is left.
        """
        self._make_reader = reader
        self._reader: Store | None = None
        self._lock = threading.Lock()
        self._loop = LoopThread()
        try:
            self._store = self._loop.call(_made(make_store))
        except BaseException:
            self._loop.stop()
            raise
        # Also runs at exit, for those who forget to close: the interpreter must not end while the loop works.
        self._stop = weakref.finalize(self, self._loop.stop, self._store.close)

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`."""
        return self._loop.call(self._store.put(key, body, info))

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`."""
        feed = _Feed()
        upload = self._loop.submit(self._store.put_stream(key, feed, info))
        try:
            try:
                for chunk in gather(chunks, HANDOVER_BYTES):
                    if not self._hand_over(feed, chunk, upload):
                        return upload.result()
            except Exception as error:  # whatever the chunks raise goes through the store, which aborts
                if upload.done():
                    raise
                self._hand_over(feed, error, upload)
            else:
                self._hand_over(feed, None, upload)
            return upload.result()
        except BaseException:
            upload.cancel()
            raise

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`, through the reader."""
        with self._lock:
            if not self._stop.alive:
                raise StoreError("the store is closed; make a new one", kind=StoreErrorKind.CONFIG)
            if self._reader is None:
                if self._make_reader is None:
                    raise StoreError("an async store only writes; read with a sync one", kind=StoreErrorKind.CONFIG)
                self._reader = self._make_reader()
        return self._reader.open(key)

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`: requests under way are cancelled, the loop's thread ends."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
            self._stop()

    def _hand_over(self, feed: _Feed, item: bytes | Exception | None, upload: Future[PutResult]) -> bool:
        """Wait until there is room for ``item``; False when the upload ended first."""
        taken = self._loop.submit(feed.queue.put(item))
        both: tuple[Future[Any], ...] = (taken, upload)
        wait(both, return_when=FIRST_COMPLETED)
        if taken.done():
            return True
        taken.cancel()
        return False


class _Feed:
    """Chunks on their way into the loop; None ends them, an exception is raised in their place."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(CHUNKS_AHEAD)

    def __aiter__(self) -> _Feed:
        return self

    async def __anext__(self) -> bytes:
        item = await self.queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item


async def _made(make_store: Callable[[], AsyncStore]) -> AsyncStore:
    return make_store()


async def _end(last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=CLOSE_S)
    if last is not None:
        await asyncio.wait_for(last(), CLOSE_S)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
