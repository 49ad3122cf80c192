"""One capture on its way through the engine, and the table of all of them.

A job has one state. :meth:`JobTable.move` is the only thing that changes it, and knows which changes there are::

    WAITING ─> QUEUED ─> ENCODING ─> READY ─> SENDING ─> DONE
                            └────────────────>┘ │ ▲
                                        PARKED <┤ └─ RETRY_WAIT
                                                └──> SPOOLING ─> DONE

The queues are the table's indexes by state, in the order in which jobs came into that state.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from packhorse.codec import Tally
from packhorse.errors import StoreError
from packhorse.stores.base import ObjectInfo
from packhorse.uploader.account import Account
from packhorse.uploader.adaptive import NO_PERMIT, Permit
from packhorse.uploader.reasons import Why
from packhorse.uploader.stream_copy import StreamCopy
from packhorse.uploader.ticket import Ticket

logger = logging.getLogger("packhorse")


class State(Enum):
    """Where a job is."""

    #: Its submitter stands in line for room in the memory budget.
    WAITING = "waiting"
    #: Let in; nobody has begun to encode it.
    QUEUED = "queued"
    #: In the hand of a thread that encodes it.
    ENCODING = "encoding"
    #: Encoded, or begun as a stream; waits for a permit.
    READY = "ready"
    #: In the hand of a thread that has a permit and sends it.
    SENDING = "sending"
    #: In the hand of a sending thread that has given its permit back: a request of its stream waits for S3.
    PARKED = "parked"
    #: An attempt failed; it waits for the next one without a thread and without a permit.
    RETRY_WAIT = "retry-wait"
    #: For the spool: to be written, or in the hand of the thread that writes it.
    SPOOLING = "spooling"
    #: Its fate is final.
    DONE = "done"

    # Members are keys on the way of every capture: by identity, instead of by a hash of their name in Python.
    __hash__ = object.__hash__


_ALLOWED: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.QUEUED, State.DONE}),
    State.QUEUED: frozenset({State.ENCODING, State.DONE}),
    State.ENCODING: frozenset({State.READY, State.SENDING, State.DONE}),
    State.READY: frozenset({State.SENDING, State.SPOOLING, State.DONE}),
    State.SENDING: frozenset({State.PARKED, State.RETRY_WAIT, State.SPOOLING, State.DONE}),
    State.PARKED: frozenset({State.SENDING, State.DONE}),
    State.RETRY_WAIT: frozenset({State.SENDING, State.SPOOLING, State.DONE}),
    State.SPOOLING: frozenset({State.READY, State.RETRY_WAIT, State.DONE}),
    State.DONE: frozenset(),
}
#: States in which a thread has the job.
IN_HAND = (State.ENCODING, State.SENDING, State.PARKED, State.SPOOLING)


class Stream:
    """Chunks of a capture that is still being encoded, and what must be closed after them."""

    __slots__ = ("_chunks", "_guarded", "_head", "_opened")

    def __init__(self, head: list[bytes], chunks: Iterator[bytes], opened: ExitStack) -> None:
        self._head = deque(head)
        self._chunks = self._guarded = chunks
        self._opened = opened

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._head.popleft() if self._head else next(self._guarded)

    def limit(self, guard: Callable[[Iterator[bytes]], Iterator[bytes]]) -> None:
        """Pass the chunks that are not made yet through ``guard``."""
        self._guarded = guard(self._chunks)

    def close(self) -> None:
        """Stop encoding, then close what it reads from. Idempotent; works for a stream that was never begun."""
        self._head.clear()
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        self._opened.close()


#: What a capture has before it is encoded, shared by all: a submitter pays for each object that is made at submit.
NO_INFO = ObjectInfo()
NO_TALLY = Tally()


@dataclass(slots=True, eq=False)
class Job:
    """A capture, then its encoded body.

    Attributes:
        ticket: What the submitter holds.
        capture: The capture; let go as soon as it is encoded.
        held_bytes: What it counts for against the memory budget now; before it is encoded, beside ``guessed_bytes``,
            which are corrected by what other captures turned out to be (``account.py``).
        submitted_s: Engine clock at submit; ``marks`` holds the later moments by phase; there is none before it is
            encoded.
        state: Changed by :class:`JobTable` alone.
        body: The encoded capture, when it fits ``stream_above_bytes``.
        stream: Otherwise the chunks, the first ones already made.
        copy: What has been sent of the stream, on disk, while there is a spool that has room.
        info: Headers of the object.
        beside_bytes: What its objects took that is no text, about.
        level: How much it is reduced for want of room (``account.py``).
        failure: Why the upload failed before it went to the spool.
        refusal: What S3 said when it refused the capture; empty when it did not.
        trouble: Why it waits for another attempt (``scheduler.py``); ``again_s`` is when that may be made, ``paid``
            whether its retry has been taken from the budget, ``probe`` whether it finds out if S3 is back.
        late: Why it is not tried any more, its deadline having passed while it waited.
        buffered_bytes: What it was let hold of a large body beyond what a large capture counts as.
    """

    ticket: Ticket
    capture: Any
    held_bytes: int
    guessed_bytes: int
    submitted_s: float
    state: State = State.WAITING
    body: bytes | None = None
    stream: Stream | None = None
    copy: StreamCopy | None = None
    info: ObjectInfo = NO_INFO
    tally: Tally = NO_TALLY
    marks: dict[str, float] = field(init=False, repr=False)
    beside_bytes: float = 0.0
    attempts: int = 0
    permit: Permit = NO_PERMIT
    level: int = 0
    failure: Why | None = None
    refusal: str = ""
    trouble: StoreError | None = None
    again_s: float = 0.0
    paid: bool = False
    probe: bool = False
    late: StoreError | None = None
    buffered_bytes: int = 0

    def release(self) -> None:
        """Let go of the capture and of what encoding it opened. Called by whoever has the job in hand."""
        stream, self.stream = self.stream, None
        copy, self.copy = self.copy, None
        if copy is not None:
            copy.discard()
        self.capture = self.body = None
        # Raised, they lead back here by their frames: a circle until the next collection.
        self.late = self.trouble = None
        if stream is not None:
            stream.close()


class IllegalMove(RuntimeError):
    """A job was to change to a state that does not follow on its own. Nothing has changed."""


class JobTable:
    """All jobs without a final fate, by state. Not thread-safe: its owner holds a lock."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._by_state: dict[State, OrderedDict[Job, None]] = {
            state: OrderedDict() for state in State if state is not State.DONE
        }
        self._told = False
        # The queues of the way that every capture goes.
        self.queued = self._by_state[State.QUEUED]
        self.encoding = self._by_state[State.ENCODING]
        self.ready = self._by_state[State.READY]
        self.sending = self._by_state[State.SENDING]
        self.parked = self._by_state[State.PARKED]
        self.retrying = self._by_state[State.RETRY_WAIT]

    def enter(self, job: Job, state: State = State.WAITING) -> None:
        """Take a new job in. It has been counted as submitted."""
        job.state = state
        self._by_state[state][job] = None

    def withdraw(self, job: Job) -> None:
        """Forget a job that was not let in after all. Idempotent."""
        if job.state is not State.DONE:
            self._by_state[job.state].pop(job, None)

    def move(self, job: Job, to: State) -> None:
        """Change a job's state. ``DONE`` is told after the account has its fate: then all must add up.

        Raises:
            IllegalMove: There is no such change.
        """
        if to not in _ALLOWED[job.state]:
            raise IllegalMove(f"a job cannot go from {job.state.value} to {to.value}")
        del self._by_state[job.state][job]
        job.state = to
        if to is State.DONE:
            self._check()
        else:
            self._by_state[to][job] = None

    def of(self, *states: State) -> list[Job]:
        """The jobs in these states, in the order in which they came there."""
        return [job for state in states for job in self._by_state[state]]

    def all(self) -> list[Job]:
        """Every job."""
        return self.of(*self._by_state)

    def count(self, *states: State) -> int:
        """How many there are."""
        return sum(len(self._by_state[state]) for state in states)

    def adds_up(self) -> bool:
        """True when the account's captures without a fate are those in this table."""
        return self._account.in_flight == sum(map(len, self._by_state.values()))

    def _check(self) -> None:
        if not self._told and not self.adds_up():
            self._told = True
            logger.error("an uploader's account does not add up; please report it: %s", self._account.look({}))


def oldest(queue: OrderedDict[Job, None]) -> Job:
    """The job that has been in a state for the longest time."""
    return next(iter(queue))


def newest(queue: OrderedDict[Job, None]) -> Job:
    """The one that came last."""
    return next(reversed(queue))
