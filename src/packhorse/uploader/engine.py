"""The engine under both faces: two bounded pools of threads, one account, one memory budget.

Encoding threads take submitted captures, redact, encode and compress them and let the objects go; uploading threads
send the bodies, at most ``max_in_flight`` at once. Threads start when there is work for them. All state is guarded by
one lock; nothing slow happens under it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from packhorse.errors import InputError, PackhorseError, QueueFull, UploaderClosed
from packhorse.stores.base import Store
from packhorse.uploader.job import Job
from packhorse.uploader.keys import checked_key, new_key
from packhorse.uploader.ledger import Stats
from packhorse.uploader.prepare import STREAM_HELD_BYTES, estimate_bytes
from packhorse.uploader.ticket import Fate, Ticket
from packhorse.uploader.work import STOPPED, Work
from packhorse.uploader.workers import encode_loop

logger = logging.getLogger("packhorse")

#: Seconds the exit hook gives requests that are already on the wire.
EXIT_GRACE_S = 2.0
CLOSE_GRACE_S = 0.5
CLOSED = "the uploader was closed"
UNKNOWN = "stopped while it was being sent: whether it is stored is not known"
NO_ROOM = "no room in the memory budget"
_abandoned: list[Store] = []
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Engine(Work):
    """Takes captures, gives each exactly one fate. See ``Uploader`` for the promises."""

    def _reset(self) -> None:
        super()._reset()
        _engines.add(self)  # from its first state on, watched at exit and over forks

    def submit(self, capture: Any, key: str | None, *, wait_s: float | None) -> Ticket:
        """Hand a capture in, waiting at most ``wait_s`` seconds for room (None: as long as it takes).

        Raises:
            UploaderClosed: After close, or when it is closed meanwhile.
            QueueFull: There was no room in time, or there can never be. The capture is counted as dropped.
            InputError: The key cannot be carried by S3.
        """
        job = self.job(capture, key)
        deadline = None if wait_s is None else time.monotonic() + wait_s
        with self._lock:
            self._enter(job)
            try:
                refusal = self._refusal(job)
                while refusal == NO_ROOM:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        break
                    self._room.wait(left)
                    refusal = self._refusal(job)
            except BaseException:  # Ctrl-C while waiting
                self._settle(job, Fate.DROPPED, "the wait for room was interrupted")
                raise
            if refusal is None:
                self._admit(job)
                return job.ticket
            self._settle(job, Fate.DROPPED, refusal)
        self._publish(job)
        raise self.refused(job, refusal)

    def submit_nowait(self, capture: Any, key: str | None) -> Ticket:
        """Hand a capture in; without room it is dropped. Raises UploaderClosed and InputError."""
        job = self.job(capture, key)
        with self._lock:
            self._enter(job)
            refusal = self._refusal(job)
            if refusal is None:
                self._admit(job)
                return job.ticket
            self._settle(job, Fate.DROPPED, refusal)
        self._publish(job)
        return job.ticket

    def refused(self, job: Job, refusal: str) -> PackhorseError:
        """What to raise for a job that was dropped because of ``refusal``."""
        if refusal == CLOSED:
            return UploaderClosed(f"the uploader was closed while {job.ticket.key} waited for room; it was dropped")
        return QueueFull(f"{refusal} ({self.ledger.budget_bytes} bytes); {job.ticket.key} was dropped")

    def try_submit(self, job: Job, wish: Callable[[], None]) -> str | None:
        """Admit an entered job, or say why not; when for want of room, ``wish()`` is called once there may be some."""
        with self._lock:
            refusal = self._refusal(job)
            if refusal is None:
                self._admit(job)
            elif refusal == NO_ROOM:
                self._room_wishes.append(wish)
            return refusal

    def withdraw(self, wish: Callable[[], None]) -> None:
        """Forget a wish whose submitter no longer waits."""
        with self._lock, contextlib.suppress(ValueError):
            self._room_wishes.remove(wish)

    def _refusal(self, job: Job) -> str | None:
        if self.closing:
            return CLOSED
        if job.held_bytes > self.ledger.budget_bytes:
            return "larger than the memory budget"
        if not self.ledger.has_room(job.held_bytes):
            return NO_ROOM
        # One more than the idle ones can take: an idle thread that was woken but has not run yet still counts as idle.
        if len(self._raw) >= self._encoders_idle and self._encoders < self.options.encode_threads:
            self._encoders += self._start(encode_loop, f"packhorse-encode-{self._encoders + 1}")
        return None if self._encoders else "no thread can be started"

    def job(self, capture: Any, key: str | None) -> Job:
        """A job with its key fixed and its size estimated; not submitted yet."""
        chosen = new_key(self._prefix, self._suffix) if key is None else checked_key(key)
        ticket = Ticket(chosen, f"s3://{self.endpoint.bucket}/{chosen}")
        held_bytes = estimate_bytes(capture)
        if held_bytes > self.options.stream_above_bytes and held_bytes != STREAM_HELD_BYTES:
            held_bytes += STREAM_HELD_BYTES  # it stays whole while it is streamed
        return Job(ticket, capture, held_bytes, time.monotonic())

    def enter(self, job: Job) -> None:
        """Count a job as submitted. Raises UploaderClosed."""
        with self._lock:
            self._enter(job)

    def give_up(self, job: Job, reason: str) -> None:
        """Drop a job that was never admitted."""
        with self._lock:
            self._settle(job, Fate.DROPPED, reason)
        self._publish(job)

    def _enter(self, job: Job) -> None:
        if self.closing:
            why = "was used before this process was forked: upload from the parent, or start workers by spawn"
            raise UploaderClosed(f"this uploader {why if self._used else 'is closed'}; {job.ticket.key} was not taken")
        self.ledger.submit()

    def _admit(self, job: Job) -> None:
        self.ledger.hold(job.held_bytes)
        self._raw.append(job)
        self._raw_ready.notify()

    # --- control ------------------------------------------------------------------------------------------------------

    def stats(self, redacted: dict[str, int]) -> Stats:
        """A consistent look at the account."""
        with self._lock:
            return self.ledger.look(redacted)

    def set_limits(self, *, max_in_flight: int | None, memory_budget_bytes: int | None) -> None:
        """Change limits while running. Lower ones take effect as work in progress finishes."""
        limit = None if max_in_flight is None else self._checked_limit(max_in_flight)
        if memory_budget_bytes is not None and memory_budget_bytes <= 0:
            raise InputError(f"memory_budget_bytes is {memory_budget_bytes}; it must be above 0")
        with self._lock:
            if limit is not None:
                self.max_in_flight = limit
                self._more_uploaders()
                self._body_ready.notify_all()
            if memory_budget_bytes is not None:
                self.ledger.budget_bytes = self._budget_bytes = memory_budget_bytes
                self._announce_room()

    def close(self, deadline_s: float) -> None:
        """Take no more, drain for at most ``deadline_s``, drop what is left (counted), stop the threads. Idempotent."""
        with self._lock:
            self.closing = True
            self._announce_room()
            self._settled.wait_for(lambda: self.stopping or self.ledger.in_flight == 0, deadline_s)
        self._stop(STOPPED, grace_s=CLOSE_GRACE_S)

    def _stop(self, reason: str, *, grace_s: float) -> None:
        with self._lock:
            self.closing = self.stopping = True
            left = [*self._raw, *self._bodies]
            self._raw.clear()
            self._bodies.clear()
            for job in left:
                self._settle(job, Fate.DROPPED, reason)
                self._hold(job, 0)
            self._announce_room()
            for condition in (self._raw_ready, self._body_ready, self._settled):
                condition.notify_all()
            threads, self._threads = self._threads, []
        for job in left:
            self._publish(job)
            job.release()
        end = time.monotonic() + grace_s
        for thread in threads:
            if thread is not threading.current_thread():  # close() from a ticket's callback
                thread.join(max(0.0, end - time.monotonic()))
        stuck = self._abandon()
        if left or stuck:
            logger.warning("%d captures were dropped: %s", len(left) + stuck, reason)
        if not self._running:
            self._close_store()

    def _abandon(self) -> int:
        """Give a fate to what threads still hold after the grace: they end by themselves and change it no more."""
        with self._lock:
            jobs, self._in_hand = list(self._in_hand), set()
            for job in jobs:
                sending = job.attempts > 0
                self._settle(job, Fate.FAILED if sending else Fate.DROPPED, UNKNOWN if sending else STOPPED)
                self._hold(job, 0)
        for job in jobs:
            self._publish(job)
        return len(jobs)

    def disown(self) -> None:
        """In a forked child: forget the parent's captures and threads, and never touch its client again."""
        self._used = self._store is not None
        if self._store is not None:
            _abandoned.append(self._store)  # closing it here would reach into the parent's connections
        self._store = None
        self._store_lock = threading.Lock()
        # A client's native threads do not live on in the child: it, and any client made after it, would wait for ever.
        unusable = self.closing or self._used
        self._reset()
        self.closing = self.stopping = unusable

    def exit(self) -> None:
        """At interpreter exit: begin no upload, let those on the wire finish for a moment, count the rest."""
        if self._pid == os.getpid() and not self.stopping:
            self._stop("the interpreter exited before close()", grace_s=EXIT_GRACE_S)


def _at_exit() -> None:
    for engine in list(_engines):
        engine.exit()


def _in_child() -> None:
    for engine in list(_engines):
        engine.disown()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
