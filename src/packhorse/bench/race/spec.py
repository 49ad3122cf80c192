"""What crosses the pipe between a race and its child processes: arms, what to do with them, samples."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

#: How keys begin in a bucket that is the race's alone.
KEY_PREFIX = "packhorse-race-"


class Way(StrEnum):
    """How an arm brings captures to the store (:mod:`packhorse.bench.race.hot_path`)."""

    BARE = "bare parts"  # encode, compress, put: a loop as one writes it by hand
    UNREDACTED = "hot path"  # what one thread of the uploader does, redaction aside
    HOT = "with redaction"  # the same, with redaction
    UPLOADER = "uploader"  # packhorse.Uploader itself, as it is imported


class Role(StrEnum):
    """What an arm is raced for."""

    CANDIDATE = "candidate"
    TWIN = "aa-twin"  # the first candidate under a second name: an alarm
    REFERENCE = "reference"  # the original design
    COMMON = "common"  # what most people write today


class Arm(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is sampled.

    Attributes:
        name: Unique within its phase.
        pipeline: Its text.
        in_flight: Captures under way at once.
        way: How it brings captures to the store.
        role: What it is there for.
    """

    name: str
    pipeline: str
    in_flight: int = 1
    way: Way = Way.HOT
    role: Role = Role.CANDIDATE

    @property
    def preset(self) -> bool:
        """Whether it is there for a ratio of 3 or 30, not for a per cent: it gets one short sample per process."""
        return self.role in (Role.REFERENCE, Role.COMMON)


class Task(msgspec.Struct, frozen=True):
    """Everything that a child needs.

    Attributes:
        arms: What it works on.
        folder: Folder with the captures as compact JSON.
        captures: File names in it.
        endpoint: Fields of a :class:`packhorse.stores.base.Endpoint`, or None. Never written to the record.
        key_prefix: Start of every object's key.
        servers: Process ids whose CPU time is the servers'.
        seed, process: What orders are drawn from; ``process`` is its index within the phase.
        rounds: Undisturbed rounds that are wanted.
        time_s: Seconds after which no further round is begun.
        bundle: Captures in a sample; 0 lets the child find out from its warm-up.
        apart: Each sample is of one capture, as many copies as the arm needs: how a figure is published.
        sample_s: Least seconds of a sample.
        check: Whether every arm's pipeline has to give every capture back first.
    """

    arms: tuple[Arm, ...]
    folder: str
    captures: tuple[str, ...]
    endpoint: dict[str, Any] | None = None
    key_prefix: str = KEY_PREFIX
    servers: tuple[int, ...] = ()
    seed: int = 0
    process: int = 0
    rounds: int = 6
    time_s: float = 30.0
    bundle: int = 0
    apart: bool = False
    sample_s: float = 0.15
    check: bool = False


class Sample(msgspec.Struct, frozen=True):
    """The cost vector of one sample.

    Attributes:
        arm: The arm's name.
        process, round: Which process of its phase, and which round of that.
        captures, raw_bytes: How many captures, and the bytes of their compact JSON.
        wall_s, user_s, system_s: Of the child, all threads.
        server_s: CPU time of the local server and its link.
        foreign_s: CPU time of everybody else.
        gc_s, gc_collections: Time inside the garbage collector, and how often it ran.
        bytes_out: What was stored, or came out of a stage.
        connections: Connections to the target that were opened during the sample.
        latency_p50_s, latency_p99_s: Of single uploads, capture in hand to answer; None for stages and the uploader.
            With fewer than 100 uploads in a sample the p99 is the slowest one.
        put_s: Inside the client's ``put``, over all captures, however many run side by side.
        counted: False in a round that others disturbed and that was taken again.
        capture: The one capture that it is of, where a sample is of one.
    """

    arm: str
    process: int
    round: int
    captures: int
    raw_bytes: int
    wall_s: float
    user_s: float
    system_s: float
    bytes_out: int
    server_s: float = 0.0
    foreign_s: float = 0.0
    gc_s: float = 0.0
    gc_collections: int = 0
    connections: int = 0
    latency_p50_s: float | None = None
    latency_p99_s: float | None = None
    put_s: float | None = None
    counted: bool = True
    capture: str | None = None

    @property
    def cpu_s(self) -> float:
        """User and system time."""
        return self.user_s + self.system_s
