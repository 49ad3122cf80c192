"""What handing a capture in costs its submitter, while encoders, uploads and the server use the same cores.

The same moments are taken around a loop that does nothing for about as long: what that meets is the machine's doing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packhorse.bench.synth import sized
from packhorse.model import materialized
from packhorse.stores.base import Endpoint
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.face import Face
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

#: Seconds between two captures of the paced arm: about as fast as they are uploaded.
PACE_S = 0.004
_ROOMY_BYTES = 1 << 36
#: Turns of an empty loop that take about as long as a call.
_IDLE_TURNS = 1200


@dataclass(frozen=True, slots=True)
class SubmitSpec:
    """One block.

    Attributes:
        endpoint: The running target.
        capture_bytes, kind, seed: The synthetic capture; every call hands in the same object.
        redact: Whether the uploader redacts, which its encoders do in Python.
        calls: Calls per arm.
        producers: Tasks that submit at once, one capture each.
        threads: Threads that submit at once; together they make ``calls``.
    """

    endpoint: Endpoint
    capture_bytes: int
    kind: str
    seed: int
    redact: bool
    calls: int
    producers: int
    threads: int


def run_block(spec: SubmitSpec) -> dict[str, list[int]]:
    """Nanoseconds of every call, by arm."""
    capture = materialized(sized(spec.capture_bytes, spec.seed, spec.kind))
    arms: dict[str, Callable[[Uploader], list[int]]] = {
        "paced": lambda up: _paced(lambda: up.submit_nowait(capture), spec.calls // 5),
        "burst": lambda up: _row(lambda: up.submit_nowait(capture), spec.calls),
        "nothing, beside the burst's encoders": lambda up: _beside(up, capture, spec.calls),
        f"{spec.threads} threads": lambda up: _threads(lambda: up.submit_nowait(capture), spec),
        f"nothing, in {spec.threads} threads": lambda _: _threads(_nothing, spec),
    }
    times = {}
    for arm, measure in arms.items():
        with Uploader(**_settings(spec)) as up:
            _warm(up.upload, capture)
            times[arm] = measure(up)
            _check(up)
    times[f"{spec.producers} tasks"] = asyncio.run(_tasks(spec, capture))
    return times


def _settings(spec: SubmitSpec) -> dict[str, Any]:
    options = UploaderOptions(endpoint=spec.endpoint, close_deadline_s=0.2, degrade=False)
    url = f"s3://{spec.endpoint.bucket}/submit"
    return {"url": url, "options": options, "redact": spec.redact, "memory_budget_bytes": _ROOMY_BYTES}


def _warm(upload: Callable[[Any], object], capture: Any) -> None:
    for _ in range(8):
        upload(capture)


def _check(up: Face) -> None:
    stats = up.stats()
    if stats.dropped or stats.failed or stats.submitted != stats.uploaded + stats.in_flight:
        raise AssertionError(f"the account is wrong: {stats}")


def _row(call: Callable[[], object], calls: int) -> list[int]:
    times = []
    for _ in range(calls):
        begun = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begun)
    return times


def _paced(call: Callable[[], object], calls: int) -> list[int]:
    times = []
    for _ in range(calls):
        times += _row(call, 1)
        time.sleep(PACE_S)
    return times


def _beside(up: Uploader, capture: Any, calls: int) -> list[int]:
    for _ in range(calls):
        up.submit_nowait(capture)
    return _row(_nothing, calls)


def _nothing() -> None:
    for _ in range(_IDLE_TURNS):
        pass


def _threads(call: Callable[[], object], spec: SubmitSpec) -> list[int]:
    found: list[list[int]] = []
    start = threading.Barrier(spec.threads)

    def produce() -> None:
        start.wait()
        found.append(_row(call, spec.calls // spec.threads))

    threads = [threading.Thread(target=produce) for _ in range(spec.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [taken for row in found for taken in row]


async def _tasks(spec: SubmitSpec, capture: Any) -> list[int]:
    times: list[int] = []
    async with AsyncUploader(**_settings(spec)) as up:
        for _ in range(8):
            await up.upload(capture)

        async def produce() -> None:
            await asyncio.sleep(0)
            times.extend(_row(lambda: up.submit_nowait(capture), 1))

        await asyncio.gather(*(produce() for _ in range(spec.producers)))
        _check(up)
    return times


def summary(blocks: list[list[int]]) -> dict[str, float]:
    """Microseconds at the middle and in the tail: all calls of all blocks, and the best and the worst block's p99."""
    whole = sorted(taken for block in blocks for taken in block)
    tails = [_at(sorted(block), 0.99) for block in blocks]
    return {
        "calls": len(whole),
        "p50_us": _at(whole, 0.5),
        "p99_us": _at(whole, 0.99),
        "p99_9_us": _at(whole, 0.999),
        "best_block_p99_us": min(tails),
        "worst_block_p99_us": max(tails),
        "max_us": whole[-1] / 1e3,
    }


def _at(ordered: list[int], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e3
