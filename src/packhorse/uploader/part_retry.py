"""Large captures under fire: every request of a multipart upload is tried again, under the budget that all share.

A stream cannot be encoded twice, but the part that failed is still held. Such retries pause in the part's own thread;
meanwhile their capture gives its permit back, and is the next to get one when it goes on: most of it may be stored.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import PutResult, Store
from packhorse.stores.multipart import META_UPLOAD, LookingSender, PartStore, send_stream
from packhorse.uploader.adaptive import OVERLOAD
from packhorse.uploader.core import Core
from packhorse.uploader.job import Job, State
from packhorse.uploader.scheduler import RESEND_LOOK_S, Resend

T = TypeVar("T")

#: Answers to a repeated end of an upload whose first end was done: "no such upload", and with ``create_only`` "exists".
MAY_BE_DONE = frozenset({StoreErrorKind.NOT_FOUND, StoreErrorKind.CONFLICT})


def send_parts(core: Core, store: Store, job: Job) -> PutResult:
    """Send the job's stream as one object, each request again where the store lets us.

    Raises:
        StoreError: A request failed for good, or too often; what was stored of it has been thrown away.
    """
    assert job.stream is not None  # the encoder made a body or a stream
    stream = job.stream if job.copy is None else job.copy.watch(job.stream)
    mark = secrets.token_hex(8)
    info = replace(job.info, metadata={**job.info.metadata, META_UPLOAD: mark})
    if isinstance(store, PartStore):
        return send_stream(Resending(core, job, store.sender(job.ticket.key, info), mark), stream)
    return store.put_stream(job.ticket.key, stream, job.info)


class Resending:
    """A :class:`packhorse.stores.multipart.Sender` that does not give up at once."""

    def __init__(self, core: Core, job: Job, sender: LookingSender, mark: str) -> None:
        self._core = core
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
                        self._core.overloaded(self._job)
                    if not _await_resend(self._core, self._job, turn, error):
                        raise
                else:
                    _resent(self._core, self._job, turn)
                    return answer
        finally:
            if turn.probe:  # it raised what no store should: it finds nothing out any more
                with self._core.lock:
                    self._core.scheduler.ended(turn)


# --- permits of streams that wait -------------------------------------------------------------------------------------


def _await_resend(core: Core, job: Job, turn: Resend, error: StoreError) -> bool:
    """A multipart request failed: wait until it may be made again. False when it shall not be.

    Meanwhile its capture's permit is given back: streams that wait for S3 must not keep all others from finding out
    that it is there again.
    """
    scheduler = core.scheduler
    with core.lock:
        scheduler.resend_failed(turn, job, error, time.monotonic())
        again = told = False
        while not again and turn.hopeful and not _ends(core, job):
            if scheduler.breaker.open and not told:
                told = True  # once: told again and again, the spool would never try whether S3 is back
                core.s3_is_out()
            wait_s = scheduler.resend_wait_s(turn, time.monotonic())
            again = wait_s <= 0.0
            if not again:
                _park(core, job)
                # Another part of it may take a permit meanwhile, and be done.
                core.settled.wait(min(wait_s, RESEND_LOOK_S))
        _unpark(core, job)
        return again and not _ends(core, job)


def _ends(core: Core, job: Job) -> bool:
    """True when the capture is not to wait for S3 any more. One with a copy goes to disk as soon as S3 is out."""
    copy = job.copy
    if copy is not None and (copy.taken or (copy.usable and (core.scheduler.breaker.open or core.scheduler.halted))):
        return True
    return core.stopping or core.hurried or job.state is State.DONE


def _park(core: Core, job: Job) -> None:
    if job.state is State.SENDING:
        core.table.move(job, State.PARKED)
        if core.scheduler.returning:
            core.settled.notify_all()  # streams that were sending already go first
        core.rouse()


def _unpark(core: Core, job: Job) -> None:
    """Take a permit again, as the next one; without waiting for it when all ends."""
    scheduler = core.scheduler
    scheduler.returning += 1
    while job.state is State.PARKED and scheduler.uploading >= scheduler.permits.limit and not _ends(core, job):
        core.settled.wait(RESEND_LOOK_S)
    scheduler.returning -= 1
    if job.state is State.PARKED:  # else it never was, or another request of the capture has taken one
        core.table.move(job, State.SENDING)
    core.rouse()


def _resent(core: Core, job: Job, turn: Resend) -> None:
    """A multipart request succeeded, at once or at last."""
    if turn.tries or job.probe or core.scheduler.breaker.open:
        with core.lock:
            if core.scheduler.resend_worked(turn, job):
                core.rouse()
