"""The simulated tasks: worker slots on one loop, each running one task after another."""

from __future__ import annotations

import asyncio
import marshal
import random
import time
from dataclasses import dataclass
from typing import Any

from benches.studies.parallelism.logs import Log
from benches.studies.parallelism.probe import Own
from benches.studies.parallelism.shape import Feed, TaskShape
from benches.studies.parallelism.ways import HandOver


@dataclass(slots=True)
class Done:
    """One task: when it ended, seconds it took, and seconds that its waits alone were to take."""

    ended_at_s: float
    seconds: float
    planned_s: float


class Tasks:
    """Runs tasks and keeps what they took."""

    def __init__(self, shape: TaskShape, feeds: tuple[Feed, ...], hand_over: HandOver, log: Log | None) -> None:
        self.done: list[Done] = []
        self.own = Own()
        self._shape = shape
        self._feeds = feeds
        self._hand_over = hand_over
        self._log = log
        self._number = 0
        self._running: dict[int, tuple[float, float]] = {}

    async def slot(self, first_wait_s: float, seed: int) -> None:
        """One worker slot: tasks one after another until cancelled, the first one begun a little later."""
        source = random.Random(seed)
        await asyncio.sleep(first_wait_s)
        while True:
            await self._task(source)

    async def _task(self, source: random.Random) -> None:
        self._number += 1
        number, shape = self._number, self._shape
        feed = self._feeds[number % len(self._feeds)]
        mean_s, jitter = shape.duration_s / shape.steps, shape.wait_jitter
        waits_s = [mean_s * source.uniform(1 - jitter, 1 + jitter) for _ in range(shape.steps)]
        planned_s, start = sum(waits_s), time.perf_counter()
        self._running[number] = (start, planned_s)
        entries: list[Any] = []
        for step, (wait_s, answer) in enumerate(zip(waits_s, feed.answers, strict=True)):
            await asyncio.sleep(wait_s)
            entries += self._work(number, step, answer)
        capture = {"log": {"version": "1.2", "creator": {"name": "study", "version": "1"}, "entries": entries}}
        del entries
        await self._hand_over(number, capture, feed.plain_bytes)
        now = time.perf_counter()
        del self._running[number]
        self.done.append(Done(now, now - start, planned_s))

    def _work(self, number: int, step: int, answer: bytes) -> list[Any]:
        """What the task does with an answer: parse it, think a little, perhaps log."""
        began = time.thread_time()
        entries: list[Any] = marshal.loads(answer)  # our own bytes, made by our parent
        end = time.thread_time() + self._shape.cpu_s / self._shape.steps
        while time.thread_time() < end:
            pass
        worked = time.thread_time()
        self.own.task_s += worked - began
        if self._log is not None:
            for _ in range(self._shape.log_lines_per_step):
                self._log(number, step, entries)
            self.own.logging_s += time.thread_time() - worked
        return entries

    def unfinished(self) -> list[Done]:
        """Tasks that run now and have already taken longer than planned: lower bounds of what they will take."""
        now = time.perf_counter()
        return [
            Done(now, now - start, planned_s) for start, planned_s in self._running.values() if now - start > planned_s
        ]
