"""The engine under both faces: it wires one core, one pool of threads, one spool, and hands captures in.

face ─> Engine ─> Core (lock, jobs, account, scheduler)
▲ threads: Worker (Encoder, sender, part_retry), Spooler; endings: Lifecycle
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from packhorse.errors import InputError, PackhorseError, QueueFull, UploaderClosed
from packhorse.forks import notice_fork
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint
from packhorse.uploader.account import Flushed, Stats, Waiter
from packhorse.uploader.adaptive import Limit, Permits
from packhorse.uploader.client import Client
from packhorse.uploader.core import Core
from packhorse.uploader.encoder import Encoder
from packhorse.uploader.endings import capture_comes, wait_begins
from packhorse.uploader.endings import watch as watch_end
from packhorse.uploader.job import Job, oldest
from packhorse.uploader.keys import checked_key, new_key
from packhorse.uploader.lifecycle import Lifecycle
from packhorse.uploader.metrics import Reading
from packhorse.uploader.options import UploaderOptions, check_fields
from packhorse.uploader.prepare import JOB_BYTES, STREAM_HELD_BYTES, read_bytes
from packhorse.uploader.reasons import Reason, Why
from packhorse.uploader.redaction import Redaction
from packhorse.uploader.spooler import Spooler
from packhorse.uploader.telemetry import telemetry, watch
from packhorse.uploader.ticket import Ticket
from packhorse.uploader.uwsgi_master import claim
from packhorse.uploader.weight import guess, weigh
from packhorse.uploader.worker import Worker
from packhorse.wire import suffix

#: How closely the first capture is looked at: elements of each list, and containers in all. About 0.2 ms.
FIRST_DRAWN, FIRST_OPENED = 2, 64

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits to change while running; those that are None stay. Units and meanings are those of the options."""

    max_in_flight: Limit | None = None
    memory_budget_bytes: int | None = None
    encode_threads: int | None = None
    spool_bytes: int | None = None
    spool_max_age_s: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)


