"""``packhorse study load``: what a stalled server does to the percentiles of a closed loop and of an open one.

A closed loop (workers that each wait for their answer) stops asking while the server stalls, so that the stall is met
by one request of each worker and vanishes from the percentiles. In an open loop captures go on arriving, and each one's
latency counts from when it was due. The stall is real: the server's process is stopped and let go again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from benches.studies.blocks import fresh, orders
from benches.studies.load import Aim, Bursty, LoadSpec, Poisson, Steady, Via
from benches.studies.load.arrivals import Arrivals
from benches.studies.load.histogram import Latencies
from benches.studies.load.loops import Outcome, closed_loop
from benches.studies.load.recording import recorded
from benches.studies.load.report import markdown
from benches.studies.load.result import LoadResult, Recorder
from benches.studies.load.run import load
from benches.studies.load.senders import failure_class, sender
from packhorse.bench.lab.targets import Target, start_target
from packhorse.errors import InputError

__all__ = ["markdown", "study"]

CAPTURE_BYTES = 100_000
#: Workers of the closed loop, and uploads at once of all rows.
WORKERS = 8
#: A fraction of what the server can do, so that what is seen is the stall and not a queue that grows by itself.
RATE_PER_S = 60.0
STALL_S = 2.0
CLOSED, STEADY = "closed loop", "open loop, steady"


@dataclass(frozen=True, slots=True)
class Shape:
    """How long a row runs, and when within it the server stalls."""

    duration_s: float
    stall_after_s: float


@dataclass(frozen=True, slots=True)
class Block:
    """One row in a fresh process; ``server_pid`` is whom it stops for a while."""

    row: Row
    aim: Aim
    shape: Shape
    server_pid: int
    seed: int


@dataclass(frozen=True, slots=True)
class Row:
    """What is measured under one name. Without ``arrivals``: the closed loop. ``places``: the most under way."""

    arrivals: Arrivals | None = None
    via: Via = Via.ASYNC_UPLOADER
    stalled: bool = True
    places: int = 10_000


def rows(shape: Shape, seed: int) -> dict[str, Row]:
    """Every row by its name."""
    duration_s = shape.duration_s
    steady = Steady(RATE_PER_S, duration_s)
    return {
        CLOSED: Row(),
        STEADY: Row(steady),
        f"{STEADY}, {WORKERS} under way at most": Row(steady, places=WORKERS),
        "open loop, Poisson": Row(Poisson(RATE_PER_S, duration_s)),
        "open loop, bursts of 20": Row(Bursty(RATE_PER_S, duration_s, burst=20)),
        "open loop, replayed": Row(recorded(RATE_PER_S, duration_s, seed)),
        f"{STEADY}, Uploader": Row(steady, Via.UPLOADER),
        f"{STEADY}, store alone": Row(steady, Via.STORE),
        f"{CLOSED}, no stall": Row(stalled=False),
        f"{STEADY}, no stall": Row(steady, stalled=False),
    }


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run every row against ``rclone``; Ctrl-C ends it after the rows measured so far, and ``interrupted`` says so.

    Raises:
        InputError: Processes cannot be stopped and continued here (Windows).
    """
    if not hasattr(signal, "SIGSTOP"):
        raise InputError("this study stops the server with SIGSTOP, which this system does not have")
    shape = Shape(6.0, 2.0) if quick else Shape(20.0, 6.0)
    blocks = 1 if quick else 3
    wanted = rows(shape, seed)
    samples: list[dict[str, Any]] = []
    interrupted = False
    try:
        with start_target("rclone") as target:
            for number, order in enumerate(orders(tuple(wanted), blocks, seed)):
                for index, name in enumerate(order):
                    found = _measure(target, wanted[name], shape, seed + number)
                    samples.append({"block": number, "row": name, **found})
                    progress((number + (index + 1) / len(order)) / blocks)
    except KeyboardInterrupt:
        interrupted = True
    settings: dict[str, Any] = {
        "seed": seed,
        "blocks": blocks,
        "rate_per_s": RATE_PER_S,
        "capture_bytes": CAPTURE_BYTES,
    }
    settings |= {"workers": WORKERS, "stall_s": STALL_S, **asdict(shape), "cores": os.cpu_count(), "target": "rclone"}
    return {
        "settings": settings,
        "interrupted": interrupted,
        "rows": {name: summed_up([s for s in samples if s["row"] == name]) for name in wanted if _has(samples, name)},
        "expected": expected(shape),
        "samples": samples,
    }


