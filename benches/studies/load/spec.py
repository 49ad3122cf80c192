"""What a load is, as data that can be pickled and sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from benches.studies.load.arrivals import Arrivals
from packhorse.errors import InputError
from packhorse.stores.base import Endpoint


class Via(StrEnum):
    """What a load sends through."""

    UPLOADER = "uploader"  # submit_nowait: what finds no room in the memory budget is dropped, and counted as failed
    ASYNC_UPLOADER = "async-uploader"  # await submit, then the ticket: waits for room
    STORE = "store"  # ready bodies through the pipeline's client alone


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a load goes and what it carries.

    Attributes:
        endpoint: The target.
        via: What it sends through.
        pipeline: As a line of text; None for the packaged default profile's.
        uploads_in_flight: PUTs under way at once: the uploader's limit, or the most of a store.
        capture_bytes, kind: The synthetic captures, as ``packhorse synth`` makes them.
        captures: How many different ones, in turn.
        prefix: Where keys begin.
    """

    endpoint: Endpoint
    via: Via = Via.ASYNC_UPLOADER
    pipeline: str | None = None
    uploads_in_flight: int = 8
    capture_bytes: int = 100_000
    kind: str = "browser"
    captures: int = 4
    prefix: str = "load"

    def __post_init__(self) -> None:
        for name in ("uploads_in_flight", "capture_bytes", "captures"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A whole load.

    Attributes:
        arrivals: When captures arrive.
        aim: Where they go.
        max_in_flight: The most arrivals under way at once. One beyond it waits for a place, and its latency counts
            from when it was due all the same; how many had to wait is in the result. It bounds this program's memory.
        seed: Of arrivals and captures.
        drain_s: Seconds after the last arrival for what is still under way; then it is cancelled, counted as failed.
    """

    arrivals: Arrivals
    aim: Aim
    max_in_flight: int = 10_000
    seed: int = 1
    drain_s: float = 60.0

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise InputError(f"max_in_flight is {self.max_in_flight}; it must be at least 1")
        if not self.drain_s > 0:
            raise InputError(f"drain_s is {self.drain_s}; it must be above 0")
