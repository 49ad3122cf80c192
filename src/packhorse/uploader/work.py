"""What the engine's threads see of it: queues before each pool, one account, one lock around both.

All state is guarded by one lock; nothing slow happens under it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from packhorse.errors import InputError
from packhorse.pipeline import Choice
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, Store
from packhorse.uploader.job import Job
from packhorse.uploader.keys import checked_key, new_key
from packhorse.uploader.ledger import Ledger
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.prepare import STREAM_HELD_BYTES
from packhorse.uploader.retry import RetryBudget
from packhorse.uploader.ticket import Fate, Receipt
from packhorse.uploader.workers import upload_loop
from packhorse.wire import suffix

#: Idle connections kept at the most, when the profile does not say: room for raising ``max_in_flight`` live.
ROOMY_POOL = 64
STOPPED = "stopped before it was uploaded"


class Work:
    """State, queues and threads of an uploader. ``Engine`` adds how captures are handed in and how it ends."""

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
        self._used = False
        wanted = options.max_in_flight or profile.max_in_flight
        self._choice = _with_room(profile.pipeline.store, wanted)
        self.max_in_flight = self._checked_limit(wanted)
        checked_key(new_key(prefix, self._suffix))
        self._reset()

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
        self._in_hand: set[Job] = set()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._encoders_idle = 0
        self._encoders = 0
        self._uploaders = 0
        self._uploading = 0
        self.closing = False
        self.stopping = False

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
        loop(self)
        with self._lock:
            self._running -= 1
            last = self._running == 0
        if last:
            self._close_store()  # nobody can be using it any more

    def next_raw(self) -> Job | None:
        """The next capture to encode; None when the thread should end."""
        with self._lock:
            self._encoders_idle += 1
            while not self._raw and not self.stopping:
                self._raw_ready.wait()
            self._encoders_idle -= 1
            return None if self.stopping else self._take(self._raw)

    def encoded(self, job: Job) -> None:
        """A capture has been encoded: from now on its body counts, or the buffers of its stream."""
        with self._lock:
            stopped = self.stopping
            if not stopped:
                self._in_hand.discard(job)
                streaming = max(job.held_bytes, STREAM_HELD_BYTES)
                self._hold(job, streaming if job.body is None else len(job.body))
                self._bodies.append(job)
                self._more_uploaders()
                self._body_ready.notify()
                stopped = self._uploaders == 0
                if stopped:
                    self._bodies.remove(job)
        if stopped:
            self.finish(job, Fate.DROPPED, STOPPED)
            job.release()

    def _more_uploaders(self) -> None:
        wanted = min(self.max_in_flight, len(self._bodies) + self._uploading)
        while self._uploaders < wanted and self._start(upload_loop, f"packhorse-upload-{self._uploaders + 1}"):
            self._uploaders += 1

    def next_body(self) -> Job | None:
        """The next body to send, with a permit taken for it; None when the thread should end."""
        with self._lock:
            while not self.stopping and (not self._bodies or self._uploading >= self.max_in_flight):
                self._body_ready.wait()
            if self.stopping:
                return None
            self._uploading += 1
            return self._take(self._bodies)

    def _take(self, queue: deque[Job]) -> Job:
        job = queue.popleft()
        self._in_hand.add(job)
        return job

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
        with self._lock:
            if self.stopping or job.settled or job.attempts >= self.options.max_attempts:
                return False
            return self.retries.take_retry()

    def pause(self, seconds: float) -> bool:
        """Sleep, but no longer than until the engine stops; False when it did."""
        with self._lock:
            self._settled.wait_for(lambda: self.stopping, seconds)
            return not self.stopping

    def finish(
        self, job: Job, fate: Fate, reason: str = "", *, detail: str = "", receipt: Receipt | None = None
    ) -> None:
        """Give a job its final fate, once; a second call does nothing. The ticket tells ``detail``, too."""
        with self._lock:
            self._in_hand.discard(job)
            if job.settled:
                return
            self._settle(job, fate, reason, detail)
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

    def _settle(self, job: Job, fate: Fate, reason: str, detail: str = "") -> None:
        job.settled = True
        job.ticket.fate, job.ticket.reason = fate, f"{reason}: {detail}" if detail else reason
        self.ledger.settle(fate, reason)
        self._settled.notify_all()

    @staticmethod
    def _publish(job: Job, receipt: Receipt | None = None) -> None:
        """Wake whoever waits on the ticket; outside the lock, since callbacks run here."""
        job.ticket.settle(receipt)

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

    def _close_store(self) -> None:
        with self._store_lock:
            store, self._store = (self._store, None) if self.stopping else (None, self._store)
        if store is not None:
            store.close()


def _with_room(choice: Choice | None, in_flight: int) -> Choice:
    """The store with a pool that leaves room to raise the limit, unless the profile's text names a pool itself."""
    assert choice is not None, "checked when the profile was loaded"
    if "pool" not in dict(choice.settings) or "pool" in dict(choice.given):
        return choice
    return replace(choice, given=(*choice.given, ("pool", max(in_flight, ROOMY_POOL))))
