"""What one level is, and the ways that are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benches.studies.parallelism.shape import Feed, TaskShape
from packhorse.stores.base import Endpoint
from packhorse.units import MIB

#: The service this project comes from, in Python: token by token, deflate 6, base64, the SDK's default pool.
ORIGINAL = "json-iterencode | zlib:6 | base64-stdlib | aiobotocore:pool=10"
COMMON = "orjson | gzip:6 | raw | boto3:pool=10"
#: The client alone makes the difference when the CPU stages are quick.
QUICK = "orjson | isal:1 | raw | aiobotocore"
#: Memory of one level's process before it is ended.
MEMORY_BOUND_BYTES = 6 * 1024 * MIB
#: Objects overwrite each other after so many, so that a study does not fill the disk.
KEYS = 1000


@dataclass(frozen=True, slots=True)
class Way:
    """One way of getting a task's capture into S3.

    Attributes:
        kind: ``loop`` (coroutines on the task's own loop), ``threads`` (the default executor) or ``packhorse``.
        pipeline: What it runs; empty for packhorse, whose profile says it.
        awaited: True when a task ends only once its capture is stored.
        about: One line for the report.
        gc: The garbage collector's settings, where a variant does not name others.
    """

    kind: str
    pipeline: str
    awaited: bool
    about: str
    gc: str = "default"


WAYS = {
    "floating": Way("loop", ORIGINAL, awaited=False, about="the original design: `create_task`, never awaited"),
    "awaited": Way("loop", ORIGINAL, awaited=True, about="the same, and the task waits until its capture is stored"),
    "common": Way("threads", COMMON, awaited=False, about="today's common stack in the default thread pool"),
    "packhorse": Way("packhorse", "", awaited=False, about="`await AsyncUploader.submit()`, default profile"),
    "packhorse, gc tuned": Way(
        "packhorse",
        "",
        awaited=False,
        about="the same, with `gc.freeze()` and higher thresholds",
        gc="freeze+thresholds",
    ),
}
#: Ways that only variants use.
MORE_WAYS = {
    "quick": Way(
        "loop",
        QUICK,
        awaited=False,
        about="a quick encoder on the loop, floating; the client's default pool unless said",
    )
}


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the plain run.

    Attributes:
        pool: Connections of the client, or None for the way's own.
        gc: None for the way's own; ``default``; ``freeze`` (collect and freeze once the service is up);
            ``thresholds`` (50,000, 20, 100); ``freeze+thresholds``; ``off``.
        logging: A name of :data:`benches.studies.parallelism.logs.LOGGERS`.
        redact: packhorse only: with redaction.
    """

    pool: int | None = None
    gc: str | None = None
    logging: str = "none"
    redact: bool = False


PLAIN = Variant()


@dataclass(frozen=True, slots=True)
class Level:
    """One run: a way at one parallelism, in a process of its own.

    Attributes:
        warmup_s, window_s: Seconds before and while latencies count.
        memory_bound_bytes: Resident memory at which the process is ended.
        seed: Of waits and of their order.
    """

    way: str
    parallelism: int
    endpoint: Endpoint
    shape: TaskShape
    feeds: tuple[Feed, ...] = field(repr=False)
    variant: Variant = PLAIN
    warmup_s: float = 1.5
    window_s: float = 6.0
    memory_bound_bytes: int = MEMORY_BOUND_BYTES
    seed: int = 1

    @property
    def time_bound_s(self) -> float:
        """Seconds after which the process is ended: start-up and closing get their share on a busy machine."""
        return self.warmup_s + self.window_s + 40.0


def named(way: str) -> Way:
    """A way by its name."""
    return (WAYS | MORE_WAYS)[way]


Row = dict[str, Any]
