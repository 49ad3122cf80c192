"""What a submitter holds: a ticket for each capture, with its key at once and its fate in time."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from packhorse.errors import UploadFailed


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
        sha256: Hex SHA-256 of the plain encoded capture, empty without the option ``plain_sha256``. The same
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


class Ticket:
    """One submitted capture. Await it on an event loop, or call :meth:`result` from a thread."""

    __slots__ = ("_future", "fate", "key", "reason", "url")

    def __init__(self, key: str, url: str) -> None:
        self.key = key
        self.url = url
        #: Fate so far; final when it is not ``IN_FLIGHT``.
        self.fate = Fate.IN_FLIGHT
        #: Why it was dropped or failed, in words; empty otherwise. Never holds content of the capture.
        self.reason = ""
        self._future: concurrent.futures.Future[Receipt] = concurrent.futures.Future()

    def __repr__(self) -> str:
        return f"Ticket(key={self.key!r}, fate={self.fate.value!r})"

    def done(self) -> bool:
        """True when the fate is final."""
        return self._future.done()

    def result(self, timeout_s: float | None = None) -> Receipt:
        """Wait for the upload.

        Raises:
            TimeoutError: No final fate within ``timeout_s``; the upload goes on.
            UploadFailed: The capture was dropped or failed; ``fate`` and ``reason`` say why.
        """
        return self._future.result(timeout_s)

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait for the upload on the running event loop. Cancelling the wait does not cancel the upload."""
        future = asyncio.wrap_future(self._future)
        # Whoever stops waiting has said that the outcome does not matter: asyncio need not complain that nobody saw it.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return asyncio.shield(future).__await__()

    def add_done_callback(self, callback: Callable[[Ticket], None]) -> None:
        """Call ``callback(ticket)`` once the fate is final, from whichever thread found it out (or at once)."""
        self._future.add_done_callback(lambda _: callback(self))

    def settle(self, receipt: Receipt | None) -> None:
        """Wake all who wait; called once, by the engine, after ``fate`` and ``reason`` were set."""
        if self.fate is Fate.IN_FLIGHT:
            return
        if receipt is not None:
            self._future.set_result(receipt)
        else:
            self._future.set_exception(UploadFailed(self.fate.value, self.reason))
