"""What is watched while a level runs: memory, backlog, collections, lag of the loop, and who uses the CPU."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from packhorse.bench.race.clock import GcWatch, machine_times_s

#: Seconds between samples of a series.
SAMPLE_S = 0.25
#: Seconds between wake-ups of the lag probe.
TICK_S = 0.01
#: Columns of a sample, in order.
COLUMNS = ("at_s", "rss_bytes", "heap_bytes", "heap_blocks", "backlog", "backlog_bytes", "tasks_done", "lag_max_s")


@dataclass(slots=True)
class Lag:
    """By how much the loop woke late: every value, and the worst since the last sample."""

    values: list[float] = field(default_factory=list)
    worst_s: float = 0.0

    async def watch(self) -> None:
        """Run until cancelled."""
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(TICK_S)
            late = max(0.0, time.perf_counter() - asked - TICK_S)
            self.values.append(late)
            self.worst_s = max(self.worst_s, late)

    def take_worst(self) -> float:
        """The worst since the last call."""
        worst, self.worst_s = self.worst_s, 0.0
        return worst


class Sampler:
    """Sends one sample after another from a thread of its own, as the loop may be the thing that is stuck."""

    def __init__(
        self, send: Callable[[tuple[float, ...]], None], lag: Lag, counts: Callable[[], tuple[int, int, int]]
    ) -> None:
        self._send = send
        self._lag = lag
        self._counts = counts
        self._start = time.perf_counter()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sampler")

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._send(self._sample())
            if self._end.wait(SAMPLE_S):
                return

    def _sample(self) -> tuple[float, ...]:
        rss_bytes, heap_bytes = memory_bytes()
        at_s = round(time.perf_counter() - self._start, 3)
        return (
            at_s,
            rss_bytes,
            heap_bytes,
            sys.getallocatedblocks(),
            *self._counts(),
            round(self._lag.take_worst(), 5),
        )


def memory_bytes() -> tuple[int, int]:
    """Resident bytes, and those of them that are anonymous: the heap (Linux; elsewhere the high-water mark, twice)."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak, peak
    found = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if line.startswith(("VmRSS", "RssAnon"))}
    return int(found["VmRSS"]) * 1024, int(found["RssAnon"]) * 1024


@dataclass(slots=True)
class Own:
    """CPU seconds of the loop's thread that the work itself counts: the tasks' own, and logging."""

    task_s: float = 0.0
    logging_s: float = 0.0


class CpuSplit:
    """CPU seconds between start and stop: tasks, logging, the rest of the loop's thread, other threads, others."""

    def __init__(self, own: Own, watch: GcWatch) -> None:
        self._own = own
        self._watch = watch
        self._first = self._look()

    def _look(self) -> tuple[float, ...]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        gc_now = (self._watch.seconds, float(self._watch.collections))
        generations = tuple(float(row["collections"]) for row in gc.get_stats())
        return (
            time.perf_counter(), time.thread_time(), usage.ru_utime + usage.ru_stime, usage.ru_stime,
            machine_times_s()[0], self._own.task_s, self._own.logging_s, *gc_now, *generations,
        )  # fmt: skip

    def stop(self) -> dict[str, float]:
        """Seconds of each, called from the loop's thread; and collections and seconds of the garbage collector."""
        spent = [after - before for before, after in zip(self._first, self._look(), strict=True)]
        wall, loop, process, system, machine, task, logging, gc_s, collections, *generations = spent
        return {
            "wall_s": wall,
            "tasks_s": task,
            "logging_s": logging,
            "rest_of_loop_s": max(0.0, loop - task - logging),
            "other_threads_s": max(0.0, process - loop),
            "of_which_system_s": system,
            "other_processes_s": max(0.0, machine - process),
            "cores": float(os.cpu_count() or 1),
            "gc_s": gc_s,
            "gc_collections": collections,
            **{f"gc_generation_{n}": count for n, count in enumerate(generations)},
        }
