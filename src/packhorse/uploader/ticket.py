"""What a submitter holds: a ticket for each capture, with its key at once and its fate in time."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from packhorse.checks import check_wait, shown
from packhorse.errors import InputError, UnavailableError, UploadFailed
from packhorse.forks import renew_in_child
from packhorse.real_threads import make_rlock
from packhorse.uploader.endings import wait_begins

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("packhorse")


class Fate(StrEnum):
    """What happened to a capture. Every one but ``IN_FLIGHT`` is final."""

    IN_FLIGHT = "in_flight"
    UPLOADED = "uploaded"
    SPOOLED = "spooled"
    DROPPED = "dropped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of an upload.

    Attributes:
        key: Object key.
        url: ``s3://bucket/key``.
        etag: Entity tag the server answered with, without quotes.
        plain_bytes: Size of the encoded capture before compression.
        stored_bytes: Size of the object.
        crc32: CRC-32 of the plain encoded capture, eight hex digits, as in the object's metadata.
        sha256: Its SHA-256 in hex, empty without the option ``plain_sha256``. The same
            stands in the object's metadata, except for captures that went up as multipart while they were encoded
            (metadata is sent first there).
        attempts: PUTs made, the successful one included.
        seconds: Seconds per phase: ``queue`` (waiting to be encoded), ``encode`` (with redaction, compression and
            base64), ``wait`` (encoded, waiting for a permit), ``upload`` (retries and their pauses included).
    """

    key: str
    url: str
    etag: str
    plain_bytes: int
    stored_bytes: int
    sha256: str
    attempts: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    crc32: str = ""


class Ticket:
    """One submitted capture. Await it on an event loop, or call :meth:`result` from a thread.

    It has no lock, and nothing is made for waiting before somebody waits: making tickets is part of what a submitter
    pays for. A callback is taken from the list by whoever calls it, so that each is called once.
    """

    #: Held for the moment in which a ticket's list of callbacks is made. Re-entrant: a signal handler may wait, too.
    _making: ClassVar[Any] = make_rlock()

    __slots__ = ("_callbacks", "_published", "_receipt", "_url_base", "fate", "key", "reason")

    def __init__(self, key: str, url_base: str) -> None:
        """A ticket for ``key``, whose URL is ``url_base`` with the key behind it."""
        self.key = key
        #: Fate so far; final when it is not ``IN_FLIGHT``.
        self.fate = Fate.IN_FLIGHT
        #: Why it was dropped or failed, in words; empty otherwise. Never holds content of the capture.
        self.reason = ""
        self._url_base = url_base
        self._published = False
        self._receipt: Receipt | None = None
        self._callbacks: list[Callable[[], object]] | None = None

    def __repr__(self) -> str:
        return f"Ticket(key={self.key!r}, fate={self.fate.value!r})"

    @property
    def url(self) -> str:
        """``s3://bucket/key``."""
        return self._url_base + self.key

    def done(self) -> bool:
        """True when the fate is final."""
        if not self._published:
            wait_begins()
        return self._published

    def result(self, timeout_s: float | None = None) -> Receipt:
        """Wait for the upload.

        Raises:
            TimeoutError: No final fate within ``timeout_s``; the upload goes on.
            UploadFailed: The capture was dropped or failed; ``fate`` and ``reason`` say why.
            InputError: ``timeout_s`` is no finite number.
        """
        if timeout_s is not None:
            check_wait("timeout_s", timeout_s)
        if not self.done() and not self._wait(timeout_s):
            raise TimeoutError(f"{self.key!a} has no final fate after {timeout_s} s; the upload goes on")
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait for the upload on the running event loop. Cancelling the wait does not cancel the upload."""
        if not self.done():
            loop = running_loop()
            arrived = loop.create_future()

            def arrive() -> None:
                if not arrived.done():
                    arrived.set_result(None)

            def wake() -> None:
                with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits there any more
                    loop.call_soon_threadsafe(arrive)

            self._when_done(wake)
            try:
                yield from arrived
            finally:
                self._forget(wake)
        return self._outcome()

    def add_done_callback(self, callback: Callable[[Ticket], None]) -> None:
        """Call ``callback(ticket)`` once the fate is final, from whichever thread found it out (or at once).

        What it raises is logged and goes no further.

        Raises:
            InputError: ``callback`` cannot be called.
        """
        if not callable(callback):
            raise InputError(f"callback is {shown(callback)}; give a function that takes the ticket")
        self._when_done(lambda: callback(self))

    def settle(self, receipt: Receipt | None) -> None:
        """Wake all who wait; called once, by the engine, after ``fate`` and ``reason`` were set."""
        if self.fate is not Fate.IN_FLIGHT:
            self._receipt = receipt
            self._published = True
            if self._callbacks:
                self._call()

    def _outcome(self) -> Receipt:
        if self._receipt is None:
            raise UploadFailed(self.fate.value, self.reason)
        return self._receipt

    def _wait(self, timeout_s: float | None) -> bool:
        turn = threading.Lock()
        turn.acquire()
        self._when_done(turn.release)
        try:
            return turn.acquire(timeout=-1 if timeout_s is None else min(max(timeout_s, 0.0), threading.TIMEOUT_MAX))
        finally:
            self._forget(turn.release)

    def _when_done(self, callback: Callable[[], object]) -> None:
        if self._callbacks is None:
            with Ticket._making:
                if self._callbacks is None:
                    self._callbacks = []
        self._callbacks.append(callback)
        if self._published:  # whoever published it may have looked before
            self._call()

    def _forget(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(ValueError):  # it has been called
            if self._callbacks is not None:
                self._callbacks.remove(callback)

    def _call(self) -> None:
        callbacks = self._callbacks
        interrupted: KeyboardInterrupt | None = None
        while callbacks:
            try:
                callback = callbacks.pop(0)
            except IndexError:  # another thread was quicker
                break
            try:
                callback()
            except BaseException as error:  # also CancelledError and SystemExit: the thread is not its own
                if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                    interrupted = error  # Ctrl-C is the main thread's; the others are told first
                else:
                    logger.exception("a callback of a ticket raised; the capture's fate stands")
        if interrupted is not None:
            raise interrupted


def running_loop() -> asyncio.AbstractEventLoop:
    """Asyncio's. Raises UnavailableError where there is none, as under trio."""
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UnavailableError(
            "this belongs to asyncio, and no event loop of its runs here; under trio use Uploader: its submit_nowait() "
            "never waits, and what does goes to a thread: await trio.to_thread.run_sync(uploader.close)"
        ) from None


def _in_child() -> None:
    Ticket._making = make_rlock()  # whoever held it is not there any more


renew_in_child(_in_child)
