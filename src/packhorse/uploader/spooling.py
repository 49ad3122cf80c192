"""The engine's disk: bodies for which there is no room or no S3 go to the spool.

One thread, the keeper, writes. Nothing of the disk is touched under the engine's lock, and no failure of the disk
reaches a submitter.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from pathlib import Path

from packhorse.errors import StoreError
from packhorse.units import MIB
from packhorse.uploader.bodies import Body, file_bytes
from packhorse.uploader.job import Job
from packhorse.uploader.ladder import Ladder
from packhorse.uploader.spool.fileformat import Header
from packhorse.uploader.spool.index import Claim, SpoolStats
from packhorse.uploader.spool.pacing import Pacing
from packhorse.uploader.spool.quota import Quota
from packhorse.uploader.spool.spool import Spool
from packhorse.uploader.ticket import Fate
from packhorse.uploader.work import Work
from packhorse.uploader.workers import fail

logger = logging.getLogger("packhorse")

#: Captures made durable together: they share one fsync of their folder.
BATCH_CAPTURES = 16
BATCH_BYTES = 8 * MIB
#: Seconds between two looks for folders of processes that died, and for captures that are too old.
TEND_EVERY_S = 30.0
SPOOLED = "kept on disk; it is uploaded under the same key once S3 takes it"


class Spooling(Work):
    """Adds the spool, if there is one, to the queues. ``Unspooling`` adds the way back out."""

    def _reset(self) -> None:
        super()._reset()
        options = self.options
        self.spool = None
        if options.spool_dir is not None:
            # By bucket and not by endpoint: what an outage left behind must find its way when the endpoint moves.
            root = Path(options.spool_dir) / self.endpoint.bucket
            self.spool = Spool(root, Quota(options.spool_bytes, options.spool_max_age_s))
        self._keeper_ready = self._lock.condition()
        self._keepers = 0
        self._looked = False
        self._to_spool: deque[Job] = deque()
        self._insured: dict[Job, Claim] = {}
        self._planned_bytes = 0
        self._draining = 0
        self._disk = Pacing(0.5, 10.0, random.uniform)
        self._drain = Pacing(1.0, 30.0, random.uniform)
        self._mark()

    def _mark(self) -> None:
        """Set the ladder's marks for the budget in force."""
        degrade = self.options.degrade
        self._ladder = Ladder.of(self.ledger.budget_bytes, spool=self.spool is not None, degrade=degrade)

    # --- into the spool -----------------------------------------------------------------------------------------------

    @property
    def _spills(self) -> bool:
        return self.spool is not None and (self._keepers > 0 or self._spills_all)

    def start(self) -> None:
        """Start the keeper, which takes over what dead processes left. Without a spool nothing happens."""
        with self._lock:
            self._start_keeper()

    def _start_keeper(self) -> bool:
        if self.spool is not None and self._keepers == 0 and not self.stopping and not self._spills_all:
            self._keepers += self._start(keep_loop, "packhorse-spool")
        return self._keepers > 0

    def _accepts(self, size_bytes: int = 0) -> bool:
        """True when the disk works, as far as is known, and has room beside what is about to be written."""
        spool = self.spool
        if spool is None or self._disk.wait_s(time.monotonic()) > 0:
            return False
        return spool.has_room(self._planned_bytes + size_bytes)

    def _spill(self) -> None:
        """Called when more is held: wake the keeper when S3 is out, or when patient submitters may not fill so much."""
        over = self.trying.breaker.open or self.ledger.held_bytes > self._ladder.patient_bytes
        if over and (self._bodies or self.trying.again) and self.spool is not None:
            self._keeper_ready.notify()

    def encoded(self, job: Job) -> None:
        """As ``Work.encoded``; the keeper is told when memory is short."""
        super().encoded(job)
        if self.spool is not None:
            with self._lock:
                self._spill()

    def try_again(self, job: Job, error: StoreError) -> bool:
        """As ``Work.try_again``; what is on disk already need not be tried again here."""
        with self._lock:
            return job not in self._insured and super().try_again(job, error)

    def _s3_is_out(self) -> None:
        """Waiting captures go to disk, where they are safe, as long as it takes them."""
        if self.spool is not None:
            self._s3_said(worked=False)
            if self._start_keeper():
                self._keeper_ready.notify()

    def rescue(self, job: Job, reason: str, detail: str) -> bool:
        """Hand a body that could not be uploaded over to the spool. False when there is none that takes it."""
        with self._lock:
            if self.spool is None or job.body is None or job.settled or self.stopping or job in self._insured:
                return False
            self._s3_said(worked=False)
            if not self._accepts(file_bytes(job)) or not (self._spills_all or self._start_keeper()):
                self.spool.refuse()
                return False
            self._planned_bytes += file_bytes(job)
            job.failure = (reason, detail)
            self._in_hand.discard(job)
            self._to_spool.append(job)
            self._keeper_ready.notify()
            return True

    def next_batch(self) -> list[Job]:
        """Bodies to write now: rescued ones; the newest waiting ones while memory is short or S3 is out.

        The newest go, since the oldest are the next to be uploaded. Called under the lock.
        """
        batch: list[Job] = []
        size_bytes = 0
        all_of_them = self._spills_all or self.trying.breaker.open
        while len(batch) < BATCH_CAPTURES and size_bytes < BATCH_BYTES:
            over = all_of_them or self.ledger.held_bytes - size_bytes > self._ladder.patient_bytes
            if self._to_spool:
                job = self._to_spool.popleft()
            elif over and self._bodies and self._accepts(file_bytes(self._bodies[-1])):
                job = self._bodies.pop()
                self._planned_bytes += file_bytes(job)
            elif over and self.trying.again and self._accepts(file_bytes(self.trying.again[-1])):
                job = self.trying.pop()
                self._planned_bytes += file_bytes(job)
            else:
                break
            self._in_hand.add(job)
            batch.append(job)
            size_bytes += job.held_bytes
        return batch

    def write_batch(self, batch: list[Job]) -> None:
        """Make a batch durable and give its captures their fate; what the disk refuses goes back to where it was."""
        assert self.spool is not None
        written: list[tuple[Job, Claim]] = []
        rest = deque(batch)
        planned_bytes = sum(map(file_bytes, batch))
        error: OSError | None = None
        while rest and error is None:
            body = Body(rest[0])
            try:
                written.append((rest[0], self.spool.write(Header(rest[0].ticket.key, rest[0].info), body)))
            except BaseException as caught:  # noqa: BLE001  # a capture that cannot be encoded after all, or the disk
                if body.error is not None or not isinstance(caught, OSError) or rest[0].body is None:
                    fail(self, rest[0], caught)  # a stream that has been read cannot be written again
                    rest[0].release()
                    rest.popleft()
                error = caught if isinstance(caught, OSError) and body.error is None else None
                continue
            rest.popleft()
        try:
            self.spool.commit([claim for _, claim in written])
        except OSError as caught:
            error = caught
            rest.extendleft(reversed([job for job, _ in written]))
            written = []
        for job, _ in written:
            self.finish(job, Fate.SPOOLED, SPOOLED)
            job.release()
        with self._lock:
            self._planned_bytes -= planned_bytes
        self._disk_said(error, rest)

    def _disk_said(self, error: OSError | None, unwritten: deque[Job]) -> None:
        """After a batch: bodies that could not be written wait for S3 again; rescued ones have failed."""
        assert self.spool is not None
        with self._lock:
            if error is None:
                self._disk.worked()
            else:
                self._disk.failed(time.monotonic())
                self.spool.failed("write", error)
            # Once it is stopping, nobody looks into the queues any more.
            failed = [job for job in unwritten if self.stopping or job.failure is not None or job.body is None]
            self.spool.refuse(len(failed))
            for job in unwritten:
                if job not in failed:  # these wait for S3, or for the disk, again
                    self._in_hand.discard(job)
                    (self._bodies if job.trouble is None else self.trying.again).append(job)
            self._more_uploaders()
            self._body_ready.notify(len(unwritten) or 1)  # who looked meanwhile found nothing, and waits for no moment
        for job in failed:
            reason, detail = job.failure or ("the disk refused it", "")
            self.finish(job, Fate.FAILED, reason, detail=detail)
            job.release()

    def _s3_said(self, *, worked: bool | None, wait_s: float = 0.0) -> None:
        if worked:
            if self._drain.failures:
                self._drain.worked()
                self._more_uploaders()
                self._body_ready.notify_all()
        elif worked is False and self._drain.wait_s(time.monotonic()) == 0:
            self._drain.failed(time.monotonic(), at_least_s=wait_s)

    # --- the keeper ---------------------------------------------------------------------------------------------------

    def keeper_waits(self, wait_s: float) -> list[Job] | None:
        """The next batch, waiting for one at most ``wait_s``; None when the keeper should end."""
        with self._lock:
            batch = self.next_batch()
            if not batch and not self.stopping:
                self._keeper_ready.wait(wait_s)
                batch = self.next_batch()
            return None if self.stopping and not batch else batch

    def tend(self, *, all_of_it: bool) -> None:
        """List files that wait to be uploaded; with ``all_of_it`` also take over, tidy up and expire."""
        assert self.spool is not None
        try:
            if all_of_it and (adopted := self.spool.adopt()):
                logger.info("took over %d spooled captures of a process that ended", adopted)
            self.spool.list()
            if all_of_it:
                self.spool.tidy()
                self.spool.expire()
        except OSError as error:
            self.spool.failed("look", error)
        with self._lock:
            self._looked = True
            if self._drainable():
                self._more_uploaders()
                self._body_ready.notify_all()
            self._settled.notify_all()

    def look_at_spool(self) -> SpoolStats | None:
        """The spool's account; None without a spool."""
        return None if self.spool is None else self.spool.look()


def keep_loop(engine: Work) -> None:
    """Run the keeper until the engine stops."""
    assert isinstance(engine, Spooling)
    due_s = time.monotonic()
    batch: list[Job] | None = []
    while batch is not None:
        if batch:
            engine.write_batch(batch)
        now_s = time.monotonic()
        engine.tend(all_of_it=now_s >= due_s)
        due_s = now_s + TEND_EVERY_S if now_s >= due_s else due_s
        batch = engine.keeper_waits(max(0.0, due_s - now_s))
