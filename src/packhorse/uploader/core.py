"""What the engine's threads share: one lock, and behind it the table of jobs, the account and the scheduler.

Every method is one step of a capture's way, done under the lock; nothing slow happens there. The threads that do the
work between two steps are ``worker.py``, ``encoder.py``, ``sender.py``, ``part_retry.py`` and ``spooler.py``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from packhorse.errors import StoreError
from packhorse.profiles.loading import Profile
from packhorse.real_threads import Joinable, start_thread
from packhorse.uploader import uwsgi_master
from packhorse.uploader.account import WHOLE, Account, Line, Waiter
from packhorse.uploader.adaptive import Permits
from packhorse.uploader.client import Client
from packhorse.uploader.crash_guard import tell
from packhorse.uploader.endings import capture_comes
from packhorse.uploader.enough import Enough
from packhorse.uploader.handover import HandoverLock
from packhorse.uploader.job import IN_HAND, Job, JobTable, State, oldest
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.pool import Pool
from packhorse.uploader.prepare import JOB_BYTES, STREAM_HELD_BYTES, degradable
from packhorse.uploader.reasons import NO_REASON, Reason, Why, why
from packhorse.uploader.redaction import Redaction
from packhorse.uploader.scheduler import Drain, Scheduler, Send, Tried, Wait
from packhorse.uploader.spool.folders import Quota
from packhorse.uploader.spool.spool import Claim, Spool
from packhorse.uploader.ticket import Fate, Receipt
from packhorse.uploader.trimming import Trimming


class Core:
    """State of an uploader. In a forked child a new one is made: the child owns none of its parent's captures.

    Args:
        client: The store's.
        redaction: What captures lose before they are kept.
        permits: Uploads at once.
        budget_bytes: The memory budget.
        encode_threads: Threads that may encode at once.
        prefix: The uploader's: the spool leaves other uploaders' files alone.

    Attributes:
        settled: Told of every fate, of permits that streams wait for, and of looks at the spool.
        insured: Captures on the wire whose bodies are on disk as well, by their files.
        threads: All that were started.
        held: True while nothing is done, so that uWSGI's worker does it (``uwsgi_master.py``).
        watch: Called in each of them first: telemetry.
        start_keeper, wake_keeper: The spool's thread is to be there; it may have to work.
        stopping: True once threads are to end.
        hurried: True once multipart requests are not made again.
        told: Unforeseen errors that have been logged (``crash_guard.py``).
    """

    def __init__(
        self,
        client: Client,
        redaction: Redaction,
        permits: Permits,
        *,
        budget_bytes: int,
        encode_threads: int,
        prefix: str = "",
    ) -> None:
        self.client = client
        self.profile: Profile = client.profile
        self.options: UploaderOptions = client.options
        self.redaction = redaction
        self.encode_threads = encode_threads
        # Re-entrant: a signal handler may ask for stats() wherever we are.
        self.lock: HandoverLock[Job] = HandoverLock(self.admit_left)
        self.settled = self.lock.condition()
        self.spool = _spool_of(client, prefix)
        self.account = Account(budget_bytes, spool=self.spool is not None, degrade=self.options.degrade)
        self.table = JobTable(self.account)
        self.scheduler = Scheduler(self.options, self.table, permits)
        self.line = Line()
        self.pool = Pool(self.lock, self.start_thread)
        self.enough = Enough(encode_threads)
        self._watched = False
        self.threads: list[Joinable] = []
        self._running = 0
        self.held = False
        self.trimming = Trimming()
        self.insured: dict[Job, Claim] = {}
        self.watch: Callable[[], object] = _nothing
        self.start_keeper: Callable[[], object] = _nothing
        self.wake_keeper: Callable[[], None] = _nothing
        self.closing = False
        self.stopping = False
        self.hurried = False
        self.told: set[str] = set()

    # --- coming in ----------------------------------------------------------------------------------------------------

    def admit(self, job: Job, *, patient: bool) -> Why | None:
        """Let a job in that has been counted, or say why not."""
        account = self.account
        if self.closing or job.held_bytes + job.guessed_bytes > account.budget_bytes:
            return self.hopeless(job)
        held_bytes, more_bytes = account.held_bytes, account.charge(job.held_bytes, job.guessed_bytes)
        level: int | None = WHOLE
        if held_bytes + more_bytes > account.ladder.patient_bytes:  # else there is room for everybody
            may_degrade = self.options.degrade and degradable(job.capture)
            level = account.ladder.level(held_bytes, more_bytes, patient=patient, degradable=may_degrade)
        if level is None:
            return Why(Reason.NO_ROOM)
        if not self.pool.running and not self.pool.start() and not self.held:
            return Why(Reason.NO_THREAD)
        job.level = level
        account.hold(job.held_bytes, job.guessed_bytes)
        if job.state is State.WAITING:
            self.table.move(job, State.QUEUED)
        self.rouse(submitting=True)
        return None

    def hopeless(self, job: Job) -> Why | None:
        """Why a job can never be let in, if so."""
        if self.closing:
            return Why(Reason.CLOSED)
        budget_bytes = self.account.budget_bytes
        count_bytes = job.held_bytes + job.guessed_bytes
        if count_bytes <= budget_bytes:
            return None
        what = "a path or an iterator" if job.held_bytes == STREAM_HELD_BYTES + JOB_BYTES else "this capture"
        detail = f"{what} counts as {count_bytes} bytes, memory_budget_bytes is {budget_bytes}; raise it"
        return Why(Reason.TOO_LARGE, "", detail)

    def count(self, job: Job) -> None:
        """A capture was handed in."""
        self.account.submitted += 1
        self.table.enter(job)
        if self.spool is not None:
            self.start_keeper()

    def take_over(self, jobs: list[Job]) -> None:
        """Go on with captures that this process's parent has let in, and held back."""
        with self.lock:
            for job in jobs:
                self.count(job)
                self.account.hold(job.held_bytes, job.guessed_bytes)
                self.table.move(job, State.QUEUED)
            self.rouse()

    def _let_go(self) -> None:
        """Hold nothing back any more: what is there is done here, or a worker has taken it, and counts it."""
        self.held = False
        if not uwsgi_master.claim():
            for job in self.table.of(State.QUEUED):
                self.table.withdraw(job)
                self.account.submitted -= 1
                self.hold(job, 0)

    def admit_left(self, job: Job) -> Callable[[], object] | None:
        """Let a job in that was left with the lock; what is returned is called once the lock is free.

        Broken off, as by Ctrl-C, it leaves everything as it was.
        """
        if job.state is State.DONE:  # broken off just behind that
            return lambda: self.publish(job)
        account = self.account
        before = account.submitted, account.exact_bytes, account.guessed_bytes, account.guessed
        try:
            self.count(job)
            refusal = self.admit(job, patient=False)
        except BaseException as error:
            self.table.withdraw(job)
            account.submitted, account.exact_bytes, account.guessed_bytes, account.guessed = before
            if not isinstance(error, Exception):
                raise
            self.count(job)  # whoever has the lock is not to blame
            self.settle(job, Fate.FAILED, why(error))
            return lambda: self.publish(job)
        if refusal is None:
            return None
        self.settle(job, Fate.DROPPED, refusal)
        return lambda: self.publish(job)

    def decided(self, waiter: Waiter, refusal: Why | None) -> None:
        """A submitter's capture was let in or refused."""
        waiter.decided, waiter.refusal = True, refusal
        if refusal is not None:  # counted at once: its submitter may never run again
            self.settle(waiter.job, Fate.DROPPED, refusal)

    def announce_room(self) -> None:
        """There may be room in the memory budget: let in who waits for it."""
        for waiter, refusal in self.line.serve(self._decide_in_line):
            self.decided(waiter, refusal)
            with contextlib.suppress(RuntimeError):  # its event loop has been closed: nobody waits there any more
                waiter.wake()

    def _decide_in_line(self, job: Job) -> tuple[bool, Why | None]:
        refusal = self.admit(job, patient=True)
        return refusal is None or refusal.reason is not Reason.NO_ROOM, refusal

    # --- what is to be done -------------------------------------------------------------------------------------------

    def next_task(self) -> Job | Claim | None:
        """What a worker does next: a job that is ``ENCODING`` or ``SENDING``, or a spooled file, whose permit it has.

        None when the thread is to end.
        """
        with self.lock:
            while not self.stopping:
                task = self._choose()
                if not isinstance(task, Wait):
                    self.rouse(ordering=True)  # there may be more, for others
                    if not isinstance(task, Job) or task.state is State.SENDING:
                        self._leave_one()
                    return task
                if self.pool.running > self._most_threads():
                    return None
                self._rest(task.seconds)
            return None

    def _rest(self, wait_s: float | None) -> None:
        """Rest; of those that rest while enough is in flight, one looks again by itself when S3 may be stalled."""
        if self._watched or not self._waits_for_encoder():
            self.pool.rest(wait_s)
            return
        self._watched = True
        self.enough.waits(time.monotonic())
        try:
            self.pool.rest(min(wait_s or self.enough.stalled_s, self.enough.stalled_s))
        finally:
            self._watched = False

    def _choose(self) -> Job | Claim | Wait:
        spool = self.spool
        files = 0 if spool is None else spool.waiting
        found = self.scheduler.next(time.monotonic(), files=files, short=files > 0 and self.account.short)
        if isinstance(found, Send):
            return found.job
        if self.encodable():
            job = oldest(self.table.queued)
            self.table.move(job, State.ENCODING)
            return job
        if isinstance(found, Drain):
            claim = self._claim()
            return Wait(None) if claim is None else claim  # the keeper has to list them first, and then says so
        return found

    def encodable(self) -> bool:
        """True when a capture waits to be encoded, and a thread may do that."""
        return self._waits_for_encoder() and not self.has_enough()

    def _waits_for_encoder(self) -> bool:
        return bool(self.table.queued) and len(self.table.encoding) < self.encode_threads

    def has_enough(self) -> bool:
        """True when as much is in flight as keeps the encoders busy: one that comes back does it with fewer threads."""
        in_flight = len(self.table.sending)
        return in_flight >= self.enough.in_flight and self.enough.has(in_flight, time.monotonic())

    def encodes_alone(self) -> bool:
        """True when no other capture is being encoded or waits for that: the cores are there for one. Needs no lock."""
        return not self.table.queued and len(self.table.encoding) <= 1

    def rouse(self, *, submitting: bool = False, ordering: bool = False) -> None:
        """If there is something to do that nobody is about to look for, let one more thread look.

        Args:
            submitting: A submitter starts none while one encodes, which will look soon: starting a thread waits for it
                to run.
            ordering: The caller will start what is ordered (``Pool.order``).
        """
        pool = self.pool
        if pool.woken or self.stopping:
            return
        table = self.table
        waits = self._waits_for_encoder()
        if not waits or self.has_enough():
            sendable = table.ready or table.retrying or (self.spool is not None and self.spool.waiting)
            if not (sendable and self.scheduler.may_begin):
                if waits and not self._watched:
                    pool.wake()  # it finds nothing, and looks again in time
                return
        if not pool.wake() and not (submitting and table.encoding):
            self._start_another(ordering=ordering)

    def _leave_one(self) -> None:
        """This thread goes on to send: if no other is there for what submitters bring meanwhile, it starts one."""
        pool = self.pool
        if not (pool.woken or self.table.encoding or pool.resting):
            self._start_another(ordering=True)

    def _start_another(self, *, ordering: bool) -> None:
        if self.pool.running < self._most_threads():
            if ordering:
                self.pool.order()
            else:
                self.pool.start()

    def _most_threads(self) -> int:
        # Threads of parked streams wait with them: others take their permits.
        return self.encode_threads + self.scheduler.permits.limit + len(self.table.parked)

    def _claim(self) -> Claim | None:
        assert self.spool is not None
        claim = self.spool.claim()
        if claim is None:
            self.wake_keeper()  # it has to list them
            return None
        try:
            self._count_held(min(claim.size_bytes, STREAM_HELD_BYTES))
        except BaseException:  # nobody else would
            self.spool.give_back(claim)
            raise
        self.scheduler.draining += 1
        return claim

    def start_thread(self, loop: Callable[[], None], name: str) -> bool:
        """Start a thread; False when the system or a finishing interpreter gives none, or none is to be there."""
        if uwsgi_master.holds():
            uwsgi_master.hold(capture_comes)
            self.held = True
            return False
        if self.held:
            with self.lock:
                self._let_go()
        try:
            thread = start_thread(partial(self._run, loop), name)
        except RuntimeError:
            return False
        with self.lock:
            self.threads.append(thread)
            self._running += 1
        if self.stopping and not self.lock.owned():  # its caller is waited for, but perhaps not this one any more
            thread.join()
        return True

    def _run(self, loop: Callable[[], None]) -> None:
        try:
            self.watch()
        except BaseException as error:  # noqa: BLE001  # what only looks on must not cost a thread
            tell(self, error)
        try:
            loop()
        finally:
            with self.lock:
                self._running -= 1
            self.close_unused()

    def close_unused(self) -> None:
        """Close the client once all is stopped and no thread can be using it any more."""
        if self.stopping and not self._running:
            self.client.close()

    # --- steps of a capture -------------------------------------------------------------------------------------------

    def encoded(self, job: Job) -> bool:
        """A capture has been encoded: from now on its body counts, or the buffers of its stream.

        True when the thread that has encoded it is to send it, too; then it has a permit.
        """
        with self.lock:
            if job.state is State.DONE:  # given up meanwhile, since all ends
                return False
            if self.stopping:
                self.settle(job, Fate.DROPPED, Why(Reason.STOPPED))
                self.hold(job, 0)
            else:
                self.hold(job, self._encoded_bytes(job))
                if self.scheduler.goes_on(job):
                    self.rouse(ordering=True)  # for what this thread would have encoded next
                    self._leave_one()
                    return True
                self.table.move(job, State.READY)
                self.spill()
                return False
        self.publish(job)
        job.release()
        return False

    def may_buffer(self, job: Job, size_bytes: int) -> bool:
        """Let a job that is being encoded hold so many bytes of its body. False when there is no room, or all ends."""
        # What is read as it is encoded counts as a stream from the start; an object counts by itself, as it did.
        more_bytes = size_bytes - job.buffered_bytes - (0 if job.guessed_bytes else STREAM_HELD_BYTES)
        if more_bytes <= 0:
            return True
        with self.lock:
            room = self.account.held_bytes + more_bytes <= self.account.budget_bytes
            if room and job.state is not State.DONE and not self.stopping:
                job.held_bytes += more_bytes
                job.buffered_bytes += more_bytes
                self._count_held(more_bytes)
                return True
        return False

    def _encoded_bytes(self, job: Job) -> int:
        """What an encoded capture counts for: its body, or as a stream the object that it is made from and buffers."""
        account = self.account
        if job.body is None:
            whole_bytes = account.charge(0, job.guessed_bytes)
            return max(job.held_bytes, STREAM_HELD_BYTES + JOB_BYTES) + whole_bytes
        if job.guessed_bytes and not job.level:
            account.guesses.learn(job.guessed_bytes, job.tally.plain_bytes + job.beside_bytes)
        return len(job.body) + JOB_BYTES

    def attempt(self, job: Job) -> None:
        """Count one attempt."""
        with self.lock:
            self.account.attempts += 1
            self.scheduler.begun(job)
        job.marks["put"] = time.monotonic()

    def attempt_file(self) -> None:
        """Count one attempt at a spooled file."""
        with self.lock:
            self.account.attempts += 1
            self.scheduler.budget.first_attempt()

    def overloaded(self, job: Job) -> None:
        """An attempt was refused for load, or timed out."""
        with self.lock:
            self.scheduler.permits.overloaded(job.permit)

    def count_degraded(self) -> None:
        """A capture was reduced for want of room."""
        with self.lock:
            self.account.degraded += 1

    def try_again(self, job: Job, error: StoreError) -> bool:
        """An upload failed. True when it waits for another attempt now; then its fate is open, and others hold it."""
        with self.lock:
            if job.state is State.DONE or job.late is not None or self.stopping or job in self.insured:
                return False  # what is on disk already need not be tried again here
            waits = self.scheduler.failed(job, error, time.monotonic())
            if self.scheduler.breaker.open:
                self.s3_is_out()
            if self.scheduler.returning:
                self.settled.notify_all()  # streams that were sending already go first
            return waits

    def not_taken(self, job: Job) -> None:
        """S3 cannot take a capture now, or has refused it: the spool's files will fare alike."""
        self._s3_said(time.monotonic(), Tried.REFUSED if job.refusal else Tried.OUT)

    def s3_is_out(self) -> None:
        """Waiting captures go to disk, where they are safe, as long as it takes them."""
        if self.spool is not None:
            self.scheduler.s3_said(time.monotonic(), Tried.OUT)
            self.wake_keeper()

    def finish(self, job: Job, fate: Fate, reason: Why = NO_REASON, *, receipt: Receipt | None = None) -> None:
        """Give a job its final fate, once; a second call does nothing. One that is on disk already never fails."""
        claim = None
        settled = False
        try:
            with self.lock:
                claim = self.insured.pop(job, None)
                if claim is not None and fate is not Fate.UPLOADED:
                    fate, reason = Fate.SPOOLED, Why(Reason.SPOOLED)
                if job.state is State.DONE:
                    return
                settled = True
                self.settle(job, fate, reason)
                if receipt is None:
                    self.scheduler.ended(job)
                else:
                    self._stored(job, receipt)
                self.hold(job, 0)
        finally:
            if settled:  # whatever came then, who waits for it is told
                self.publish(job, receipt)
            if claim is not None and self.spool is not None:
                (self.spool.withdraw if fate is Fate.UPLOADED else self.spool.give_back)(claim)

    def finish_anyhow(self, job: Job, fate: Fate, reason: Why, receipt: Receipt | None = None) -> None:
        """As :meth:`finish`, where that raised what it should not: nothing but the job's own account."""
        with self.lock:
            if job.state is not State.DONE:
                self.settle(job, fate, reason)
            self.scheduler.ended(job)
            self.hold(job, 0)
        if not job.ticket.done():
            self.publish(job, receipt if job.ticket.fate is Fate.UPLOADED else None)

    def _stored(self, job: Job, receipt: Receipt) -> None:
        scheduler, now_s = self.scheduler, time.monotonic()
        scheduler.worked(job)
        if self.spool is not None:
            self._s3_said(now_s, Tried.WORKED)
        self.account.store(receipt)
        if job.body is not None:
            upload_s = now_s - job.marks["put"]
            self.enough.answered(receipt.seconds["encode"], upload_s, now_s)
            if job.permit.reached:
                scheduler.permits.answered(job.permit, upload_s, receipt.stored_bytes, now_s)

    def drained(self, claim: Claim, stored_bytes: int = 0, *, tried: Tried, wait_s: float = 0.0) -> None:
        """A spooled file has been tried; its permit is free.

        Args:
            claim: What :meth:`next_task` gave.
            stored_bytes: Size of the object, when S3 took it.
            tried: How it fared.
            wait_s: The least time that S3 asked to be left alone for.
        """
        with self.lock:
            self.scheduler.draining -= 1
            self._count_held(-min(claim.size_bytes, STREAM_HELD_BYTES))
            self.account.stored_bytes += stored_bytes
            if tried is Tried.WORKED:
                self.scheduler.answered()
            self._s3_said(time.monotonic(), tried, wait_s)
            self.settled.notify_all()

    def _s3_said(self, now_s: float, tried: Tried, wait_s: float = 0.0) -> None:
        """How an upload fared, for the pace of the spool's files."""
        assert self.spool is not None
        if tried is Tried.REFUSED and self.spool.crowded:
            tried = Tried.OUT
        if self.scheduler.s3_said(now_s, tried, wait_s=wait_s):
            self.spool.wake(at_once=True)
            self.rouse()

    def settle(self, job: Job, fate: Fate, reason: Why) -> None:
        """The final fate, in the account, in the table, on the ticket."""
        job.ticket.fate = fate
        if reason is not NO_REASON:
            job.ticket.reason = reason.sentence
        self.account.settle(fate, reason)
        self.table.move(job, State.DONE)
        self.settled.notify_all()

    def hold(self, job: Job, held_bytes: int) -> None:
        """From now on a job counts for so many bytes, and nothing of it is guessed."""
        before, job.held_bytes = job.held_bytes, held_bytes
        guessed, job.guessed_bytes = job.guessed_bytes, 0
        freed_bytes = before + self.account.charge(0, guessed) if guessed else before
        self.trimming.note(self.account.exact_bytes, freed_bytes)
        self.account.hold(held_bytes - before, -guessed)
        if self.line.waiters:
            self.announce_room()

    def _count_held(self, exact_bytes: int) -> None:
        self.account.hold(exact_bytes)
        if self.line.waiters:
            self.announce_room()

    def spill(self) -> None:
        """Called when more waits: the spool works when S3 is out, or when patient submitters may not fill so much."""
        if self.spool is not None and (self.scheduler.breaker.open or self.account.short):
            self.wake_keeper()

    def relieve(self) -> None:
        """Give memory back to the system when it is short and much of it was freed."""
        trimming = self.trimming
        if trimming.may_be_due(self.account.budget_bytes):
            with self.lock:
                due = trimming.take(self.account.budget_bytes, time.monotonic())
            if due:
                trimming.run()

    @staticmethod
    def publish(job: Job, receipt: Receipt | None = None) -> None:
        """Wake whoever waits on the ticket; outside the lock, since callbacks run here."""
        job.ticket.settle(receipt)

    def in_hand(self) -> list[Job]:
        """Jobs that a thread has."""
        return self.table.of(*IN_HAND)

    def hurry(self) -> None:
        """Make no multipart request again from now on, and end the waits for that."""
        with self.lock:
            self.hurried = True
            self.settled.notify_all()


def _spool_of(client: Client, prefix: str) -> Spool | None:
    options = client.options
    if options.spool_dir is None:
        return None
    # By bucket and not by endpoint: what an outage left behind must find its way when the endpoint moves.
    root = Path(options.spool_dir) / client.endpoint.bucket
    return Spool(root, Quota(options.spool_bytes, options.spool_max_age_s), prefix)


def _nothing(*_: Any) -> None:
    """Before the engine says what to do."""
