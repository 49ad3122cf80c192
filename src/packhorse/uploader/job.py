"""One capture on its way through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from packhorse.codec import Tally
from packhorse.stores.base import ObjectInfo
from packhorse.uploader.ticket import Ticket


@dataclass(slots=True)
class Job:
    """A capture, then its encoded body. Belongs to one thread at a time.

    Attributes:
        ticket: What the submitter holds.
        capture: The capture; let go as soon as it is encoded.
        held_bytes: What it counts for against the memory budget now.
        submitted_s: Engine clock at submit; ``marks`` holds the later moments by phase.
        body: The encoded capture, when it fits ``stream_above_bytes``.
        stream: Otherwise the chunks, the first ones already made.
        info: Headers of the object.
        settled: True once its fate is final; guarded by the engine's lock.
    """

    ticket: Ticket
    capture: Any
    held_bytes: int
    submitted_s: float
    body: bytes | None = None
    stream: Iterator[bytes] | None = None
    info: ObjectInfo = field(default_factory=ObjectInfo)
    tally: Tally = field(default_factory=Tally)
    marks: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    settled: bool = False
