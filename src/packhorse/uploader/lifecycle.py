"""How an uploader ends: by ``close()`` or with its process; and ``flush()``. Every capture gets its fate in time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter

from packhorse.uploader.account import Flushed
from packhorse.uploader.core import Core
from packhorse.uploader.encoder import Encoder, limited
from packhorse.uploader.job import Job, State, oldest
from packhorse.uploader.reasons import Reason, Why, why
from packhorse.uploader.spool.files import Header
from packhorse.uploader.spool.spool import Claim
from packhorse.uploader.spooler import Spooler, file_bytes
from packhorse.uploader.ticket import Fate

logger = logging.getLogger("packhorse")

#: Seconds that may go by at interpreter exit for spooling what could not be drained.
EXIT_SPOOL_S = 3.0
#: How long a thread may take to encode one chunk of a stream, before another gives up taking the stream over.
CHUNK_S = 0.2
#: Seconds for threads to end after a deadline has passed; whoever is stuck in a request is left to itself.
LEAST_GRACE_S = 0.1
MOST_GRACE_S = 2.0
LOOK_S = 0.02
#: Part of a closing deadline that is kept for spooling, and the most it takes: 256 MiB are written in about 5 s.
SHARE = 0.4
MOST_SHARE_S = 8.0


def share_s(deadline_s: float) -> float:
    """Seconds of a closing deadline that are kept for spooling what could not be uploaded."""
    return min(deadline_s * SHARE, MOST_SHARE_S)


class OpenJobs:
    """Jobs whose captures are in memory alone: false once there is none. Its caller has the lock.

    A capture that is on the wire and on disk is safe, although its fate is open.
    """

    def __init__(self, core: Core, jobs: list[Job]) -> None:
        self._core = core
        self._left = jobs.copy()

    def __bool__(self) -> bool:
        insured, left = self._core.insured, self._left
        while left and (left[-1].state is State.DONE or left[-1] in insured):
            left.pop()
        return bool(left)


class Lifecycle:
    """The endings of one uploader in one process."""

    def __init__(self, core: Core, encoder: Encoder, spooler: Spooler) -> None:
        self._core = core
        self._encoder = encoder
        self._spooler = spooler
        self._pid = os.getpid()
        self._ended_by_s = 0.0
        self._ended = False
        self._lost_before: int | None = None

    def close(self, deadline_s: float) -> None:
        """Take no more, drain, spool or drop what is left, stop the threads: all in ``deadline_s``. Idempotent."""
        core, spooler = self._core, self._spooler
        end_s = time.monotonic() + deadline_s
        self._begin()
        with core.lock:
            self._ended_by_s = max(self._ended_by_s, end_s + MOST_GRACE_S)
            core.closing = True
            core.announce_room()
            drain_s = deadline_s - share_s(deadline_s) if core.spool is not None else deadline_s
            core.settled.wait_for(lambda: core.stopping or (core.account.in_flight == 0 and spooler.rests()), drain_s)
        self._spool_rest(end_s)
        self._stop(Reason.STOPPED, grace_s=min(max(end_s - time.monotonic(), LEAST_GRACE_S), MOST_GRACE_S))

    def exit(self, begun_s: float) -> None:
        """The process ends, and nobody has closed this: drain for a moment, spool or drop the rest, aloud.

        At interpreter exit no thread can be started any more: those do it that are there.

        Args:
            begun_s: When the process began to end: all uploaders share the time from there on.
        """
        core = self._core
        if self._pid != os.getpid():
            return
        drained_by_s = begun_s + core.options.exit_deadline_s
        self._begin()
        with core.lock:
            if core.closing:  # another thread is at it: on a signal, the main thread may end before it has told
                core.settled.wait_for(lambda: self._ended, self._ended_by_s - time.monotonic())
            if core.stopping:
                return
            self._ended_by_s = max(self._ended_by_s, drained_by_s + EXIT_SPOOL_S + MOST_GRACE_S)
            core.closing = True
            core.announce_room()
            core.settled.wait_for(
                lambda: core.stopping or core.account.in_flight == 0, max(0.0, drained_by_s - time.monotonic())
            )
        core.hurry()
        self._spool_rest(drained_by_s + EXIT_SPOOL_S)
        self._stop(Reason.EXIT, grace_s=LEAST_GRACE_S)

    # --- flushing -----------------------------------------------------------------------------------------------------

    def flush(self, deadline_s: float) -> Flushed:
        """Wait until all that was handed in has its fate; in the last part of the time spool what has none. Go on."""
        core = self._core
        end_s = time.monotonic() + deadline_s
        with core.lock:
            before = core.account.look({})
            jobs = core.table.all()
            open_jobs = OpenJobs(core, jobs)
            drain_s = deadline_s - share_s(deadline_s) if core.spool is not None else deadline_s
            if core.held:  # a worker does all of it, who could not
                end_s = drain_s = 0.0
            core.settled.wait_for(lambda: core.stopping or not open_jobs, max(0.0, drain_s))
        self._spool_rest(end_s, open_jobs)
        with core.lock:
            after = Counter(Fate.SPOOLED if job in core.insured else job.ticket.fate for job in jobs)
        return Flushed(
            uploaded=before.uploaded + after[Fate.UPLOADED],
            spooled=before.spooled + after[Fate.SPOOLED],
            dropped=before.dropped + after[Fate.DROPPED],
            failed=before.failed + after[Fate.FAILED],
            in_flight=after[Fate.IN_FLIGHT],
        )

    # --- spooling the rest --------------------------------------------------------------------------------------------

    def _spool_rest(self, end_s: float, flushed: OpenJobs | None = None) -> None:
        """Write what has no fate yet to disk, in this thread: others may not be there, or hang.

        Args:
            end_s: When to stop.
            flushed: The jobs to write, when the uploader goes on afterwards; None: all, and it does not.
        """
        core = self._core
        if core.spool is None:
            return
        with core.lock:
            if core.stopping or core.account.in_flight == 0 or (flushed is not None and not flushed):
                return
            core.scheduler.halted = True  # from here on no upload is begun
        try:
            self._insure(end_s)
            self._write_rest(end_s, flushed)
        finally:
            if flushed is not None:
                self._go_on()

    def _go_on(self) -> None:
        core = self._core
        with core.lock:
            if not core.closing:
                core.scheduler.halted = False
                core.pool.wake_all()
                core.rouse()

    def _write_rest(self, end_s: float, flushed: OpenJobs | None) -> None:
        core, spooler = self._core, self._spooler
        while time.monotonic() < end_s:
            with core.lock:
                if flushed is not None and not flushed:
                    return
                batch = spooler.next_batch()
                job = None if batch else self._next_queued(end_s)
                if not batch and job is None and (not self._being_made() or not spooler.accepts()):
                    return
            if batch:
                spooler.write(batch)
            elif job is not None:
                self._encode_now(job, end_s)
            else:
                time.sleep(LOOK_S)

    def _next_queued(self, end_s: float) -> Job | None:
        """A capture to encode in this thread: only when no other does it, since nothing can break an encoder off."""
        core = self._core
        if not core.table.queued or self._others_encode() or time.monotonic() >= end_s or not self._spooler.accepts():
            return None
        job = oldest(core.table.queued)
        core.table.move(job, State.ENCODING)
        return job

    def _others_encode(self) -> bool:
        """True when a thread of the pool encodes, or is about to look for what to encode."""
        core = self._core
        core.rouse()  # at interpreter exit it may start none
        return core.pool.woken > 0 or core.table.count(State.ENCODING) > 0

    def _being_made(self) -> bool:
        """True while a thread encodes or writes something that will come to the spool."""
        table = self._core.table
        if table.queued and self._others_encode():
            return True
        streams = (job for job in table.of(State.SENDING, State.PARKED) if job.copy is not None and job.copy.usable)
        return table.count(State.ENCODING, State.SPOOLING) > 0 or any(streams)

    def _encode_now(self, job: Job, end_s: float) -> None:
        """Encode ``job`` in this thread, starting no other, and hand it on; past ``end_s`` it fails."""
        core = self._core
        try:
            if self._encoder.encode(job, overlap=False, end_s=end_s):
                core.count_degraded()
            limited(job, end_s)
        except BaseException as error:  # noqa: BLE001  # one classified fate, whatever the capture does
            core.finish(job, Fate.FAILED, why(error))
            job.release()
            return
        core.encoded(job)

    def _insure(self, end_s: float) -> None:
        """Copy bodies that are on the wire to disk: if S3 does not answer in time, they are not lost."""
        core, spool = self._core, self._core.spool
        assert spool is not None
        with core.lock:
            sending = [job for job in core.table.sending if job not in core.insured]
        for job in sending:
            with core.lock:
                if time.monotonic() >= end_s or not self._spooler.accepts(file_bytes(job)):
                    return
            body = job.body
            try:
                if body is not None:
                    self._insured(job, spool.write(Header(job.ticket.key, job.info), [body]))
                else:
                    self._insure_stream(job, end_s)
            except OSError as error:
                spool.failed("write", error)
                return
            except Exception:  # noqa: BLE001, S112  # it cannot be encoded after all: whoever sends it finds out, too
                continue

    def _insure_stream(self, job: Job, end_s: float) -> None:
        """Write the rest of a stream, whose sender may wait for S3 for ever, to the disk."""
        core, copy, stream = self._core, job.copy, job.stream
        # Whoever sends it waits for this lock before its fate is told. He has it while he encodes a chunk.
        if copy is None or stream is None or not copy.lock.acquire(timeout=CHUNK_S):
            return
        try:
            with core.lock:
                sending = job.state is State.SENDING
            claim = copy.take_over(stream, end_s) if sending and copy.usable else None
            if claim is not None:
                self._insured(job, claim)
        finally:
            copy.lock.release()

    def _insured(self, job: Job, claim: Claim) -> None:
        """The job has a file, too. Raises OSError."""
        core, spool = self._core, self._core.spool
        assert spool is not None
        spool.commit([claim], held=[claim])
        with core.lock:
            needed = job.state is State.SENDING  # else it waits for another attempt, and is spooled from there
            if needed:
                core.insured[job] = claim
        if not needed:
            spool.withdraw(claim)

    # --- stopping -----------------------------------------------------------------------------------------------------

    def _stop(self, reason: Reason, *, grace_s: float) -> None:
        try:
            self._stop_and_tell(reason, grace_s)
        finally:
            with self._core.lock:
                self._ended = True
                self._core.settled.notify_all()

    def _stop_and_tell(self, reason: Reason, grace_s: float) -> None:
        core = self._core
        with core.lock:
            core.closing = core.stopping = True
            rescued, self._spooler.rescued = list(self._spooler.rescued), type(self._spooler.rescued)()
            left = [*core.table.of(State.QUEUED, State.READY), *rescued, *core.table.of(State.RETRY_WAIT)]
            for job in left:
                # Of one that was tried, what went wrong then says more, also whether it may be stored.
                if job.trouble is None:
                    core.settle(job, Fate.DROPPED, Why(reason))
                else:
                    core.settle(job, Fate.FAILED, why(job.trouble))
                core.hold(job, 0)
            core.announce_room()
            core.pool.wake_all()
            self._spooler.ready.notify_all()
            core.settled.notify_all()
            threads, core.threads = core.threads, []
        for job in left:
            core.publish(job)
            job.release()
        end_s = time.monotonic() + grace_s
        for thread in threads:
            if thread is not threading.current_thread():  # close() from a ticket's callback
                thread.join(max(0.0, end_s - time.monotonic()))
        self._abandon()
        self._count_aloud(reason)
        if core.spool is not None:
            core.spool.close()
        core.close_unused()

    def _begin(self) -> None:
        """The end begins: what is lost from now on is told at its end. Before, ``stats()`` alone counts it."""
        with self._core.lock:
            if self._lost_before is None:
                self._lost_before = self._core.account.lost

    def _count_aloud(self, reason: Reason) -> None:
        with self._core.lock:
            lost = self._core.account.lost
            count, self._lost_before = lost - (self._lost_before or 0), lost
        if count:
            was = "capture was" if count == 1 else "captures were"
            logger.warning("%d %s not uploaded, or not for certain: %s", count, was, reason.words)

    def _abandon(self) -> None:
        """Give a fate to what threads still hold after the grace: they end by themselves and change it no more."""
        core = self._core
        with core.lock:
            jobs = core.in_hand()
            for job in jobs:
                if core.insured.pop(job, None) is not None:
                    core.settle(job, Fate.SPOOLED, Why(Reason.SPOOLED))
                elif job.attempts > 0:
                    core.settle(job, Fate.FAILED, Why(Reason.UNKNOWN_OUTCOME))
                else:
                    core.settle(job, Fate.DROPPED, Why(Reason.STOPPED))
                core.hold(job, 0)
        for job in jobs:
            core.publish(job)
