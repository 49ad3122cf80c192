"""Large captures survive: what is sent of a stream is kept in the spool's folder until its upload is complete.

A stream cannot be encoded twice, and S3 throws a part of an object away. With the copy, an upload that cannot be
finished becomes a spooled capture like any other: the rest of the stream goes straight to the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from packhorse.errors import PackhorseError
from packhorse.real_threads import make_rlock
from packhorse.uploader.spool.draft import Draft
from packhorse.uploader.spool.files import Header
from packhorse.uploader.spool.spool import Claim, Spool


class GivesWay(PackhorseError):
    """No upload is to be gone on with: what is left goes to the disk."""


class StreamCopy:
    """The copy of one stream, in the hand of the thread that sends it, or of who takes it over at the end.

    Args:
        spool: Where it is.
        header: What the capture is stored as.
        plan: Told of every change in the bytes that are about to be on the disk; False when there is no room.
        ends: True once nothing is to be sent any more.

    Attributes:
        lock: Held by who reads the stream, finishes or discards the copy: its sender, or who closes the uploader.
        taken: True once another than its sender reads the stream: it cannot be sent any more.
    """

    def __init__(self, spool: Spool, header: Header, plan: Callable[[int], bool], ends: Callable[[], bool]) -> None:
        self._spool = spool
        self._plan = plan
        self._ends = ends
        self._planned_bytes = 0
        self.lock = make_rlock()
        self.taken = False
        self._draft: Draft | None = None
        try:
            self._draft = spool.draft(header)
        except OSError as error:
            spool.failed("write", error)

    @property
    def usable(self) -> bool:
        """False once it could not be written: the capture then depends on its upload."""
        return self._draft is not None

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass ``chunks`` on, each written first. Raises GivesWay when the rest is to go to the disk alone."""
        while True:
            with self.lock:
                if self.taken:
                    raise GivesWay("the uploader has written it to the disk")
                try:
                    chunk = next(chunks, None)
                except BaseException:  # the capture's own fault: what was made of it is no capture
                    self.discard()
                    raise
                if chunk is None:
                    return
                self._add(chunk)
                gives_way = self.usable and self._ends()
            if gives_way:
                raise GivesWay("the uploader is closing")
            yield chunk

    def take_over(self, rest: Iterator[bytes], end_s: float) -> Claim | None:
        """Finish in place of the sender, which waits for an answer that may never come. Called with the lock.

        None when there was no time; then the sender goes on with it. Raises as :meth:`finish`.
        """
        self.taken = True  # from here on the sender would leave out what is read here
        try:
            for chunk in rest:
                self._add(chunk)
                if time.monotonic() > end_s:
                    return None
        except BaseException:
            self.discard()
            raise
        return self.finish(iter(()))

    def finish(self, rest: Iterator[bytes]) -> Claim:
        """Write the rest of the stream, and make the file durable; it is not committed yet.

        Raises:
            OSError: The disk refused; nothing is left.
            Exception: Whatever ``rest`` raises; likewise.
        """
        for chunk in rest:
            self._add(chunk)
        with self.lock:
            draft, self._draft = self._draft, None
            if draft is None:
                raise OSError("the copy could not be written")
            try:
                return Claim(draft.final, draft.finish())
            finally:
                self.discard()

    def discard(self) -> None:
        """It is not needed any more. Idempotent."""
        with self.lock:
            draft, self._draft = self._draft, None
            if draft is not None:
                draft.discard()
            planned_bytes, self._planned_bytes = self._planned_bytes, 0
        self._plan(-planned_bytes)

    def _add(self, chunk: bytes) -> None:
        if self._draft is None:
            return
        self._planned_bytes += len(chunk)
        try:
            if self._plan(len(chunk)):
                self._draft.add(chunk)
                return
        except OSError as error:
            self._spool.failed("write", error)
        self.discard()
