"""What else the parent does while captures are encoded: a thread wakes every millisecond, or an event loop works.

Both tell how late they were. A thread is late by as long as others hold the GIL, and by as long as the machine's
schedulers take; the latter is there without any encoding as well, so an arm that encodes nothing shows it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

TICK_S = 0.001
#: Turns of an empty loop that stand for what an event loop does for one request: about a quarter of a millisecond.
_TURNS = 8000


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late wakes were.

    Attributes:
        wakes: How many there were.
        p99_s, max_s: Lateness of one in a hundred, and of the worst.
    """

    wakes: int
    p99_s: float
    max_s: float


def lateness(late_s: list[float]) -> Lateness:
    """Of at least one wake."""
    ordered = sorted(late_s)
    return Lateness(len(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], ordered[-1])


@dataclass(frozen=True, slots=True)
class Beside:
    """What went on beside the work.

    Attributes:
        late: Its lateness.
        requests_per_s: What an event loop got done, each a wait of 1 ms and a bit of work; 0 where there was none.
    """

    late: Lateness
    requests_per_s: float = 0.0


def waking(work: Callable[[], object]) -> Beside:
    """Run ``work`` while another thread wakes every millisecond."""
    late_s: list[float] = []
    done = threading.Event()

    def wake() -> None:
        while not late_s or not done.is_set():
            asked = time.perf_counter()
            time.sleep(TICK_S)
            late_s.append(time.perf_counter() - asked - TICK_S)

    thread = threading.Thread(target=wake)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return Beside(lateness(late_s))


def looping(work: Callable[[], object]) -> Beside:
    """Run ``work`` in a thread while an event loop in this one answers requests, one after the other."""
    return asyncio.run(_requests(work))


async def _requests(work: Callable[[], object]) -> Beside:
    late_s: list[float] = []
    begun = time.perf_counter()
    task = asyncio.create_task(asyncio.to_thread(work))
    while not late_s or not task.done():
        asked = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_s.append(time.perf_counter() - asked - TICK_S)
        for _ in range(_TURNS):
            pass
    elapsed_s = time.perf_counter() - begun
    await task
    return Beside(lateness(late_s), len(late_s) / elapsed_s)
