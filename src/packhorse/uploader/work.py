"""What the engine's threads see of it: queues before each pool, one account, one lock around both.

All state is guarded by one lock; nothing slow happens under it.
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from packhorse.errors import StoreError
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint
from packhorse.uploader.adaptive_permits import Permits
from packhorse.uploader.endurance import tell
from packhorse.uploader.handover import HandoverLock
from packhorse.uploader.job import Job
from packhorse.uploader.keys import checked_key, new_key
from packhorse.uploader.ledger import Ledger
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.prepare import JOB_BYTES, STREAM_HELD_BYTES
from packhorse.uploader.resends import Resends
from packhorse.uploader.spool.spool import Spool
from packhorse.uploader.telemetry import watch
from packhorse.uploader.telemetry_metrics import Reading
from packhorse.uploader.ticket import Fate, Receipt
from packhorse.uploader.trimming import Trimming
from packhorse.uploader.trying import Trying
from packhorse.uploader.workers import encode_loop, upload_loop
from packhorse.wire import suffix

STOPPED = "stopped before it was uploaded"


class Work(Resends, ABC):
    """State, queues and threads of an uploader.

    ``Spooling`` adds the disk, ``Admission`` how captures are handed in, and ``Engine`` how it all ends.
    """

    def __init__(
        self,
        profile: Profile,
        endpoint: Endpoint,
        prefix: str,
        options: UploaderOptions,
        *,
        budget_bytes: int,
        redact: Callable[[Any], Any] | None,
    ) -> None:
        super().__init__(profile, endpoint, options)
        self.redact = redact
        self.spool: Spool | None = None
        self._prefix = prefix
        self._budget_bytes = budget_bytes
        self._suffix = suffix(profile.pipeline.wire)
        self.permits = Permits(self._checked_limit(options.max_in_flight or profile.max_in_flight))
        self.refused_flags = 0
        self.redactions: Callable[[], Mapping[str, int]] = dict
        self.encode_threads = options.encode_threads
        checked_key(new_key(prefix, self._suffix))
        self._reset()

    def _reset(self) -> None:
        """Fresh state: at the start, and in a forked child, which owns none of its parent's captures."""
        self._pid = os.getpid()
        # Re-entrant: a signal handler may ask for stats() wherever we are.
        self._lock = HandoverLock(self._admit_left)
        self._raw_ready = self._lock.condition()
        self._body_ready = self._lock.condition()
        self._settled = self._lock.condition()
        self._raw: deque[Job] = deque()
        self._bodies: deque[Job] = deque()
        self.ledger = Ledger(self._budget_bytes)
        self.trying = Trying(self.options)
        self.trimming = Trimming()
        self._in_hand: set[Job] = set()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._encoders_idle = 0
        self._encoders = 0
        self._uploaders = 0
        self._uploading = 0
        self._parked = 0
        self._returning = 0
        self._spills_all = False
        self.closing = False
        self.stopping = False
        self._hurried = False
        self.told: set[str] = set()

    def _start(self, loop: Callable[[Work], None], name: str) -> bool:
        """Start a thread; False when the system or a finishing interpreter gives none."""
        thread = threading.Thread(target=self._run, args=(loop,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads.append(thread)
        self._running += 1
        return True

    def _run(self, loop: Callable[[Work], None]) -> None:
        try:
            if self.options.telemetry:
                watch(self, self.options.name)
        except BaseException as error:  # noqa: BLE001  # what only looks on must not cost a thread
            tell(self, error)
        try:
            loop(self)
        finally:
            with self._lock:
                self._running -= 1
                last = self._running == 0
        if last:
            self._close_store()  # nobody can be using it any more

    def next_raw(self) -> Job | None:
        """The next capture to encode; None when the thread should end."""
        with self._lock:
            self._encoders_idle += 1
            try:
                while not self._raw and not self.stopping and self._encoders <= self.encode_threads:
                    self._raw_ready.wait()
            finally:
                self._encoders_idle -= 1
            if self._encoders > self.encode_threads:
                self._encoders -= 1
                self._raw_ready.notify()  # if it was for us, it is for another now
                return None
            return None if self.stopping else self._take(self._raw)

    def encoded(self, job: Job) -> None:
        """A capture has been encoded: from now on its body counts, or the buffers of its stream."""
        with self._lock:
            stopped = self.stopping
            if not stopped:
                self._in_hand.discard(job)
                streaming = max(job.held_bytes, STREAM_HELD_BYTES)
                self._hold(job, streaming if job.body is None else len(job.body) + JOB_BYTES)
                self._bodies.append(job)
                self._more_uploaders()
                self._body_ready.notify()
                stopped = self._uploaders == 0 and not self._spills
                if stopped:
                    self._bodies.remove(job)
        if stopped:
            self.finish(job, Fate.DROPPED, STOPPED)
            job.release()

    def _more_encoders(self) -> None:
        while self._encoders < min(self.encode_threads, self._encoders - self._encoders_idle + len(self._raw)):
            if not self._start(encode_loop, f"packhorse-encode-{self._encoders + 1}"):
                return
            self._encoders += 1

    def _more_uploaders(self) -> None:
        if self.stopping or self._spills_all:
            return
        waiting = len(self._bodies) + len(self.trying.again)
        # Threads of parked streams wait with them: others take their permits.
        wanted = self._parked + min(self.max_in_flight, waiting + self._uploading + self._drainable())
        while self._uploaders < wanted and self._start(upload_loop, f"packhorse-upload-{self._uploaders + 1}"):
            self._uploaders += 1

    def next_body(self) -> Job | None:
        """The next body to send, or spooled file, with a permit taken for it; None when the thread should end."""
        with self._lock:
            while not self.stopping:
                wait_s = None
                if self._uploading + self._returning < self.max_in_flight and not self._spills_all:
                    now_s = time.monotonic()
                    job = self.trying.next(self._bodies, now_s, self.max_in_flight)
                    if job is not None:
                        self._in_hand.add(job)
                    else:
                        job = self._take_spooled()
                    if job is not None:
                        self._uploading += 1
                        job.on_wire = True
                        return job
                    wait_s = self.trying.wait_s(self._bodies, now_s)
                drain_s = self._drain_wait_s()
                self._body_ready.wait(
                    drain_s if wait_s is None else wait_s if drain_s is None else min(wait_s, drain_s)
                )
            return None

    def _take(self, queue: deque[Job]) -> Job:
        self._in_hand.add(queue[0])  # in one place or both, never in none
        return queue.popleft()

    def sent(self) -> None:
        """Give the permit back."""
        with self._lock:
            self._permit_free()

    def relieve(self) -> None:
        """Give memory back to the system when it is short and much of it was freed."""
        with self._lock:
            due = self.trimming.take(self.ledger.budget_bytes, time.monotonic())
        if due:
            self.trimming.run()

    def _permit_free(self) -> None:
        self._uploading -= 1
        if self._returning:
            self._settled.notify_all()  # streams that were sending already go first
        self._body_ready.notify()  # there may be room for both

    def attempt(self, job: Job) -> None:
        """Count one attempt."""
        with self._lock:
            self.ledger.attempts += 1
            self.trying.begun(job)
            job.permit = self.permits.begin(self._uploading)
        job.marks["put"] = time.monotonic()

    def overloaded(self, job: Job) -> None:
        """An attempt was refused for load, or timed out."""
        with self._lock:
            self.permits.overloaded(job.permit)

    def count_stored(self, stored_bytes: int) -> None:
        """A spooled file was uploaded."""
        with self._lock:
            self.ledger.stored_bytes += stored_bytes

    def count_degraded(self) -> None:
        """A capture was reduced for want of room."""
        with self._lock:
            self.ledger.degraded += 1

    def try_again(self, job: Job, error: StoreError) -> bool:
        """An upload failed. True when it waits for another attempt now; then its fate is open, and others hold it."""
        with self._lock:
            job.on_wire = False
            if job.late is not None or self.stopping or job.settled:
                return False
            waits = self.trying.failed(job, error, time.monotonic())
            if waits:
                self._in_hand.discard(job)
            if self.trying.breaker.open:
                self._s3_is_out()
            return waits

    def finish(
        self, job: Job, fate: Fate, reason: str = "", *, detail: str = "", receipt: Receipt | None = None
    ) -> None:
        """Give a job its final fate, once; a second call does nothing. The ticket tells ``detail``, too."""
        settled = False
        try:
            with self._lock:
                self._in_hand.discard(job)
                if job.settled:
                    return
                settled = True
                self._settle(job, fate, reason, detail)
                self.trying.ended(job)
                if receipt is not None:
                    self._s3_works(job)
                    self.ledger.store(receipt)
                    if job.body is not None:
                        now_s = time.monotonic()
                        seconds, size_bytes = now_s - job.marks["put"], receipt.stored_bytes
                        if self.permits.answered(job.permit, seconds, size_bytes, now_s):
                            self._more_uploaders()
                            self._body_ready.notify_all()
                self._hold(job, 0)
        finally:
            if settled:  # whatever came then, who waits for it is told
                self._publish(job, receipt)

    def finish_anyhow(self, job: Job, fate: Fate, reason: str, receipt: Receipt | None = None) -> None:
        """As :meth:`finish`, where that raised what it should not: nothing but the job's own account."""
        with self._lock:
            self._in_hand.discard(job)
            if not job.settled:
                self._settle(job, fate, reason)
            self.trying.ended(job)
            self._hold(job, 0)
        if not job.ticket.done():
            self._publish(job, receipt if job.ticket.fate is Fate.UPLOADED else None)

    def _hold(self, job: Job, held_bytes: int) -> None:
        self.trimming.note(self.ledger.held_bytes, job.held_bytes)
        self.ledger.hold(held_bytes - job.held_bytes)
        freed = held_bytes < job.held_bytes
        job.held_bytes = held_bytes
        if freed:
            self._announce_room()

    def _s3_works(self, job: Job) -> None:
        """S3 has taken something."""
        if self.trying.worked(job):
            self._more_uploaders()
            self._body_ready.notify_all()

    def _s3_is_out(self) -> None:
        """S3 is believed to be out: captures stay where they are."""

    @abstractmethod
    def reading(self) -> Reading:
        """One consistent look for telemetry."""

    @abstractmethod
    def _admit_left(self, job: Job) -> Callable[[], object] | None:
        """Let a job in that was left with the lock. What is returned is called once the lock is free."""

    @abstractmethod
    def _announce_room(self) -> None:
        """There may be room in the memory budget: let in who waits for it."""

    @property
    @abstractmethod
    def _spills(self) -> bool:
        """True when bodies that nobody can send have somewhere else to go."""

    @abstractmethod
    def rescue(self, job: Job, reason: str, detail: str) -> bool:
        """Keep a body whose upload failed for that reason; False when it cannot be kept."""

    @abstractmethod
    def drained(self, job: Job, *, worked: bool | None, wait_s: float = 0.0) -> None:
        """A spooled file has been tried."""

    @abstractmethod
    def _drainable(self) -> int:
        """How many spooled files could be uploaded now."""

    @abstractmethod
    def _take_spooled(self) -> Job | None:
        """A spooled file to upload, when there is one and it may be tried now."""

    @abstractmethod
    def _drain_wait_s(self) -> float | None:
        """Seconds until a spooled file may be tried again; None when nothing is waiting for that."""

    def _settle(self, job: Job, fate: Fate, reason: str, detail: str = "") -> None:
        job.settled = True
        job.ticket.fate, job.ticket.reason = fate, f"{reason}: {detail}" if detail else reason
        self.ledger.settle(fate, "" if fate is Fate.SPOOLED else reason)
        self._settled.notify_all()

    @staticmethod
    def _publish(job: Job, receipt: Receipt | None = None) -> None:
        """Wake whoever waits on the ticket; outside the lock, since callbacks run here."""
        job.ticket.settle(receipt)

    @property
    def max_in_flight(self) -> int:
        """Uploads at once, now."""
        return self.permits.limit
