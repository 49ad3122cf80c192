"""The engine's disk: bodies for which there is no room or no S3 go to the spool.

One thread, the keeper, writes. Nothing of the disk is touched under the engine's lock, and no failure of the disk
reaches a submitter.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Iterator

from packhorse.units import MIB
from packhorse.uploader.core import Core
from packhorse.uploader.job import Job, State, newest
from packhorse.uploader.prepare import JOB_BYTES
from packhorse.uploader.reasons import Reason, Why, why
from packhorse.uploader.retry_budget import Pacing
from packhorse.uploader.spool.files import Header
from packhorse.uploader.spool.folders import disk_bytes
from packhorse.uploader.spool.spool import Claim
from packhorse.uploader.stream_copy import StreamCopy
from packhorse.uploader.ticket import Fate

logger = logging.getLogger("packhorse")

#: Captures made durable together: they share one fsync of their folder.
BATCH_CAPTURES = 16
BATCH_BYTES = 8 * MIB
#: Seconds between two looks for folders of processes that died, and for captures that have rested.
TEND_EVERY_S = 30.0
#: About what a file has around its body: key, metadata, checksums.
FRAME_BYTES = 1024


def file_bytes(job: Job) -> int:
    """What a job's file will count for; of a stream, about what it may come to."""
    return disk_bytes(max(job.held_bytes - JOB_BYTES, 0) + FRAME_BYTES)


