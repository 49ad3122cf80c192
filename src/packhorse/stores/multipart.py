"""Multipart uploads for clients that leave the parts to us: parts are sent while later ones are still being produced.

Memory is bounded by :data:`PARTS_IN_FLIGHT` parts on their way and one being gathered.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo, PutResult
from packhorse.units import format_bytes

if TYPE_CHECKING:
    import asyncio

#: Parts on their way while the next one is gathered; each costs 5 MiB. With three of 5 MiB a 100 MB capture is up in
#: 0.60 s over ``same-region`` (85 MB/s a connection), with two of 8 MiB in 0.70 s, with two of 5 MiB in 0.68 s
#: (``packhorse study large``).
PARTS_IN_FLIGHT = 3
#: S3 user guide, "Multipart upload limits".
MAX_PARTS = 10_000
#: How often an abort is tried, and seconds between: parts that stay are paid for, and S3 answers 500 now and then.
ABORT_TRIES, ABORT_PAUSE_S = 3, 0.3
#: Not again once it has taken so long: who does not answer now would keep a permit, or a close, waiting.
ABORT_WITHIN_S = 2.0
#: Metadata that marks one multipart upload, so that its object can be told when the answer to its end was lost.
META_UPLOAD = "packhorse-upload"


class Gatherer:
    """Collects chunks of any size into parts of exactly ``part_bytes``; the rest is the last part."""

    def __init__(self, part_bytes: int = DEFAULT_PART_BYTES) -> None:
        self._part_bytes = part_bytes
        self._held: list[bytes | memoryview] = []
        self._held_bytes = 0

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """Take a chunk; yield each part it completes."""
        view = memoryview(chunk)
        while self._held_bytes + len(view) >= self._part_bytes:
            cut = self._part_bytes - self._held_bytes
            self._held.append(view[:cut])
            yield self.rest()
            view = view[cut:]
        if len(view):
            self._held.append(view)
            self._held_bytes += len(view)

    def rest(self) -> bytes:
        """What is held, as one part; empties the gatherer."""
        part = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        return part


def gather(chunks: Iterator[bytes], part_bytes: int = DEFAULT_PART_BYTES) -> Iterator[bytes]:
    """Yield ``chunks`` as parts of exactly ``part_bytes``, the last one shorter; nothing for an empty stream."""
    gatherer = Gatherer(part_bytes)
    for chunk in chunks:
        yield from gatherer.add(chunk)
    if last := gatherer.rest():
        yield last


class Sender(Protocol):
    """The requests of an upload, for one key. Each raises StoreError."""

    def whole(self, body: bytes) -> PutResult:
        """Write the object in one request."""
        ...

    def begin(self) -> str:
        """Start a multipart upload and return its id."""
        ...

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        """Send one part, numbered from 1, and return its entity tag as the server wrote it."""
        ...

    def finish(self, upload_id: str, etags: list[str]) -> str:
        """Put the parts together and return the object's entity tag."""
        ...

    def abort(self, upload_id: str) -> None:
        """Throw the parts away."""
        ...


class LookingSender(Sender, Protocol):
    """A sender that can look at what is stored."""

    def stored(self) -> tuple[str, int, ObjectInfo] | None:
        """Entity tag, size and headers of the object that is stored under the key now; None when there is none."""
        ...


@runtime_checkable
class PartStore(Protocol):
    """A store whose multipart requests can be made, and tried again, one by one."""

    def sender(self, key: str, info: ObjectInfo) -> LookingSender:
        """The requests of one upload, not begun yet.

        Raises:
            StoreError: kind ``invalid``, or ``config`` when the store is closed.
        """
        ...


class AsyncSender(Protocol):
    """As :class:`Sender`, for asyncio."""

    async def whole(self, body: bytes) -> PutResult:
        """As :meth:`Sender.whole`."""
        ...

    async def begin(self) -> str:
        """As :meth:`Sender.begin`."""
        ...

    async def part(self, upload_id: str, number: int, body: bytes) -> str:
        """As :meth:`Sender.part`."""
        ...

    async def finish(self, upload_id: str, etags: list[str]) -> str:
        """As :meth:`Sender.finish`."""
        ...

    async def abort(self, upload_id: str) -> None:
        """As :meth:`Sender.abort`."""
        ...


def send_stream(sender: Sender, chunks: Iterator[bytes]) -> PutResult:
    """Send ``chunks`` as one object: in one request when shorter than one part, otherwise as multipart.

    Raises:
        StoreError: A request failed; the upload has been aborted (or the text says that this failed too, after
            :data:`ABORT_TRIES` where it might have passed).
        Exception: Whatever ``chunks`` raises, unchanged, after the upload was aborted. Where aborting failed, a note
            on the exception says so.
    """
    parts = gather(chunks)
    first = next(parts, b"")
    if len(first) < DEFAULT_PART_BYTES:
        return sender.whole(first)
    parts = chain((first,), parts)
    del first  # it would stay in memory for the whole upload
    upload_id = sender.begin()
    with _PartThreads() as pool:
        pending: deque[Future[str]] = deque()
        etags: list[str] = []
        sent_bytes = 0
        try:
            for number, body in enumerate(parts, 1):
                _check_number(number)
                if len(pending) == PARTS_IN_FLIGHT:
                    etags.append(pending.popleft().result())
                pending.append(pool.submit(sender, upload_id, number, body))
                sent_bytes += len(body)
            etags.extend(part.result() for part in pending)
            return PutResult(sender.finish(upload_id, etags), sent_bytes)
        except BaseException as error:
            for part in pending:
                part.cancel()
            wait(pending)  # a part that lands after the abort would be stored, and paid for
            _abort(sender, upload_id, error)
            raise