class Engine:
    """Takes captures, gives each exactly one fate. See ``Uploader`` for the promises."""

    def __init__(  # what an uploader is made of
        self,
        profile: Profile,
        endpoint: Endpoint,
        prefix: str,
        options: UploaderOptions,
        *,
        budget_bytes: int,
        redaction: Redaction,
    ) -> None:
        self.options = options
        self.profile = profile
        self.client = Client(profile, endpoint, options)
        self.redaction = redaction
        self.permits = Permits(self.client.first_limit(options.max_in_flight))
        self.refused_flags = 0
        self._inherited: list[Job] = []
        self._prefix = prefix
        self._suffix = suffix(profile.pipeline.wire)
        self._url_base = f"s3://{endpoint.bucket}/"
        checked_key(new_key(prefix, self._suffix))
        self._make(budget_bytes, options.encode_threads)
        _engines.add(self)
        watch_end(self)

    def _make(self, budget_bytes: int, encode_threads: int) -> None:
        """All that a process has of its own: at the start, and in a forked child."""
        core = Core(
            self.client,
            self.redaction,
            self.permits,
            budget_bytes=budget_bytes,
            encode_threads=encode_threads,
            prefix=self._prefix,
        )
        encoder = Encoder(self.profile, self.options, self.redaction, core.may_buffer)
        self.spooler = Spooler(core)
        self.lifecycle = Lifecycle(core, encoder, self.spooler)
        self._worker = Worker(core, encoder, self.spooler)
        core.pool.work = self._work
        core.start_keeper, core.wake_keeper = self.spooler.start, self.spooler.wake
        if self.options.telemetry:
            core.watch = partial(watch, self, self.options.name)
        self.core = core

    def _work(self) -> None:
        """What a thread does. It holds this, which must end well even if nobody else holds it any more."""
        self._worker.run()

    # --- coming in ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take over what dead processes left. Without a spool nothing happens."""
        with self.core.lock:
            self.spooler.start()

    def job(self, capture: Any, key: str | None) -> Job:
        """A job with its key fixed and its size estimated; not submitted yet. Raises InputError."""
        capture_comes()
        chosen = new_key(self._prefix, self._suffix) if key is None else checked_key(key)
        held_bytes, guessed_bytes = read_bytes(capture), 0
        if held_bytes is None:
            held_bytes, guessed_bytes = 0, self._guess(capture)
        elif isinstance(capture, (str, os.PathLike)) and os.path.exists(capture):
            capture = os.path.abspath(capture)  # opened later, when the process may be in another folder
        weight_bytes = self.core.account.charge(held_bytes, guessed_bytes)
        if weight_bytes > self.options.stream_above_bytes and held_bytes != STREAM_HELD_BYTES:
            held_bytes += STREAM_HELD_BYTES  # it stays whole while it is streamed
        return Job(Ticket(chosen, self._url_base), capture, held_bytes + JOB_BYTES, guessed_bytes, time.monotonic())

    def _guess(self, capture: Any) -> int:
        account = self.core.account
        guessed_bytes = guess(capture, at_most=account.budget_bytes)
        # The first one is looked at closely: many may come before one is encoded.
        if not account.guesses.known and guessed_bytes >= account.guesses.LEAST_BYTES:
            weight = weigh(capture, drawn=FIRST_DRAWN, most=FIRST_OPENED)
            with self.core.lock:
                account.guesses.learn(guessed_bytes, weight.held_bytes)
        return guessed_bytes

    def submit_nowait(self, capture: Any, key: str | None) -> Ticket:
        """Hand a capture in; without room it is dropped. Raises UploaderClosed and InputError."""
        job = self.job(capture, key)
        core = self.core
        lock = core.lock
        if not lock.acquire(blocking=False):
            if self.surely_fits(job):
                lock.leave(job)
                return job.ticket
            lock.acquire()
        try:
            self._check_open(job)
            publish = core.admit_left(job)
        finally:
            lock.release()
        if publish is not None:
            publish()
        return job.ticket

    def surely_fits(self, job: Job) -> bool:
        """True when a job can be let in by whoever has the lock, without its submitter waiting for the decision."""
        core = self.core
        account = core.account
        room = account.ladder.whole_bytes - account.held_bytes
        open_now = core.pool.running > 0 and not core.closing
        charges = (account.charge(left.held_bytes, left.guessed_bytes) for left in (job, *core.lock.left()))
        return open_now and core.lock.may_leave() and sum(charges) <= room

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
                self.give_up(waiter, Reason.INTERRUPTED)
                raise
            self.ask_last(waiter)
        return job.ticket if waiter.refusal is None else self.outcome(waiter)

    def ask(self, job: Job, wake: Callable[[], None]) -> Waiter:
        """Count a job as submitted and let it in, refuse it, or put it in line; ``wake`` is called once decided there.

        Raises:
            UploaderClosed: Nothing was counted.
        """
        core = self.core
        waiter = Waiter(job, wake)
        with core.lock:
            self._check_open(job)
            core.count(job)
            # Whoever stands in line goes first; what can never be let in need not stand there.
            refusal = core.hopeless(job) or Why(Reason.NO_ROOM) if core.line.waiters else core.admit(job, patient=True)
            if refusal is not None and refusal.reason is Reason.NO_ROOM:
                core.line.join(waiter)
            else:
                core.decided(waiter, refusal)
        if not waiter.decided:
            wait_begins()
        return waiter

    def ask_last(self, waiter: Waiter) -> None:
        """The wait is over: if nobody decided, take what room there is for those that do not wait."""
        core = self.core
        with core.lock:
            if not waiter.decided:
                core.line.leave(waiter)
                core.decided(waiter, core.admit(waiter.job, patient=False))
                core.announce_room()  # a smaller one may have stood behind it

    def give_up(self, waiter: Waiter, reason: Reason) -> None:
        """The wait was broken off: drop the capture, unless it was let in already; then it stays in."""
        core = self.core
        with core.lock:
            if not waiter.decided:
                core.line.leave(waiter)
                core.decided(waiter, Why(reason))
                core.announce_room()
        if waiter.refusal is not None:
            core.publish(waiter.job)

    def outcome(self, waiter: Waiter) -> Ticket:
        """The ticket of a decided waiter. Raises UploaderClosed or QueueFull when it was refused and dropped."""
        if waiter.refusal is None:
            ticket: Ticket = waiter.job.ticket
            return ticket
        self.core.publish(waiter.job)
        raise self._refused(waiter.job, waiter.refusal)

    def _refused(self, job: Job, refusal: Why) -> PackhorseError:
        key = job.ticket.key
        if refusal.reason is Reason.CLOSED:
            return UploaderClosed(f"the uploader was closed while {key} waited for room; it was dropped")
        if refusal.reason is Reason.TOO_LARGE:
            return QueueFull(f"{job.ticket.reason}; {key} was dropped")
        return QueueFull(f"{refusal.words} ({self.core.account.budget_bytes} bytes); {key} was dropped")

    def _check_open(self, job: Job) -> None:
        if self.core.closing:
            raise UploaderClosed(f"this uploader is closed; {job.ticket.key} was not taken")

    # --- looking and control ------------------------------------------------------------------------------------------

    def stats(self, redacted: dict[str, int]) -> Stats:
        """A consistent look at the account."""
        core = self.core
        with core.lock:
            return core.account.look(redacted, None if core.spool is None else core.spool.look())

    def reading(self) -> Reading:
        """One consistent look for telemetry."""
        now_s = time.monotonic()
        core = self.core
        with core.lock:
            table, account = core.table, core.account
            queues = {"encode": (table.queued,), "upload": (table.retrying, table.ready)}
            heads = {name: [oldest(queue) for queue in held if queue] for name, held in queues.items()}
            return Reading(
                stats=self.stats(dict(self.redaction.counts())),
                budget_bytes=account.budget_bytes,
                limit=self.permits.limit,
                uploading=core.scheduler.uploading,
                queued={name: sum(map(len, held)) for name, held in queues.items()},
                oldest_s={name: now_s - min(job.submitted_s for job in jobs) for name, jobs in heads.items() if jobs},
                phase_s=dict(account.phase_s),
                durations=tuple(account.durations),
                refused_flags=self.refused_flags,
            )

    def refuse_flag(self) -> None:
        """Count a feature flag's value that could not become a limit."""
        with self.core.lock:
            self.refused_flags += 1

    def set_limits(self, limits: Limits) -> None:
        """Change limits while running. Lower ones take effect as work in progress finishes.

        Raises:
            InputError: Above what the profile's store can hold, or a spool's limit without a spool.
        """
        core = self.core
        if core.spool is None and (limits.spool_bytes or limits.spool_max_age_s):
            raise InputError("there is no spool whose limits could be changed; give spool_dir to the uploader")
        limit = None if limits.max_in_flight is None else self.client.limit(limits.max_in_flight)
        with core.lock:
            if limit is not None:
                self.permits.set(limit)
            core.encode_threads = limits.encode_threads or core.encode_threads
            if core.spool is not None:
                quota = core.spool.quota
                core.spool.quota = replace(
                    quota,
                    max_bytes=limits.spool_bytes or quota.max_bytes,
                    max_age_s=limits.spool_max_age_s or quota.max_age_s,
                )
            if limits.memory_budget_bytes is not None:
                core.account.set_budget(limits.memory_budget_bytes)
                core.announce_room()
                core.spill()
            core.pool.wake_all()
            core.rouse()

    # --- the end ------------------------------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """True once no capture is taken any more."""
        return self.core.closing

    def flush(self, deadline_s: float) -> Flushed:
        """As :meth:`Lifecycle.flush`."""
        notice_fork()
        return self.lifecycle.flush(deadline_s)

    def close(self, deadline_s: float) -> None:
        """As :meth:`Lifecycle.close`."""
        notice_fork()
        self._go_on()
        self.lifecycle.close(deadline_s)
        telemetry.end(self)

    def exit(self, begun_s: float) -> None:
        """As :meth:`Lifecycle.exit`."""
        self._go_on()
        self.lifecycle.exit(begun_s)
        telemetry.end(self)

    def disown(self) -> None:
        """In a forked child: forget the parent's captures, threads and files, and never touch its client again."""
        core = self.core
        self.client.abandon()
        if core.spool is not None:
            core.spool.disown()
        closed = core.closing
        self._inherited = core.table.all() if core.held else []
        self._make(core.account.budget_bytes, core.encode_threads)
        self.core.closing = self.core.stopping = closed

    def take_over(self) -> None:
        """In the child of uWSGI's master: go on with what was held back there, if no other worker does."""
        inherited, self._inherited = self._inherited, []
        if inherited and claim():
            self.core.take_over(inherited)

    def _go_on(self) -> None:
        wait_begins()
        self.begin()  # where a worker was forked meanwhile, too

    def begin(self) -> None:
        """Start threads for what has been held back."""
        with self.core.lock:
            if self.core.held:
                self.spooler.start()
                self.core.rouse()