class Body:
    """The chunks of a job's body or stream; remembers whether they, and not the disk, raised."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        job = self._job
        try:
            if job.body is not None:
                yield job.body
            elif job.stream is not None:
                yield from job.stream
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            raise


class Spooler:
    """Writes captures to the spool and looks after it. Without a spool it does nothing.

    Attributes:
        ready: Told when the keeper may have to work.
        rescued: Captures whose upload failed, not yet in the hand of a thread that writes.
        looked: True once the spool has been looked through.
        disk: When the disk may be tried again.
        keepers: 1 once the keeper was started.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.ready = core.lock.condition()
        self.rescued: deque[Job] = deque()
        self.looked = False
        self.disk = Pacing(0.5, 10.0, random.uniform)
        self.keepers = 0
        self._planned_bytes = 0

    # --- under the lock -----------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Start the keeper, which takes over what dead processes left. False when there is none."""
        core = self._core
        if core.spool is not None and self.keepers == 0 and not core.stopping and not core.scheduler.halted:
            self.keepers += core.start_thread(self._run, "packhorse-spool")
        return self.keepers > 0

    def wake(self) -> None:
        """Captures may have to go to disk, or files have to be listed."""
        if self.start():
            self.ready.notify()

    def accepts(self, size_bytes: int = 0) -> bool:
        """True when the disk works, as far as is known, and has room beside what is about to be written."""
        spool = self._core.spool
        if spool is None or self.disk.wait_s(time.monotonic()) > 0:
            return False
        return spool.has_room(self._planned_bytes + size_bytes)

    def rests(self) -> bool:
        """True when close() need not wait for the spool: it is empty, or S3 is out."""
        core = self._core
        if core.spool is None or self.keepers == 0:
            return True
        scheduler = core.scheduler
        idle = not core.spool.waiting and not scheduler.draining
        return self.looked and (scheduler.drain_pace.failures > 0 or idle)

    def next_batch(self) -> list[Job]:
        """Bodies to write now: rescued ones; the newest waiting ones while memory is short or S3 is out.

        The newest go, since the oldest are the next to be uploaded.
        """
        core = self._core
        table, account, scheduler = core.table, core.account, core.scheduler
        batch: list[Job] = []
        size_bytes = 0
        all_of_them = scheduler.halted or scheduler.breaker.open
        while len(batch) < BATCH_CAPTURES and size_bytes < BATCH_BYTES:
            over = all_of_them or account.held_bytes - size_bytes > account.ladder.patient_bytes
            if self.rescued:
                job = self.rescued.popleft()
            elif over and table.ready and self.accepts(file_bytes(newest(table.ready))):
                job = newest(table.ready)
                self._plan(job)
            elif over and table.retrying and self.accepts(file_bytes(newest(table.retrying))):
                job = scheduler.newest_retrying()
                self._plan(job)
            else:
                break
            batch.append(job)
            size_bytes += job.held_bytes
        return batch

    def _plan(self, job: Job) -> None:
        self._core.table.move(job, State.SPOOLING)
        self._planned_bytes += file_bytes(job)

    # --- what threads call --------------------------------------------------------------------------------------------

    def rescue(self, job: Job, failure: Why) -> bool:
        """Take over a body whose upload failed for that reason. False when it cannot be kept."""
        core = self._core
        with core.lock:
            spool = core.spool
            if spool is None or job.body is None or core.stopping or job.state is State.DONE or job in core.insured:
                return False
            core.not_taken(job)
            if not self.accepts(file_bytes(job)) or not (core.scheduler.halted or self.start()):
                spool.refuse()
                return False
            self._plan(job)
            job.failure = failure
            self.rescued.append(job)
            self.ready.notify()
            if core.scheduler.returning:
                core.settled.notify_all()
            return True

    def copy(self, job: Job) -> StreamCopy | None:
        """Begin a copy of a stream that is about to be sent; None when there is no spool, or no room in it."""
        core = self._core
        with core.lock:
            spool = core.spool
            if spool is None or core.stopping or not self.accepts():
                return None
        return StreamCopy(
            spool, Header(job.ticket.key, job.info), self._plan_copy, lambda: core.scheduler.halted or core.stopping
        )

    def _plan_copy(self, size_bytes: int) -> bool:
        with self._core.lock:
            self._planned_bytes += size_bytes
            return size_bytes <= 0 or self.accepts()

    def keep(self, job: Job, failure: Why) -> bool:
        """Spool a stream whose upload failed for that reason: what was sent, and the rest of it. In this thread.

        False when it has no copy.
        """
        core, spool, copy, stream = self._core, self._core.spool, job.copy, job.stream
        if spool is None or stream is None or copy is None:
            return False
        with copy.lock, core.lock:
            if not copy.usable or job.state is not State.SENDING:  # on disk by now, or given up: all ends
                return False
            core.not_taken(job)
            core.table.move(job, State.SPOOLING)  # others may have its permit
            core.rouse()
        try:
            claim = copy.finish(stream)
            self._commit([(job, claim)])
        except OSError as error:
            spool.failed("write", error)
            core.finish(job, Fate.FAILED, failure)
        except BaseException as error:  # noqa: BLE001  # a capture that cannot be encoded after all
            core.finish(job, Fate.FAILED, why(error))
        else:
            core.finish(job, Fate.SPOOLED, Why(Reason.SPOOLED))
        finally:
            job.release()
        return True

    def write(self, batch: list[Job]) -> None:
        """Make a batch durable and give its captures their fate; what the disk refuses goes back to where it was."""
        core, spool = self._core, self._core.spool
        assert spool is not None
        written: list[tuple[Job, Claim]] = []
        rest = deque(batch)
        planned_bytes = sum(map(file_bytes, batch))
        error: OSError | None = None
        while rest and error is None:
            body = Body(rest[0])
            try:
                written.append((rest[0], spool.write(Header(rest[0].ticket.key, rest[0].info), body)))
            except BaseException as caught:  # noqa: BLE001  # a capture that cannot be encoded after all, or the disk
                # A stream that has been read cannot be written again.
                if body.error is not None or not isinstance(caught, OSError) or rest[0].body is None:
                    core.finish(rest[0], Fate.FAILED, why(caught))
                    rest[0].release()
                    rest.popleft()
                error = caught if isinstance(caught, OSError) and body.error is None else None
                continue
            rest.popleft()
        try:
            self._commit(written)
        except OSError as caught:
            error = caught
            rest.extendleft(reversed([job for job, _ in written]))
            written = []
        for job, _ in written:
            core.finish(job, Fate.SPOOLED, Why(Reason.SPOOLED))
            job.release()
        with core.lock:
            self._planned_bytes -= planned_bytes
        self._disk_said(error, rest)

    def _commit(self, written: list[tuple[Job, Claim]]) -> None:
        """Make files durable; those that S3 has refused already rest. Raises OSError."""
        spool = self._core.spool
        assert spool is not None
        refused = {claim: job.refusal for job, claim in written if job.refusal}
        spool.commit([claim for _, claim in written], held=refused)
        for claim, answer in refused.items():
            spool.rest(claim, answer)

    def _disk_said(self, error: OSError | None, unwritten: deque[Job]) -> None:
        """After a batch: bodies that could not be written wait for S3 again; rescued ones have failed."""
        core, spool = self._core, self._core.spool
        assert spool is not None
        with core.lock:
            if error is None:
                self.disk.worked()
            else:
                self.disk.failed(time.monotonic())
                spool.failed("write", error)
            # Once it is stopping, nobody looks into the queues any more.
            failed = [job for job in unwritten if core.stopping or job.failure is not None or job.body is None]
            spool.refuse(len(failed))
            for job in unwritten:
                if job not in failed and job.state is State.SPOOLING:  # these wait for S3, or for the disk, again
                    core.table.move(job, State.READY if job.trouble is None else State.RETRY_WAIT)
            core.rouse()  # who looked meanwhile found nothing, and waits for no moment
        for job in failed:
            core.finish(job, Fate.FAILED, job.failure or Why(Reason.DISK))
            job.release()

    # --- the keeper ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        due_s = time.monotonic()
        batch: list[Job] | None = []
        while batch is not None:
            if batch:
                self.write(batch)
            now_s = time.monotonic()
            self._tend(all_of_it=now_s >= due_s)
            due_s = now_s + TEND_EVERY_S if now_s >= due_s else due_s
            batch = self._wait(max(0.0, due_s - now_s))

    def _wait(self, wait_s: float) -> list[Job] | None:
        """The next batch, waiting for one at most ``wait_s``; None when the keeper should end."""
        core = self._core
        with core.lock:
            batch = self.next_batch()
            if not batch and not core.stopping:
                self.ready.wait(wait_s)
                batch = self.next_batch()
            return None if core.stopping and not batch else batch

    def _tend(self, *, all_of_it: bool) -> None:
        """List files that wait to be uploaded; with ``all_of_it`` also take over, tidy up, and wake those that rest."""
        core, spool = self._core, self._core.spool
        assert spool is not None
        try:
            if all_of_it and (adopted := spool.adopt()):
                logger.info("took over %d spooled captures of a process that ended", adopted)
            spool.list()
            if all_of_it:
                spool.tidy()
                spool.wake()
                spool.tell()
        except OSError as error:
            spool.failed("look", error)
        with core.lock:
            self.looked = True
            core.rouse()
            core.settled.notify_all()
