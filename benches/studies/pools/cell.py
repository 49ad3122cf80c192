"""One cell in its own process: so many workers, each sending its next PUT when the last one was answered."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import psutil

from benches.studies.pools.plan import Cell
from packhorse.errors import StoreError
from packhorse.pipeline import Choice
from packhorse.stages.base import Stage
from packhorse.stores.base import AsyncStore, Endpoint, ObjectInfo, Store

#: Begin and end of the measurement, by ``time.perf_counter``, which all processes share.
Window = tuple[float, float]
#: Seconds before the clock starts: at least, so that connections are open; at most, however slow they open.
WARM_UP_S, LONGEST_WARM_UP_S = 0.4, 4.0
#: Seconds between looks at whether every worker has had an answer.
LOOK_S = 0.02
#: Kernel and glibc give a thread 8 MiB of address space; workers need little of it, and there are 500.
STACK_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """A cell and where it runs.

    Attributes:
        cell: What to run.
        endpoint: Of the link.
    """

    cell: Cell
    endpoint: Endpoint


@dataclass(slots=True)
class Tally:
    """What the workers have seen.

    Attributes:
        done: End, duration and worker of every PUT that was answered well, in seconds.
        errors: Failures by kind.
        began_s: When each worker's present PUT began.
        answered: Workers that have had an answer, or a failure.
        stop: No worker begins another PUT.
    """

    done: list[tuple[float, float, int]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    began_s: dict[int, float] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    stop: bool = False

    def begin(self, worker: int) -> None:
        """A PUT begins."""
        self.began_s[worker] = time.perf_counter()

    def end(self, worker: int) -> None:
        """It was answered."""
        now_s = time.perf_counter()
        self.done.append((now_s, now_s - self.began_s.pop(worker), worker))
        self.answered.add(worker)

    def fail(self, worker: int, error: StoreError) -> None:
        """It failed."""
        self.errors[str(error.kind)] += 1
        self.answered.add(worker)

    def figures(self, window: Window) -> dict[str, Any]:
        """Count and latencies within a window. A PUT that waited all through it counts with its age then."""
        begin_s, end_s = window
        inside = [(took_s, worker) for at_s, took_s, worker in self.done.copy() if begin_s <= at_s <= end_s]
        waiting_s = [end_s - began_s for began_s in self.began_s.copy().values() if began_s < begin_s]
        took_s = sorted([*(took for took, _ in inside), *waiting_s])
        return {
            "puts": len(inside),
            "latency_p50_ms": 1e3 * _nearest(took_s, 0.5) if took_s else None,
            "latency_p99_ms": 1e3 * _nearest(took_s, 0.99) if took_s else None,
            "waited_all_through": len(waiting_s),
            "served": len({worker for _, worker in inside}),
            "errors": dict(self.errors),
        }


@dataclass(frozen=True, slots=True)
class Hands:
    """What a load needs beside its store: ``tell`` ends the process with the figures of a window."""

    body: bytes
    in_flight: int
    tally: Tally
    parent: Connection
    tell: Callable[[Window], NoReturn]


def _nearest(ordered: list[float], share: float) -> float:
    """The percentile by the nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main(job: Job, parent: Connection) -> None:
    """Run a cell in a child process, as :mod:`benches.studies.pools.measure` expects it."""
    try:
        _run(job, parent)
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this cell's outcome
        parent.send({"failed": f"{type(error).__name__}: {error}"})
    finally:
        parent.close()
        os._exit(0)


def _run(job: Job, parent: Connection) -> None:
    """Load, say when it is warm, hear when the clock ran, tell what came of it."""
    choice = Choice.parse(Stage.STORE, f"{job.cell.client}:pool={job.cell.pool}")
    body = os.urandom(job.cell.body_bytes)
    before_bytes = psutil.Process().memory_info().rss
    tally = Tally()
    store = choice.make(endpoint=job.endpoint)

    def tell(window: Window) -> NoReturn:
        tally.stop = True
        parent.send({"figures": {**tally.figures(window), "memory_bytes": max(0, _peak_bytes() - before_bytes)}})
        os._exit(0)  # requests are still on their way in threads of Python, Rust and C: nobody waits for them

    hands = Hands(body, job.cell.in_flight, tally, parent, tell)
    if choice.candidate.asynchronous:
        asyncio.run(_load_async(store, hands))
    _load(store, hands)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _key(worker: int) -> str:
    """Flat: rclone answers some of the first puts with 500 when they race to make one folder."""
    return f"pools-{worker}"


def _load(store: Store, hands: Hands) -> NoReturn:
    info, tally, gate = ObjectInfo(), hands.tally, threading.Event()

    def work(worker: int) -> None:
        gate.wait()
        while not tally.stop:
            tally.begin(worker)
            try:
                store.put(_key(worker), hands.body, info)
                tally.end(worker)
            except StoreError as error:
                tally.fail(worker, error)

    threading.stack_size(STACK_BYTES)
    # Daemons: the process ends without waiting for them. The gate: starting one beside 400 at work takes seconds.
    for worker in range(hands.in_flight):
        threading.Thread(target=work, args=(worker,), daemon=True).start()
    gate.set()
    for pause_s in _until_warm(tally, hands.in_flight):
        time.sleep(pause_s)
    hands.parent.send({"warm": len(tally.answered) == hands.in_flight})
    hands.tell(hands.parent.recv())


async def _load_async(store: AsyncStore, hands: Hands) -> NoReturn:
    info, tally = ObjectInfo(), hands.tally

    async def work(worker: int) -> None:
        while not tally.stop:
            tally.begin(worker)
            try:
                await store.put(_key(worker), hands.body, info)
                tally.end(worker)
            except StoreError as error:
                tally.fail(worker, error)

    workers = [asyncio.ensure_future(work(worker)) for worker in range(hands.in_flight)]
    for pause_s in _until_warm(tally, len(workers)):
        await asyncio.sleep(pause_s)
    hands.parent.send({"warm": len(tally.answered) == hands.in_flight})
    hands.tell(await asyncio.to_thread(hands.parent.recv))


def _until_warm(tally: Tally, in_flight: int) -> Iterator[float]:
    """Pauses until every worker has had an answer, or they have waited long enough for one."""
    made_s = time.perf_counter()
    while (gone_s := time.perf_counter() - made_s) < LONGEST_WARM_UP_S:
        if gone_s >= WARM_UP_S and len(tally.answered) == in_flight:
            return
        yield LOOK_S
