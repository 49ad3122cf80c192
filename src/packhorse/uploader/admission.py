"""How captures come in: at once, after a wait in line, reduced, or not at all. Each is counted before anything else."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from packhorse.errors import PackhorseError, QueueFull, UploaderClosed
from packhorse.uploader.degrade import degradable
from packhorse.uploader.job import Job
from packhorse.uploader.keys import checked_key, new_key
from packhorse.uploader.prepare import JOB_BYTES, STREAM_HELD_BYTES, estimate_bytes
from packhorse.uploader.ticket import Fate, Ticket
from packhorse.uploader.unspooling import Unspooling
from packhorse.uploader.waiting import Line, Waiter
from packhorse.uploader.workers import encode_loop, why

CLOSED = "the uploader was closed"
NO_ROOM = "no room in the memory budget"
TOO_LARGE = "larger than the memory budget"
INTERRUPTED = "the wait for room was interrupted"


class Admission(Unspooling):
    """Adds submitting."""

    def _reset(self) -> None:
        super()._reset()
        self._line = Line()
        self._url_base = f"s3://{self.endpoint.bucket}/"

    def submit(self, capture: Any, key: str | None, *, wait_s: float | None) -> Ticket:
        """Hand a capture in, waiting in line at most ``wait_s`` seconds for room (None: as long as it takes).

        Raises:
            UploaderClosed: After close, or when it is closed meanwhile.
            QueueFull: There was no room in time, or there can never be. The capture is counted as dropped.
            InputError: The key cannot be carried by S3.
        """
        job = self.job(capture, key)
        turn = threading.Lock()
        turn.acquire()
        waiter = self.ask(job, turn.release)
        if not waiter.decided:
            try:
                turn.acquire(timeout=-1 if wait_s is None else min(max(wait_s, 0.0), threading.TIMEOUT_MAX))
            except BaseException:  # Ctrl-C while waiting
                self.give_up(waiter, INTERRUPTED)
                raise
            self.ask_last(waiter)
        return self.outcome(waiter)

    def submit_nowait(self, capture: Any, key: str | None) -> Ticket:
        """Hand a capture in; without room it is dropped. Raises UploaderClosed and InputError."""
        job = self.job(capture, key)
        if not self._lock.acquire(blocking=False):
            if self._surely_fits(job):
                self._lock.leave(job)
                return job.ticket
            self._lock.acquire()
        try:
            self._check_open(job)
            publish = self._admit_left(job)
        finally:
            self._lock.release()
        if publish is not None:
            publish()
        return job.ticket

    def _surely_fits(self, job: Job) -> bool:
        """True when a job can be let in by whoever has the lock, without its submitter waiting for the decision."""
        room = self._ladder.whole_bytes - self.ledger.held_bytes - job.held_bytes
        open_now = self._encoders > 0 and not self.closing
        return open_now and self._lock.may_leave() and sum(left.held_bytes for left in self._lock.left()) <= room

    def _admit_left(self, job: Job) -> Callable[[], object] | None:
        """As ``Work._admit_left``. Broken off, as by Ctrl-C, it leaves everything as it was."""
        if job.settled:  # broken off just behind that
            return partial(self._publish, job)
        ledger = self.ledger
        submitted, held_bytes = ledger.submitted, ledger.held_bytes
        try:
            self._count()
            refusal = self._decide(job, patient=False)
        except BaseException as error:
            if self._raw and self._raw[-1] is job:
                self._raw.pop()
            ledger.submitted, ledger.held_bytes = submitted, held_bytes
            if not isinstance(error, Exception):
                raise
            ledger.submit()  # whoever has the lock is not to blame
            self._settle(job, Fate.FAILED, *why(error))
            return partial(self._publish, job)
        if refusal is None:
            return None
        self._drop(job, refusal)
        return partial(self._publish, job)

    def job(self, capture: Any, key: str | None) -> Job:
        """A job with its key fixed and its size estimated; not submitted yet."""
        chosen = new_key(self._prefix, self._suffix) if key is None else checked_key(key)
        ticket = Ticket(chosen, self._url_base)
        held_bytes = estimate_bytes(capture)
        if held_bytes > self.ledger.budget_bytes:  # not refused for what a sample says alone
            held_bytes = estimate_bytes(capture, most_entries=sys.maxsize)
        if held_bytes > self.options.stream_above_bytes and held_bytes != STREAM_HELD_BYTES:
            held_bytes += STREAM_HELD_BYTES  # it stays whole while it is streamed
        return Job(ticket, capture, held_bytes + JOB_BYTES, time.monotonic())

    # --- waiting ------------------------------------------------------------------------------------------------------

    def ask(self, job: Job, wake: Callable[[], None]) -> Waiter:
        """Count a job as submitted and let it in, refuse it, or put it in line; ``wake`` is called once decided there.

        Raises:
            UploaderClosed: Nothing was counted.
        """
        waiter = Waiter(job, wake)
        with self._lock:
            self._check_open(job)
            self._count()
            # Whoever stands in line goes first; what can never be let in need not stand there.
            refusal = self._decide(job, patient=True) if not self._line else self._hopeless(job) or NO_ROOM
            if refusal == NO_ROOM:
                self._line.join(waiter)
            else:
                self._decided(waiter, refusal)
        return waiter

    def ask_last(self, waiter: Waiter) -> None:
        """The wait is over: if nobody decided, take what room there is for those that do not wait."""
        with self._lock:
            if not waiter.decided:
                self._line.leave(waiter)
                self._decided(waiter, self._decide(waiter.job, patient=False))
                self._announce_room()  # a smaller one may have stood behind it

    def give_up(self, waiter: Waiter, reason: str) -> None:
        """The wait was broken off: drop the capture, unless it was let in already; then it stays in."""
        with self._lock:
            if not waiter.decided:
                self._line.leave(waiter)
                self._decided(waiter, reason)
                self._announce_room()
        if waiter.refusal is not None:
            self._publish(waiter.job)

    def outcome(self, waiter: Waiter) -> Ticket:
        """The ticket of a decided waiter. Raises UploaderClosed or QueueFull when it was refused and dropped."""
        if waiter.refusal is None:
            return waiter.job.ticket
        self._publish(waiter.job)
        raise self._refused(waiter.job, waiter.refusal)

    def _decided(self, waiter: Waiter, refusal: str | None) -> None:
        waiter.decided, waiter.refusal = True, refusal
        if refusal is not None:  # counted at once: its submitter may never run again
            self._drop(waiter.job, refusal)

    def _announce_room(self) -> None:
        for waiter, refusal in self._line.serve(self._decide_in_line):
            self._decided(waiter, refusal)
            with contextlib.suppress(RuntimeError):  # its event loop has been closed: nobody waits there any more
                waiter.wake()

    def _decide_in_line(self, job: Job) -> tuple[bool, str | None]:
        refusal = self._decide(job, patient=True)
        return refusal != NO_ROOM, refusal

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _check_open(self, job: Job) -> None:
        if self.closing:
            why = "was used before this process was forked: upload from the parent, or start workers by spawn"
            raise UploaderClosed(f"this uploader {why if self._used else 'is closed'}; {job.ticket.key} was not taken")

    def _count(self) -> None:
        self.ledger.submit()
        if self.spool is not None:
            self._start_keeper()

    def _hopeless(self, job: Job) -> str | None:
        if self.closing:
            return CLOSED
        return TOO_LARGE if job.held_bytes > self.ledger.budget_bytes else None

    def _decide(self, job: Job, *, patient: bool) -> str | None:
        """Let a job in, or say why not."""
        refusal = self._hopeless(job)
        if refusal is not None:
            return refusal
        held_bytes, may_degrade = self.ledger.held_bytes, self.options.degrade and degradable(job.capture)
        level = self._ladder.level(held_bytes, job.held_bytes, patient=patient, degradable=may_degrade)
        if level is None:
            return NO_ROOM
        # One more than the idle ones can take: an idle thread that was woken but has not run yet still counts as idle.
        if len(self._raw) >= self._encoders_idle and self._encoders < self.encode_threads:
            self._encoders += self._start(encode_loop, f"packhorse-encode-{self._encoders + 1}")
        if not self._encoders:
            return "no thread can be started"
        job.level = level
        self.ledger.hold(job.held_bytes)
        self._raw.append(job)
        self._raw_ready.notify()
        if self.spool is not None:
            self._spill()
        return None

    def _refused(self, job: Job, refusal: str) -> PackhorseError:
        if refusal == CLOSED:
            return UploaderClosed(f"the uploader was closed while {job.ticket.key} waited for room; it was dropped")
        if refusal == TOO_LARGE:
            return QueueFull(f"{job.ticket.reason}; {job.ticket.key} was dropped")
        return QueueFull(f"{refusal} ({self.ledger.budget_bytes} bytes); {job.ticket.key} was dropped")

    def _drop(self, job: Job, refusal: str) -> None:
        detail = ""
        if refusal == TOO_LARGE:
            what = "a path or an iterator" if job.held_bytes == STREAM_HELD_BYTES + JOB_BYTES else "this capture"
            budget_bytes = self.ledger.budget_bytes
            detail = f"{what} counts as {job.held_bytes} bytes, memory_budget_bytes is {budget_bytes}; raise it"
        self._settle(job, Fate.DROPPED, refusal, detail)
