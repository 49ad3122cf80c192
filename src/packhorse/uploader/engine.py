"""The engine under both faces: two bounded pools of threads, one account, one memory budget.

Encoding threads take submitted captures, redact, encode and compress them and let the objects go; uploading threads
send the bodies, at most ``max_in_flight`` at once. Threads start when there is work for them. All state is guarded by
one lock; nothing slow happens under it.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from packhorse.errors import InputError, QueueFull, UploaderClosed
from packhorse.pipeline import Choice
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, Store
from packhorse.uploader.job import Job
from packhorse.uploader.keys import checked_key, new_key
from packhorse.uploader.ledger import Ledger, Stats
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.prepare import estimate_bytes
from packhorse.uploader.retry import RetryBudget
from packhorse.uploader.ticket import Fate, Receipt, Ticket
from packhorse.uploader.workers import encode_loop, upload_loop
from packhorse.wire import suffix

logger = logging.getLogger("packhorse")

#: Seconds the exit hook gives requests that are already on the wire.
EXIT_GRACE_S = 2.0
#: Idle connections kept at the most, when the profile does not say: room for raising ``max_in_flight`` live.
ROOMY_POOL = 64
NO_ROOM = "no room in the memory budget"
_abandoned: list[Store] = []
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Engine:
    """Takes captures, gives each exactly one fate. See ``Uploader`` for the promises."""

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
        self.profile = profile
        self.endpoint = endpoint
        self.options = options
        self.redact = redact
        self._prefix = prefix
        self._budget_bytes = budget_bytes
        self._suffix = suffix(profile.pipeline.wire)
        self._store: Store | None = None
        self._store_lock = threading.Lock()
        wanted = options.max_in_flight or profile.max_in_flight
        self._choice = _with_room(profile.pipeline.store, wanted)
        self.max_in_flight = self._checked_limit(wanted)
        self._reset()
        _engines.add(self)

    def _reset(self) -> None:
        """Fresh state: at the start, and in a forked child, which owns none of its parent's captures."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._raw_ready = threading.Condition(self._lock)
        self._body_ready = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._room_wishes: deque[Callable[[], None]] = deque()
        self._raw: deque[Job] = deque()
        self._bodies: deque[Job] = deque()
        self.ledger = Ledger(self._budget_bytes)
        self.retries = RetryBudget()
        self._threads: list[threading.Thread] = []
        self._encoders_idle = 0
        self._encoders = 0
        self._uploaders = 0
        self._uploading = 0
        self.closing = False
        self.stopping = False

    # --- submitting ---------------------------------------------------------------------------------------------------

    def submit(self, capture: Any, key: str | None, *, wait_s: float | None) -> Ticket:
        """Hand a capture in.

        Args:
            capture: See ``Uploader.submit``.
            key: Full object key, or None for a fresh one under the prefix.
            wait_s: Seconds to wait for room; 0 never waits.

        Raises:
            UploaderClosed: After close.
            QueueFull: ``wait_s`` above 0 passed without room (the capture is counted as dropped).
            InputError: The key cannot be carried by S3.
        """
        job = self.job(capture, key)
        deadline = None if wait_s is None else time.monotonic() + wait_s
        with self._lock:
            self._enter(job)
            refusal = self._refusal(job)
            while refusal == NO_ROOM:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._room.wait(left)
                refusal = self._refusal(job)
            if refusal is None:
                self._admit(job)
                return job.ticket
            self._settle(job, Fate.DROPPED, refusal)
        self._publish(job)
        if wait_s != 0:
            raise QueueFull(f"{refusal} ({self.ledger.budget_bytes} bytes); {job.ticket.key} was dropped")
        return job.ticket

    def try_submit(self, job: Job, wish: Callable[[], None]) -> str | None:
        """Admit an entered job, or say why not; when for want of room, ``wish()`` is called once there may be some."""
        with self._lock:
            refusal = self._refusal(job)
            if refusal is None:
                self._admit(job)
            elif refusal == NO_ROOM:
                self._room_wishes.append(wish)
            return refusal

    def _refusal(self, job: Job) -> str | None:
        if self.closing:
            return "the uploader was closed"
        if job.held_bytes > self.ledger.budget_bytes:
            return "larger than the memory budget"
        return None if self.ledger.has_room(job.held_bytes) else NO_ROOM

    def job(self, capture: Any, key: str | None) -> Job:
        """A job with its key fixed and its size estimated; not submitted yet."""
        chosen = new_key(self._prefix, self._suffix) if key is None else checked_key(key)
        ticket = Ticket(chosen, f"s3://{self.endpoint.bucket}/{chosen}")
        return Job(ticket, capture, estimate_bytes(capture), time.monotonic())

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
            raise UploaderClosed(f"this uploader is closed; {job.ticket.key} was not taken")
        self.ledger.submit()

    def _admit(self, job: Job) -> None:
        self.ledger.hold(job.held_bytes)
        self._raw.append(job)
        if self._encoders_idle == 0 and self._encoders < self.options.encode_threads:
            self._encoders += 1
            self._start(encode_loop, f"packhorse-encode-{self._encoders}")
        self._raw_ready.notify()

    def _start(self, loop: Callable[[Engine], None], name: str) -> None:
        thread = threading.Thread(target=loop, args=(self,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- for the workers ----------------------------------------------------------------------------------------------

    def next_raw(self) -> Job | None:
        """The next capture to encode; None when the thread should end."""
        with self._lock:
            self._encoders_idle += 1
            while not self._raw and not self.stopping:
                self._raw_ready.wait()
            self._encoders_idle -= 1
            return self._raw.popleft() if self._raw and not self.stopping else None

    def encoded(self, job: Job, held_bytes: int) -> None:
        """A capture has been encoded: its object is let go and ``held_bytes`` are held from now on."""
        with self._lock:
            if job.settled:
                return
            self._hold(job, held_bytes)
            self._bodies.append(job)
            if len(self._bodies) + self._uploading > self._uploaders and self._uploaders < self.max_in_flight:
                self._uploaders += 1
                self._start(upload_loop, f"packhorse-upload-{self._uploaders}")
            self._body_ready.notify()

    def next_body(self) -> Job | None:
        """The next body to send, with a permit taken for it; None when the thread should end."""
        with self._lock:
            while not self.stopping and (not self._bodies or self._uploading >= self.max_in_flight):
                self._body_ready.wait()
            if self.stopping:
                return None
            self._uploading += 1
            return self._bodies.popleft()

    def sent(self) -> None:
        """Give the permit back."""
        with self._lock:
            self._uploading -= 1
            self._body_ready.notify()

    def attempt(self, job: Job) -> None:
        """Count one attempt."""
        with self._lock:
            job.attempts += 1
            self.ledger.attempts += 1
            if job.attempts == 1:
                self.retries.first_attempt()

    def may_retry(self, job: Job) -> bool:
        """True, and a retry is taken from the shared budget, when ``job`` may be tried again."""
        late = time.monotonic() - job.submitted_s > self.options.deadline_s
        with self._lock:
            if self.stopping or job.settled or late or job.attempts >= self.options.max_attempts:
                return False
            return self.retries.take_retry()

    def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the engine stops."""
        with self._lock:
            if not self.stopping:
                self._settled.wait_for(lambda: self.stopping, seconds)

    def finish(self, job: Job, fate: Fate, reason: str = "", receipt: Receipt | None = None) -> None:
        """Give a job its final fate, once; a second call does nothing."""
        with self._lock:
            if job.settled:
                return
            self._settle(job, fate, reason)
            if receipt is not None:
                self.ledger.plain_bytes += receipt.plain_bytes
                self.ledger.stored_bytes += receipt.stored_bytes
            self._hold(job, 0)
        self._publish(job, receipt)

    def store(self) -> Store:
        """The store client, made once, when it is first needed, outside the engine's lock."""
        with self._store_lock:
            if self.options.store is not None:
                return self.options.store
            if self._store is None:
                choice = self._choice
                if choice.candidate.asynchronous:
                    from packhorse.stores.bridge import SyncBridge

                    self._store = SyncBridge(lambda: choice.make(endpoint=self.endpoint))
                else:
                    made: Store = choice.make(endpoint=self.endpoint)
                    self._store = made
            return self._store

    def _hold(self, job: Job, held_bytes: int) -> None:
        self.ledger.hold(held_bytes - job.held_bytes)
        freed = held_bytes < job.held_bytes
        job.held_bytes = held_bytes
        if freed:
            self._announce_room()

    def _announce_room(self) -> None:
        self._room.notify_all()
        while self._room_wishes:
            self._room_wishes.popleft()()

    def _settle(self, job: Job, fate: Fate, reason: str) -> None:
        job.settled = True
        job.ticket.fate, job.ticket.reason = fate, reason
        self.ledger.settle(fate, reason)
        self._settled.notify_all()

    @staticmethod
    def _publish(job: Job, receipt: Receipt | None = None) -> None:
        """Wake whoever waits on the ticket; outside the lock, since callbacks run here."""
        job.capture = job.body = job.stream = None
        job.ticket.settle(receipt)

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
                self._body_ready.notify_all()
            if memory_budget_bytes is not None:
                self.ledger.budget_bytes = self._budget_bytes = memory_budget_bytes
                self._announce_room()

    def _checked_limit(self, max_in_flight: int) -> int:
        if max_in_flight < 1:
            raise InputError(f"max_in_flight is {max_in_flight}; it must be at least 1")
        choice = self._choice
        pool = dict(choice.settings).get("pool") if self.options.store is None else None
        if pool is not None and int(pool) < max_in_flight:
            raise InputError(
                f"max_in_flight is {max_in_flight} but the pool of {choice} holds {pool} connections; "
                "raise pool in the profile's pipeline or lower max_in_flight"
            )
        return max_in_flight

    def close(self, deadline_s: float) -> None:
        """Take no more, drain for at most ``deadline_s``, drop what is left (counted), stop the threads. Idempotent."""
        with self._lock:
            self.closing = True
            self._announce_room()
            self._settled.wait_for(lambda: self.ledger.in_flight == 0, deadline_s)
        self._stop("closed before it was uploaded", grace_s=0.5)

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
        if left:
            logger.warning("%d captures were dropped: %s", len(left), reason)
        end = time.monotonic() + grace_s
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        with self._store_lock:
            store, self._store = self._store, None
        if store is not None and not any(thread.is_alive() for thread in threads):
            store.close()

    def disown(self) -> None:
        """In a forked child: forget the parent's captures and threads, and never touch its client again."""
        if self._store is not None:
            _abandoned.append(self._store)  # closing it here would reach into the parent's connections
        self._store = None
        self._store_lock = threading.Lock()
        self._reset()

    def exit(self) -> None:
        """At interpreter exit: begin no upload, let those on the wire finish for a moment, count the rest."""
        if self._pid == os.getpid() and not self.stopping:
            self._stop("the interpreter exited before close()", grace_s=EXIT_GRACE_S)


def _with_room(choice: Choice | None, in_flight: int) -> Choice:
    """The store with a pool that leaves room to raise the limit, unless the profile's text names a pool itself."""
    assert choice is not None, "checked when the profile was loaded"
    if "pool" not in dict(choice.settings) or "pool" in dict(choice.given):
        return choice
    return replace(choice, given=(*choice.given, ("pool", max(in_flight, ROOMY_POOL))))


def _at_exit() -> None:
    for engine in list(_engines):
        engine.exit()


def _in_child() -> None:
    for engine in list(_engines):
        engine.disown()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
