"""One level in its own process: set up, warm up, measure a window, say what was seen."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable
from typing import Any

from benches.studies.parallelism.backlog import Backlog
from benches.studies.parallelism.logs import logger
from benches.studies.parallelism.probe import CpuSplit, Lag, Sampler
from benches.studies.parallelism.shape import resident
from benches.studies.parallelism.spec import Level, Row, named
from benches.studies.parallelism.tasks import Done, Tasks
from benches.studies.parallelism.ways import opened
from packhorse.bench.race.clock import GcWatch

#: Objects made before a collection, by generation, in the variant ``thresholds`` (Python's own: 700, 10, 10).
THRESHOLDS = (50_000, 20, 100)


def run_level(level: Level, send: Callable[[Any], None]) -> Row:
    """Run one level in this process, which must be a fresh one, and return its row; samples go through ``send``."""
    held = resident(level.shape, level.feeds)
    row = asyncio.run(_run(level, send))
    assert held is not None  # alive all the time
    return row


async def _run(level: Level, send: Callable[[Any], None]) -> Row:
    backlog, lag = Backlog(), Lag()
    async with opened(level, backlog) as hand_over:
        tasks = Tasks(level.shape, level.feeds, hand_over, logger(level.variant.logging))
        set_gc(level.variant.gc or named(level.way).gc)
        source = random.Random(level.seed)
        starts = [source.uniform(0, level.shape.duration_s) for _ in range(level.parallelism)]
        with Sampler(send, lag, lambda: (*backlog.look(), len(tasks.done))):
            slots = [asyncio.create_task(tasks.slot(s, level.seed * 1000 + n)) for n, s in enumerate(starts)]
            slots.append(asyncio.create_task(lag.watch()))
            await asyncio.sleep(level.warmup_s)
            row = await _window(level, tasks, backlog, lag)
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*slots, return_exceptions=True)
        return row


async def _window(level: Level, tasks: Tasks, backlog: Backlog, lag: Lag) -> Row:
    watch = GcWatch()
    began, lags_before, stored_before = time.perf_counter(), len(lag.values), backlog.stored
    split = CpuSplit(tasks.own, watch)
    await asyncio.sleep(level.window_s)
    cpu = split.stop()
    watch.close()
    finished = [task for task in tasks.done if task.ended_at_s >= began]
    unfinished = tasks.unfinished()
    waiting, waiting_bytes = backlog.look()
    ages = backlog.ages_s()
    return {
        "cpu": cpu,
        "stretch": [_stretch(task) for task in finished],
        "stretch_at_least": [_stretch(task) for task in unfinished],
        "task_s": [round(task.seconds, 4) for task in finished],
        "uploads_stored": backlog.stored - stored_before,
        "upload_s": [round(seconds, 4) for at_s, seconds in backlog.seconds if at_s >= began],
        "upload_s_at_least": [round(age, 4) for age in sorted(ages)[-1000:]],
        "backlog": waiting,
        "backlog_bytes": waiting_bytes,
        "failures": dict(backlog.failures),
        "lag_s": quantiles(lag.values[lags_before:]),
    }


def _stretch(task: Done) -> float:
    """How many times longer than its waits alone a task took: durations vary, this does not."""
    return round(task.seconds / task.planned_s, 5)


def quantiles(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile (nearest rank) and maximum; empty when there are no values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {
        "p50": ordered[(len(ordered) - 1) // 2],
        "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "max": ordered[-1],
    }


def set_gc(mode: str) -> None:
    """Set the garbage collector as a variant says, once the service is up.

    Raises:
        ValueError: There is no such mode.
    """
    if mode == "off":
        gc.disable()
    elif mode != "default":
        parts = set(mode.split("+"))
        if not parts <= {"freeze", "thresholds"}:
            raise ValueError(f"no way of setting the garbage collector is called {mode!r}")
        if "freeze" in parts:
            gc.collect()
            gc.freeze()
        if "thresholds" in parts:
            gc.set_threshold(*THRESHOLDS)
