"""How an uploader ends: by ``close()``, at interpreter exit, in a forked child. Every capture gets its fate in time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator

from packhorse.stores.base import Store
from packhorse.stores.obstore_forks import keep
from packhorse.uploader.admission import Admission
from packhorse.uploader.bodies import file_bytes
from packhorse.uploader.job import Job
from packhorse.uploader.rest import encode_now, share_s
from packhorse.uploader.spool.fileformat import Header
from packhorse.uploader.spooling import SPOOLED
from packhorse.uploader.telemetry import telemetry
from packhorse.uploader.ticket import Fate
from packhorse.uploader.work import STOPPED
from packhorse.uploader.workers import why

logger = logging.getLogger("packhorse")

#: Seconds the exit hook gives requests that are already on the wire, from its beginning: while it spools, they go on.
EXIT_GRACE_S = 2.0
#: Seconds the exit hook may spend on spooling before that.
EXIT_SPOOL_S = 3.0
#: Seconds for threads to end after a deadline has passed; whoever is stuck in a request is left to itself.
LEAST_GRACE_S = 0.1
MOST_GRACE_S = 2.0
LOOK_S = 0.02
UNKNOWN = "stopped while it was being sent: whether it is stored is not known"
_abandoned: list[Store] = []


class Closing(Admission):
    """Adds endings."""

    def _reset(self) -> None:
        super()._reset()
        self._ended_by_s = 0.0

    def close(self, deadline_s: float) -> None:
        """Take no more, drain, spool or drop what is left, stop the threads: all in ``deadline_s``. Idempotent."""
        end_s = time.monotonic() + deadline_s
        with self._lock:
            self._ended_by_s = max(self._ended_by_s, end_s + LEAST_GRACE_S)
            self.closing = True
            self._announce_room()
            drain_s = deadline_s - share_s(deadline_s) if self.spool is not None else deadline_s
            self._settled.wait_for(
                lambda: self.stopping or (self.ledger.in_flight == 0 and self._drain_rests()), drain_s
            )
        self._spool_rest(end_s)
        self._stop(STOPPED, grace_s=min(max(end_s - time.monotonic(), LEAST_GRACE_S), MOST_GRACE_S))

    def exit(self) -> None:
        """At interpreter exit: begin no upload and no thread; spool what is left, let the wire finish for a moment."""
        if self._pid == os.getpid() and not self.stopping:
            with self._lock:
                if self.closing:  # another thread is at it: on a signal, the main thread may end before it has
                    self._settled.wait_for(lambda: self.stopping, self._ended_by_s - time.monotonic())
                self.closing = True
                self._announce_room()
            begun_s = time.monotonic()
            self._spool_rest(begun_s + EXIT_SPOOL_S)
            grace_s = max(begun_s + EXIT_GRACE_S - time.monotonic(), LEAST_GRACE_S)
            self._stop("the interpreter exited before close()", grace_s=grace_s)

    # --- spooling the rest --------------------------------------------------------------------------------------------

    def _spool_rest(self, end_s: float) -> None:
        """Write what has no fate yet to disk, in this thread: others may not be there, or hang."""
        if self.spool is None:
            return
        with self._lock:
            if self.stopping or self.ledger.in_flight == 0:
                return
            self._spills_all = True  # from here on no upload is begun
        self._insure(end_s)
        while time.monotonic() < end_s:
            with self._lock:
                batch = self.next_batch()
                job = None if batch else self._next_raw_now(end_s)
                if not batch and job is None and (not self._being_made() or not self._accepts()):
                    return
            if batch:
                self.write_batch(batch)
            elif job is not None:
                encode_now(self, job, end_s)
            else:
                time.sleep(LOOK_S)

    def _next_raw_now(self, end_s: float) -> Job | None:
        """A capture to encode in this thread: only when no other does it, since nothing can break an encoder off."""
        mine = self._raw and not self._encoders and time.monotonic() < end_s and self._accepts()
        return self._take(self._raw) if mine else None

    def _being_made(self) -> bool:
        """True while a thread encodes or writes something that will come to the spool."""
        waiting = bool(self._raw and self._encoders)
        return waiting or any(not job.on_wire and job not in self._insured for job in self._in_hand)

    def _insure(self, end_s: float) -> None:
        """Copy bodies that are on the wire to disk: if S3 does not answer in time, they are not lost."""
        assert self.spool is not None
        for job, body in self._on_the_wire():
            with self._lock:
                if time.monotonic() >= end_s or not self._accepts(file_bytes(job)):
                    return
            try:
                claim = self.spool.write(Header(job.ticket.key, job.info), [body])
                self.spool.commit([claim], listed=False)
            except OSError as error:
                self.spool.failed("write", error)
                return
            with self._lock:
                needed = job.on_wire and not job.settled  # else it waits for another attempt, and is spooled from there
                if needed:
                    self._insured[job] = claim
            if not needed:
                self.spool.withdraw(claim)

    def _on_the_wire(self) -> Iterator[tuple[Job, bytes]]:
        with self._lock:
            sending = [(job, job.body) for job in self._in_hand if job.on_wire and job not in self._insured]
        yield from ((job, body) for job, body in sending if body is not None)

    # --- stopping -----------------------------------------------------------------------------------------------------

    def _stop(self, reason: str, *, grace_s: float) -> None:
        with self._lock:
            self.closing = self.stopping = True
            left = [*self._raw, *self._bodies, *self._to_spool, *self.trying.clear()]
            for queue in (self._raw, self._bodies, self._to_spool):
                queue.clear()
            for job in left:
                # Of one that was tried, what went wrong then says more, also whether it may be stored.
                told = (Fate.DROPPED, reason) if job.trouble is None else (Fate.FAILED, *why(job.trouble))
                self._settle(job, *told)
                self._hold(job, 0)
            self._announce_room()
            for condition in (self._raw_ready, self._body_ready, self._keeper_ready, self._settled):
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
            count = len(left) + stuck
            logger.warning("%d %s not uploaded: %s", count, "capture was" if count == 1 else "captures were", reason)
        if self.spool is not None:
            self.spool.close()
        if not self._running:
            self._close_store()
        telemetry.end(self)

    def _abandon(self) -> int:
        """Give a fate to what threads still hold after the grace: they end by themselves and change it no more."""
        lost = 0
        with self._lock:
            jobs, self._in_hand = list(self._in_hand), set()
            for job in jobs:
                if self._insured.pop(job, None) is not None:
                    self._settle(job, Fate.SPOOLED, SPOOLED)
                else:
                    sending = job.attempts > 0
                    lost += 1
                    self._settle(job, Fate.FAILED if sending else Fate.DROPPED, UNKNOWN if sending else STOPPED)
                self._hold(job, 0)
        for job in jobs:
            self._publish(job)
        return lost

    def disown(self) -> None:
        """In a forked child: forget the parent's captures, threads and files, and never touch its client again."""
        self._used = self._store is not None or self._client_is_lost()
        if self._store is not None:
            _abandoned.append(self._store)  # closing it here would reach into the parent's connections
            keep(self._store)
        self._store = None
        self._store_lock = threading.Lock()
        if self.spool is not None:
            self.spool.disown()
        # A client's native threads do not live on in the child: it, and any client made after it, would wait for ever.
        unusable = self.closing or self._used
        self._reset()
        self.closing = self.stopping = unusable