class _PartThreads:
    """Threads that send parts, started as they are needed.

    Not an executor's, which the interpreter joins before any hook of ``atexit`` runs: that hook is what ends the waits
    between a part's attempts when the process ends. Where gevent has replaced threads these are greenlets of the thread
    that sends the stream, and have to be: neither the client's sockets nor the futures work across threads there.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Future[str], Callable[[], str]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, sender: Sender, upload_id: str, number: int, body: bytes) -> Future[str]:
        """Have a part sent. Raises RuntimeError when a thread is needed and the interpreter gives none any more."""
        if len(self._threads) < PARTS_IN_FLIGHT:
            thread = threading.Thread(target=self._run, name=f"packhorse-part-{len(self._threads)}", daemon=True)
            thread.start()
            self._threads.append(thread)
        future: Future[str] = Future()
        self._work.put((future, partial(sender.part, upload_id, number, body)))
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, send = item
            del item  # or the part would stay in memory until the next one comes
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(send())
                except BaseException as error:  # noqa: BLE001  # whoever waits for the part gets it
                    future.set_exception(error)
            del future, send


async def send_stream_async(sender: AsyncSender, chunks: AsyncIterator[bytes]) -> PutResult:
    """As :func:`send_stream`. When cancelled, the upload is aborted before the cancellation goes on."""
    import asyncio  # loaded already here; at the top it would cost every uploader 20 ms at its start

    parts = _gather_async(chunks)
    first = await anext(parts, b"")
    if len(first) < DEFAULT_PART_BYTES:
        return await sender.whole(first)
    upload_id = await sender.begin()
    pending: deque[asyncio.Task[str]] = deque()
    etags: list[str] = []
    number, sent_bytes = 0, 0
    body, first = first, b""
    try:
        while body:
            number += 1
            _check_number(number)
            if len(pending) == PARTS_IN_FLIGHT:
                etags.append(await pending[0])
                pending.popleft()
            pending.append(asyncio.create_task(sender.part(upload_id, number, body)))
            sent_bytes += len(body)
            body = await anext(parts, b"")
        etags.extend([await part for part in pending])
        return PutResult(await sender.finish(upload_id, etags), sent_bytes)
    except BaseException as error:
        told = await _parts_ended(pending, error)
        await _abort_async(sender, upload_id, told)
        if told is not error:
            raise told from error
        raise
    finally:
        await parts.aclose()


def _abort(sender: Sender, upload_id: str, error: BaseException) -> None:
    """Throw the parts away because of ``error``; when that fails for good, or each time, ``error`` says so."""
    end_s = time.monotonic() + ABORT_WITHIN_S
    for left in reversed(range(ABORT_TRIES)):
        try:
            sender.abort(upload_id)
        except StoreError as failed:
            if not (left and failed.retryable and time.monotonic() < end_s):
                raise_unaborted(error, failed)
                return
        else:
            return
        time.sleep(ABORT_PAUSE_S)


async def _parts_ended(pending: Iterable[asyncio.Task[str]], error: BaseException) -> BaseException:
    """Wait for the parts under way, as one that lands after the abort would be stored. ``error``, or a cancellation."""
    import asyncio

    if not isinstance(error, Exception):  # cancelled: soon
        for part in pending:
            part.cancel()
    try:
        await asyncio.gather(*pending, return_exceptions=True)
    except asyncio.CancelledError as cancelled:  # it has cancelled the parts, too
        await asyncio.gather(*pending, return_exceptions=True)
        return cancelled
    return error


async def _abort_async(sender: AsyncSender, upload_id: str, error: BaseException) -> None:
    import asyncio

    end_s = time.monotonic() + ABORT_WITHIN_S
    for left in reversed(range(ABORT_TRIES)):
        try:
            await sender.abort(upload_id)
        except StoreError as failed:
            if not (left and failed.retryable and time.monotonic() < end_s):
                raise_unaborted(error, failed)
                return
        else:
            return
        await asyncio.sleep(ABORT_PAUSE_S)


def raise_unaborted(error: BaseException, failed: StoreError) -> None:
    """Say on ``error`` that the parts are still stored: as a new StoreError, or as a note on a foreign exception."""
    if failed.kind == StoreErrorKind.NOT_FOUND:  # the upload is gone already, which is what the abort was for
        return
    left = f"the multipart upload could not be aborted either, so its parts may still be stored and paid for: {failed}"
    if isinstance(error, StoreError):
        raise StoreError(
            f"{error}; {left}",
            kind=error.kind,
            status=error.status,
            retry_after_s=error.retry_after_s,
            code=error.code,
        ) from None
    error.add_note(left)


async def _gather_async(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    gatherer = Gatherer()
    async for chunk in chunks:
        for part in gatherer.add(chunk):
            yield part
    if last := gatherer.rest():
        yield last


def _check_number(number: int) -> None:
    if number > MAX_PARTS:
        limit = format_bytes(MAX_PARTS * DEFAULT_PART_BYTES)
        raise StoreError(f"the object is larger than {limit}, S3's {MAX_PARTS} parts", kind=StoreErrorKind.INVALID)
