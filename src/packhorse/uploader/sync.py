"""The face for threads."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from packhorse.uploader.account import Flushed
from packhorse.uploader.face import Face
from packhorse.uploader.options import check_deadline, check_wait
from packhorse.uploader.ticket import Receipt, Ticket


class Uploader(Face):
    """Uploads captures in the background with a published pipeline, within a bound on memory.

    Every submitted capture has exactly one fate, and it is counted: see :meth:`stats`. A capture is a HAR dict or any
    JSON-able object, JSON text as bytes, a path, an ``EntryStream``, or an iterator of HAR entries. Do not change an
    object between ``submit`` and its ticket's end.

        with Uploader("s3://bucket/prefix") as uploader:
            ticket = uploader.submit(capture)
            print(ticket.key)           # known at once
            receipt = ticket.result()   # waits; raises UploadFailed
    """

    def submit(self, capture: Any, *, key: str | None = None, timeout_s: float | None = None) -> Ticket:
        """Hand a capture in, waiting for room in the memory budget if need be.

        Args:
            capture: See the class.
            key: Full object key; None makes a fresh one under the prefix.
            timeout_s: The longest wait for room; None waits as long as it takes.

        Raises:
            QueueFull: No room within ``timeout_s``; the capture is counted as dropped.
            UploaderClosed: After :meth:`close`.
            InputError: The key cannot be carried by S3, or ``timeout_s`` is no finite number.
        """
        if timeout_s is not None:
            check_wait("timeout_s", timeout_s)
        return self._engine.submit(capture, key, wait_s=timeout_s)

    def submit_nowait(self, capture: Any, *, key: str | None = None) -> Ticket:
        """Hand a capture in without ever waiting. When room is short it is reduced; without room it is dropped.

        Raises:
            UploaderClosed: After :meth:`close`.
            InputError: The key cannot be carried by S3.
        """
        return self._engine.submit_nowait(capture, key)

    def upload(self, capture: Any, *, key: str | None = None, timeout_s: float | None = None) -> Receipt:
        """Submit and wait for the receipt.

        Raises:
            UploadFailed: It was not stored.
            TimeoutError: Not done within ``timeout_s``; the upload goes on.
            QueueFull, UploaderClosed, InputError: As :meth:`submit`.
        """
        return self.submit(capture, key=key, timeout_s=timeout_s).result(timeout_s)

    def flush(self, deadline_s: float | None = None) -> Flushed:
        """Wait for all captures handed in so far, and go on working: before a freeze, ``os._exit``, or a look at S3.

        Args:
            deadline_s: Seconds that it takes at the most; None takes the option ``close_deadline_s``. With a spool the
                last two fifths of it, at most 8 s, go to spooling what S3 has not taken. Without one that stays in
                flight, in memory.

        Returns:
            What has become of all that were handed in before.

        Raises:
            InputError: ``deadline_s`` is not a finite number.
        """
        deadline = self._engine.options.close_deadline_s if deadline_s is None else deadline_s
        check_deadline(deadline)
        return self._engine.flush(deadline)

    def close(self, deadline_s: float | None = None) -> None:
        """Take no more captures, drain for at most ``deadline_s`` (default: the option), then stop. Idempotent.

        What cannot be uploaded in time is spooled; without a spool it is dropped and counted. Raises InputError when
        ``deadline_s`` is not a finite number.
        """
        deadline = self._engine.options.close_deadline_s if deadline_s is None else deadline_s
        check_deadline(deadline)
        self._engine.close(deadline)

    def __enter__(self) -> Self:
        self._engine.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
