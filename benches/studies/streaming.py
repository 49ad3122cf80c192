"""``packhorse study streaming``: what encoding a very large capture in a thread does to an event loop and to memory.

Arms: the whole capture dumped and then compressed; entry by entry into one compressor; the same with encoder and
compressor overlapped in two threads; and nothing at all, for the loop's lag that the machine itself causes.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benches.studies.blocks import begin_peak, fresh, median_ratio, orders
from benches.studies.large.loop import watch
from packhorse.bench.race.memory import peak_rss_bytes
from packhorse.bench.synth import sized
from packhorse.model import materialized
from packhorse.pipeline import Pipeline

ARMS = ("nothing", "whole", "stream", "overlapped")
WHOLE = Pipeline.parse("orjson:chunk=64MiB | zstd:1 | raw")
STREAM = Pipeline.parse("orjson-stream | zstd:1 | raw")


@dataclass(frozen=True, slots=True)
class Spec:
    """One block: the capture and the order of the arms."""

    order: tuple[str, ...]
    capture_bytes: int
    kind: str
    seed: int
    repeats: int


def run_block(spec: Spec) -> list[dict[str, Any]]:
    """Run every arm in this process on one capture."""
    capture = materialized(sized(spec.capture_bytes, spec.seed, spec.kind))
    gc.collect()
    gc.freeze()
    return [_run(arm, capture) for _ in range(spec.repeats) for arm in spec.order]


def _run(arm: str, capture: Any) -> dict[str, Any]:
    work = {
        "nothing": lambda: time.sleep(0.2),
        "whole": lambda: _consume(WHOLE, capture, overlap=False),
        "stream": lambda: _consume(STREAM, capture, overlap=False),
        "overlapped": lambda: _consume(STREAM, capture, overlap=True),
    }[arm]
    before = begin_peak()
    watched = asyncio.run(watch(arm, lambda: asyncio.to_thread(work)))
    return {
        "arm": arm,
        "wall_s": watched.wall_s,
        "lag_max_s": watched.lag_max_s,
        "peak_bytes": peak_rss_bytes() - before,
    }


def _consume(pipeline: Pipeline, capture: Any, *, overlap: bool) -> int:
    """Encode and hand each chunk on, as a multipart upload would: nothing is kept."""
    return sum(len(chunk) for chunk in pipeline.codec().encode(capture, overlap=overlap))


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study and return its result document."""
    blocks = 2 if quick else 8
    settings = {"capture_bytes": 57_000_000, "kind": "browser", "seed": seed, "repeats": 2 if quick else 3}
    measured: list[list[dict[str, Any]]] = []
    for number, order in enumerate(orders(ARMS, blocks, seed)):
        measured.append(fresh(run_block, Spec(order, **settings)))  # type: ignore[arg-type]
        progress((number + 1) / blocks)
    rows = [row for block in measured for row in block]
    walls = {
        arm: [statistics.median(r["wall_s"] for r in block if r["arm"] == arm) for block in measured] for arm in ARMS
    }
    return {
        "settings": {**settings, "blocks": blocks, "whole": str(WHOLE), "stream": str(STREAM)},
        "arms": {arm: _summary([row for row in rows if row["arm"] == arm]) for arm in ARMS},
        "whole_over_overlapped": median_ratio(walls["whole"], walls["overlapped"]),
        "whole_over_stream": median_ratio(walls["whole"], walls["stream"]),
        "samples": [{"block": n, **row} for n, block in enumerate(measured) for row in block],
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "wall_s": statistics.median(row["wall_s"] for row in rows),
        "lag_max_s": max(row["lag_max_s"] for row in rows),
        "lag_median_of_max_s": statistics.median(row["lag_max_s"] for row in rows),
        "peak_bytes": max(row["peak_bytes"] for row in rows),
    }
