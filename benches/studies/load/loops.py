"""The two ways to send requests: open (when they are due) and closed (when the one before is done).

Time is the event loop's own, so that a loop with simulated time can drive both without a second passing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

#: Sends one request, known by its number; raises when it failed.
Send = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request.

    Attributes:
        due_s: When it was to be sent, in seconds after the start.
        sent_s: When it was.
        done_s: When it had been answered, or had failed.
        held: True when it had to wait for a place, since as many as allowed were under way.
        failure: What went wrong, as a class of failure; None when it was answered well.
    """

    due_s: float
    sent_s: float
    done_s: float
    held: bool
    failure: str | None

    @property
    def response_s(self) -> float:
        """From when it was due to when it was done: what the one who asked experienced."""
        return self.done_s - self.due_s

    @property
    def service_s(self) -> float:
        """From when it was sent to when it was done: what benchmarks usually show."""
        return self.done_s - self.sent_s


Record = Callable[[Outcome], None]
#: Says what class of failure an exception is.
Classify = Callable[[BaseException], str]
UNFINISHED = "unfinished"


async def open_loop(
    offsets: Iterable[float],
    send: Send,
    record: Record,
    *,
    max_in_flight: int,
    drain_s: float,
    classify: Classify = lambda error: type(error).__name__,
) -> None:
    """Send a request at each of ``offsets``, whether or not the ones before are done, and record every outcome.

    Args:
        offsets: Seconds after the start, ascending.
        send: Sends the n-th.
        record: Called once for each, on this loop.
        max_in_flight: The most under way at once; the next is held, and its response time goes on counting.
        drain_s: Seconds after the last was sent; what is under way then is cancelled and recorded as unfinished.
        classify: Names failures.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    places = asyncio.Semaphore(max_in_flight)

    async def one(number: int, due_s: float, *, held: bool) -> None:
        sent_s, failure = loop.time() - begun, None
        try:
            await send(number)
        except asyncio.CancelledError:
            failure = UNFINISHED
            raise
        except Exception as error:  # noqa: BLE001  # whatever a client raises is a failed request, and is counted
            failure = classify(error)
        finally:
            record(Outcome(due_s, sent_s, loop.time() - begun, held, failure))
            places.release()

    tasks: set[asyncio.Task[None]] = set()
    try:
        for number, due_s in enumerate(offsets):
            await _until(begun + due_s)
            held = places.locked()
            await places.acquire()
            task = asyncio.create_task(one(number, due_s, held=held))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=drain_s)
    finally:
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def closed_loop(
    workers: int,
    send: Send,
    record: Record,
    *,
    duration_s: float,
    classify: Classify = lambda error: type(error).__name__,
) -> None:
    """Let each of ``workers`` send its next request when its last one is done, as most benchmarks do.

    A server that stalls stalls the workers as well, so that hardly any request meets the stall. A request is due when
    it is sent.
    """
    loop = asyncio.get_running_loop()
    begun, numbers = loop.time(), iter(range(2**62))

    async def worker() -> None:
        while (sent_s := loop.time() - begun) < duration_s:
            failure = None
            try:
                await send(next(numbers))
            except Exception as error:  # noqa: BLE001  # as above
                failure = classify(error)
            record(Outcome(sent_s, sent_s, loop.time() - begun, held=False, failure=failure))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())


async def _until(when_s: float) -> None:
    """Sleep until ``when_s`` on the loop's clock; also let others run when that has passed."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, when_s - loop.time()))
