"""Large captures under fire: every request of a multipart upload is tried again, under the budget that all share.

A stream cannot be encoded twice, but the part that failed is still held. Such retries pause in the part's own thread;
meanwhile their capture gives its permit back, and is the next to get one when it goes on: most of it may be stored.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import PutResult, Store
from packhorse.stores.multipart import META_UPLOAD, LookingSender, PartStore, RetryingStore, send_stream
from packhorse.uploader.adaptive import OVERLOAD
from packhorse.uploader.job import Job
from packhorse.uploader.trying import Resend

if TYPE_CHECKING:
    from packhorse.uploader.work import Work

T = TypeVar("T")

#: Answers to a repeated end of an upload whose first end was done: "no such upload", and with ``create_only`` "exists".
MAY_BE_DONE = frozenset({StoreErrorKind.NOT_FOUND, StoreErrorKind.CONFLICT})


def send_parts(engine: Work, store: Store, job: Job) -> PutResult:
    """Send the job's stream as one object, each request again where the store lets us, or does so itself.

    Raises:
        StoreError: A request failed for good, or too often; what was stored of it has been thrown away.
    """
    assert job.stream is not None  # encode() made a body or a stream
    mark = secrets.token_hex(8)
    info = replace(job.info, metadata={**job.info.metadata, META_UPLOAD: mark})
    if isinstance(store, PartStore):
        return send_stream(Resending(engine, job, store.sender(job.ticket.key, info), mark), job.stream)
    if isinstance(store, RetryingStore):
        return store.put_stream_retrying(job.ticket.key, job.stream, info)
    return store.put_stream(job.ticket.key, job.stream, job.info)


class Resending:
    """A :class:`packhorse.stores.multipart.Sender` that does not give up at once."""

    def __init__(self, engine: Work, job: Job, sender: LookingSender, mark: str) -> None:
        self._engine = engine
        self._job = job
        self._sender = sender
        self._mark = mark
        self._lock = threading.Lock()
        self._sent_bytes = 0

    def whole(self, body: bytes) -> PutResult:
        """As ``Sender.whole``."""
        return self._tried(lambda: self._sender.whole(body))

    def begin(self) -> str:
        """As ``Sender.begin``. Where its answer is lost, an upload without parts stays open."""
        return self._tried(self._sender.begin)

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        """As ``Sender.part``."""
        etag = self._tried(lambda: self._sender.part(upload_id, number, body))
        with self._lock:
            self._sent_bytes += len(body)
        return etag

    def finish(self, upload_id: str, etags: list[str]) -> str:
        """As ``Sender.finish``. Where its answer is lost, the object itself tells by its mark that it is there."""
        return self._tried(lambda: self._finished(upload_id, etags))

    def abort(self, upload_id: str) -> None:
        """As ``Sender.abort``."""
        self._tried(lambda: self._sender.abort(upload_id))

    def _finished(self, upload_id: str, etags: list[str]) -> str:
        try:
            return self._sender.finish(upload_id, etags)
        except StoreError as error:
            if not error.retryable and error.kind not in MAY_BE_DONE:
                raise
            try:
                found = self._sender.stored()
            except StoreError as unseen:
                raise (unseen if unseen.retryable else error) from None
            if found is None or found[2].metadata.get(META_UPLOAD) != self._mark or found[1] != self._sent_bytes:
                raise
            return found[0]

    def _tried(self, request: Callable[[], T]) -> T:
        turn = Resend()
        try:
            while True:
                try:
                    answer = request()
                except StoreError as error:
                    if error.kind in OVERLOAD:
                        self._engine.overloaded(self._job)
                    if not self._engine.await_resend(self._job, turn, error):
                        raise
                else:
                    self._engine.resent(self._job, turn)
                    return answer
        finally:
            if turn.probe:
                self._engine.resend_broken_off(turn)
