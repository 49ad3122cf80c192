"""One capture on its way through the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from packhorse.codec import Tally
from packhorse.errors import StoreError
from packhorse.stores.base import ObjectInfo
from packhorse.uploader.adaptive_permits import NO_PERMIT, Permit
from packhorse.uploader.spool.index import Claim
from packhorse.uploader.ticket import Ticket


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
NO_TALLY = Tally(digest=None)


@dataclass(slots=True, eq=False)
class Job:
    """A capture, then its encoded body. Belongs to one thread at a time.

    Attributes:
        ticket: What the submitter holds.
        capture: The capture; let go as soon as it is encoded.
        held_bytes: What it counts for against the memory budget now.
        submitted_s: Engine clock at submit; ``marks`` holds the later moments by phase; there is none before it is
            encoded.
        body: The encoded capture, when it fits ``stream_above_bytes``.
        stream: Otherwise the chunks, the first ones already made.
        info: Headers of the object.
        settled: True once its fate is final; guarded by the engine's lock.
        level: How much it is reduced for want of room (``ladder.py``).
        claim: The file it comes from, when it is a spooled one that is being uploaded.
        failure: Reason and detail of the upload that failed before it went to the spool.
        on_wire: True while an uploading thread has it.
        parked: True while its permit is given back, its stream waiting for S3.
        trouble: Why it waits for another attempt (``trying.py``); ``again_s`` is when that may be made, ``paid``
            whether its retry has been taken from the budget, ``probe`` whether it finds out if S3 is back.
        late: Why it is not tried any more, its deadline having passed while it waited.
    """

    ticket: Ticket
    capture: Any
    held_bytes: int
    submitted_s: float
    body: bytes | None = None
    stream: Stream | None = None
    info: ObjectInfo = NO_INFO
    tally: Tally = NO_TALLY
    marks: dict[str, float] = field(init=False, repr=False)
    attempts: int = 0
    permit: Permit = NO_PERMIT
    settled: bool = False
    level: int = 0
    claim: Claim | None = None
    failure: tuple[str, str] | None = None
    on_wire: bool = False
    parked: bool = False
    trouble: StoreError | None = None
    again_s: float = 0.0
    paid: bool = False
    probe: bool = False
    late: StoreError | None = None

    def release(self) -> None:
        """Let go of the capture and of what encoding it opened. Called by whoever has the job in hand."""
        stream, self.stream = self.stream, None
        self.capture = self.body = None
        self.late = self.trouble = (
            None  # raised, they lead back here by their frames: a circle until the next collection
        )
        if stream is not None:
            stream.close()
