"""What crosses the pipe between a race and its block processes: arms, block specs, samples. Plain data, JSON-able."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

#: How keys begin in a bucket that is the race's alone.
KEY_PREFIX = "packhorse-race-"


class Kind(StrEnum):
    """What an arm's sample does."""

    NULL = "null"  # the harness's own loop, no work
    ENCODE = "encode"  # the encoder alone
    COMPRESS = "compress"  # the compressor alone, on the common encoder's output
    BASE64 = "base64"  # base64 alone, on zlib:1 of the common encoder's output
    CPU = "cpu"  # encode, compress, base64 in one stream
    UPLOAD = "upload"  # end to end: the same, joined, and put by a store client
    CEILING = "ceiling"  # puts of a ready body: what client and target can take


class Mode(StrEnum):
    """What a child process is started for."""

    SAMPLE = "sample"
    CHECK = "check"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Arm:
    """One thing that is sampled in every block.

    Attributes:
        name: Unique within its phase.
        kind: What a sample does.
        pipeline: Text of the pipeline; for single stages the other stages are ignored.
        in_flight: Captures under way at once (uploads only).
        rounds: Rounds per sample; 0 lets the child find out from its warm-up.
        body_bytes: Size of the ready body (ceiling only).
    """

    name: str
    kind: Kind
    pipeline: str
    in_flight: int = 1
    rounds: int = 0
    body_bytes: int = 0

    def with_rounds(self, rounds: int) -> Arm:
        """The same arm with its rounds fixed, so that all later blocks do equal work."""
        return replace(self, rounds=rounds)


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """Everything a child needs.

    Attributes:
        mode: What to do.
        arms: In the order in which they run.
        folder: Folder with the captures as compact JSON.
        captures: File names in it.
        min_sample_s, max_sample_s: See :class:`packhorse.bench.race.options.Effort`.
        endpoint: Fields of a :class:`packhorse.stores.base.Endpoint`, or None. Never written to the record.
        key_prefix: Start of every object's key.
        check_limit_s: A check that is predicted to take longer on one capture is given up.
    """

    mode: Mode
    arms: tuple[Arm, ...]
    folder: str
    captures: tuple[str, ...]
    min_sample_s: float = 0.05
    max_sample_s: float = 1.0
    endpoint: dict[str, Any] | None = None
    key_prefix: str = KEY_PREFIX
    check_limit_s: float = 5.0

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BlockSpec:
        """Undo :meth:`to_json`."""
        data = json.loads(text)
        arms = tuple(Arm(**{**arm, "kind": Kind(arm["kind"])}) for arm in data["arms"])
        return cls(**{**data, "mode": Mode(data["mode"]), "arms": arms, "captures": tuple(data["captures"])})


@dataclass(frozen=True, slots=True)
class Sample:
    """The cost vector of one sample.

    Attributes:
        arm: The arm's name.
        block: Index of the block within its phase.
        rounds, captures: Rounds, and captures gone through in them.
        wall_s, user_s, system_s: Of the block process, all threads.
        gc_s, gc_collections: Time inside the garbage collector, and how often it ran.
        bytes_out: What came out of the last stage, over all captures.
        involuntary_switches: Context switches forced upon the process.
        steal_s: Time that the hypervisor gave to others, over all cores.
        other_busy_s: CPU time of all other processes (for uploads that includes a local server).
        latency_p50_s, latency_p99_s: Of single uploads, capture in hand to answer; None for CPU arms. With fewer than
            100 uploads in a sample the p99 is the slowest one.
        put_s: Inside the client's ``put``, over all captures, however many run side by side; None for CPU arms.
        suspect: What makes this sample doubtful; empty when nothing does.
    """

    arm: str
    block: int
    rounds: int
    captures: int
    wall_s: float
    user_s: float
    system_s: float
    gc_s: float
    gc_collections: int
    bytes_out: int
    involuntary_switches: int
    steal_s: float
    other_busy_s: float
    latency_p50_s: float | None = None
    latency_p99_s: float | None = None
    put_s: float | None = None
    suspect: list[str] = field(default_factory=list)

    @property
    def cpu_s(self) -> float:
        """User and system time."""
        return self.user_s + self.system_s

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sample:
        """Undo :meth:`as_dict`; unknown keys are ignored."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})