def expected(shape: Shape) -> dict[str, float]:
    """Percentiles of steady arrivals from the stall alone: those due in it wait evenly from all of it to nothing.

    The share ``STALL_S / duration`` waits, so that the percentile p waits ``STALL_S - (1 - p) · duration``.
    """
    shares = {"p90_s": 0.90, "p99_s": 0.99, "p999_s": 0.999}
    return {name: max(0.0, STALL_S - (1 - share) * shape.duration_s) for name, share in shares.items()}


def _has(samples: list[dict[str, Any]], name: str) -> bool:
    return any(sample["row"] == name for sample in samples)


def _measure(target: Target, row: Row, shape: Shape, seed: int) -> dict[str, Any]:
    import psutil

    assert target.server is not None
    process = psutil.Process(target.server.pid).children()[0]
    aim = Aim(target.endpoint, row.via, uploads_in_flight=WORKERS, capture_bytes=CAPTURE_BYTES)
    try:
        return fresh(run_block, Block(row, aim, shape, process.pid, seed))
    finally:
        process.resume()  # whatever became of the block


def run_block(block: Block) -> dict[str, Any]:
    """Warm up, then run the row with its stall."""
    return asyncio.run(_run_block(block))


async def _run_block(block: Block) -> dict[str, Any]:
    warm = LoadSpec(Steady(RATE_PER_S, 0.5), replace(block.aim, prefix="warm-up"), seed=block.seed)
    await load(warm)
    async with _stalling(block):
        if block.row.arrivals is None:
            return await _closed(block)
        spec = LoadSpec(block.row.arrivals, block.aim, max_in_flight=block.row.places, seed=block.seed)
        return asdict(await load(spec))


async def _closed(block: Block) -> dict[str, Any]:
    """The closed loop, also with the known correction of its omission."""
    outcomes: list[Outcome] = []
    async with sender(block.aim, block.seed) as send:
        await closed_loop(WORKERS, send, outcomes.append, duration_s=block.shape.duration_s, classify=failure_class)
    recorder, corrected = Recorder(), Latencies()
    interval_s = statistics.median(outcome.service_s for outcome in outcomes)
    for outcome in outcomes:
        recorder(outcome)
        if outcome.failure is None:
            corrected.record_corrected(outcome.service_s, interval_s)
    return {**asdict(recorder.result()), "corrected": corrected.encoded}


@contextlib.asynccontextmanager
async def _stalling(block: Block) -> Any:
    """Stop the server for a while, counted from now, if the row wants it."""

    async def stall() -> None:
        await asyncio.sleep(block.shape.stall_after_s)
        os.kill(block.server_pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(STALL_S)
        finally:
            os.kill(block.server_pid, signal.SIGCONT)

    task = asyncio.create_task(stall()) if block.row.stalled else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def summed_up(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """A row's blocks as one: histograms added up, rates by their median."""
    results = [_result(sample) for sample in samples]
    found: dict[str, Any] = {
        "asked_per_s": statistics.median(result.asked_per_s for result in results),
        "achieved_per_s": statistics.median(result.achieved_per_s for result in results),
        "asked": sum(result.asked for result in results),
        "done": sum(result.done for result in results),
        "held": sum(result.held for result in results),
        "failed": _added(result.failed for result in results),
    }
    for name in ("response", "service", "lag", "corrected"):
        whole = Latencies()
        for sample in samples:
            if name in sample:
                whole.add(Latencies(sample[name]))
        found[name] = whole.figures()
    return found


def _added(counts: Iterator[dict[str, int]]) -> dict[str, int]:
    whole: dict[str, int] = {}
    for count in counts:
        for name, number in count.items():
            whole[name] = whole.get(name, 0) + number
    return whole


def _result(sample: dict[str, Any]) -> LoadResult:
    return LoadResult(**{name: sample[name] for name in LoadResult.__dataclass_fields__})
