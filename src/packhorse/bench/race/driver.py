"""Driving uploads at a concurrency: n captures under way at once, encoded by the workers, put by one store client."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from packhorse.pipeline import Pipeline
from packhorse.stores.base import AsyncStore, Endpoint, ObjectInfo, Store

#: Keys are used again after this many uploads of an arm, so that a long race does not fill the target; but never while
#: an earlier put of the same key may still be under way, which some servers answer with 500.
KEYS_PER_ARM = 64
KEYS_PER_WORKER = 8
_INFO = ObjectInfo()

#: Makes the stored form of one capture.
Encode = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Uploads:
    """What a run of uploads did.

    Attributes:
        bytes_out: Bytes put.
        latencies_s: Each upload's seconds from capture in hand to the answer.
        put_s: Seconds inside the client's ``put``, over all uploads; what runs side by side is counted twice.
    """

    bytes_out: int
    latencies_s: list[float]
    put_s: float = 0.0


def _together(parts: Iterable[Uploads]) -> Uploads:
    done = list(parts)
    latencies_s = [seconds for part in done for seconds in part.latencies_s]
    return Uploads(sum(part.bytes_out for part in done), latencies_s, sum(part.put_s for part in done))


class Driver(Protocol):
    """Uploads captures with a fixed concurrency. Connections and clients are made before the first run's clock."""

    def run(self, captures: Sequence[Any], rounds: int) -> Uploads:
        """Upload every capture ``rounds`` times. The first StoreError or CaptureError ends the run and is raised."""
        ...

    def close(self) -> None:
        """Close the client. Idempotent."""
        ...


def with_pool(pipeline: Pipeline, in_flight: int) -> Pipeline:
    """``pipeline`` with a pool of at least ``in_flight``, unless its text names a pool itself."""
    store = pipeline.store
    if store is None:
        return pipeline
    defaults = {setting.name: setting.default for setting in store.candidate.settings}
    if "pool" not in defaults or "pool" in dict(store.given) or int(defaults["pool"]) >= in_flight:
        return pipeline
    return replace(pipeline, store=replace(store, given=(*store.given, ("pool", in_flight))))


def new_key_prefix() -> str:
    """What all keys of one race in a user's bucket begin with, up to a slash: the race's start (UTC), and chance."""
    return f"packhorse-race-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}/"


def encoders(pipeline: Pipeline, count: int) -> list[Encode]:
    """One encoding function per worker, each with contexts of its own."""

    def encoder() -> Encode:
        codec = pipeline.codec()
        return lambda capture: b"".join(codec.encode(capture))

    return [encoder() for _ in range(count)]


def make_driver(pipeline: Pipeline, endpoint: Endpoint, encode: list[Encode], prefix: str) -> Driver:
    """A driver with as many workers as there are encoding functions.

    Raises:
        UnavailableError: The store's library is missing.
        ValueError: The pipeline has no store.
    """
    if pipeline.store is None:
        raise ValueError("a pipeline without a store cannot upload")
    if pipeline.store.candidate.asynchronous:
        return AsyncDriver(lambda: pipeline.store.make(endpoint=endpoint), encode, prefix)  # type: ignore[union-attr]
    return SyncDriver(pipeline.store.make(endpoint=endpoint), encode, prefix)


def _jobs(captures: Sequence[Any], rounds: int, prefix: str, workers: int) -> deque[tuple[str, Any]]:
    count, keys = len(captures) * rounds, max(KEYS_PER_ARM, KEYS_PER_WORKER * workers)
    return deque((f"{prefix}-{i % keys}", captures[i % len(captures)]) for i in range(count))


def _drain(jobs: deque[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Take jobs until none are left; several workers share one deque, whose ``popleft`` is atomic."""
    while True:
        try:
            yield jobs.popleft()
        except IndexError:
            return


class SyncDriver:
    """A thread per capture in flight; each encodes and then puts."""

    def __init__(self, store: Store, encode: list[Encode], prefix: str) -> None:
        self._store = store
        self._encode = encode
        self._prefix = prefix
        self._threads = ThreadPoolExecutor(len(encode), thread_name_prefix="packhorse-race")

    def run(self, captures: Sequence[Any], rounds: int) -> Uploads:
        """See :class:`Driver`."""
        jobs = _jobs(captures, rounds, self._prefix, len(self._encode))
        futures = [self._threads.submit(self._work, encode, jobs) for encode in self._encode]
        wait(futures)  # also after a failure: nothing may still upload while the next arm is sampled
        return _together(future.result() for future in futures)

    def _work(self, encode: Encode, jobs: deque[tuple[str, Any]]) -> Uploads:
        bytes_out, put_s, latencies_s = 0, 0.0, []
        try:
            for key, capture in _drain(jobs):
                begun = time.perf_counter()
                body = encode(capture)
                handed = time.perf_counter()
                self._store.put(key, body, _INFO)
                answered = time.perf_counter()
                put_s += answered - handed
                latencies_s.append(answered - begun)
                bytes_out += len(body)
        except BaseException:
            jobs.clear()  # the other workers stop too: the sample is lost
            raise
        return Uploads(bytes_out, latencies_s, put_s)

    def close(self) -> None:
        """See :class:`Driver`."""
        self._threads.shutdown()
        self._store.close()


class AsyncDriver:
    """A task per capture in flight on one loop; encoding in threads (no more than help), puts on the loop."""

    def __init__(self, make: Callable[[], AsyncStore], encode: list[Encode], prefix: str) -> None:
        self._encode = encode
        self._prefix = prefix
        self._threads = self._encoding_threads()
        self._runner = asyncio.Runner()
        self._store = self._runner.run(self._make(make))
        self._open = True

    def _encoding_threads(self) -> ThreadPoolExecutor:
        # More encoding threads than cores only take the lock from the loop.
        return ThreadPoolExecutor(
            min(len(self._encode), os.cpu_count() or 1), thread_name_prefix="packhorse-race-encode"
        )

    @staticmethod
    async def _make(make: Callable[[], AsyncStore]) -> AsyncStore:
        return make()

    def run(self, captures: Sequence[Any], rounds: int) -> Uploads:
        """See :class:`Driver`."""
        return self._runner.run(self._run(_jobs(captures, rounds, self._prefix, len(self._encode))))

    async def _run(self, jobs: deque[tuple[str, Any]]) -> Uploads:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._work(encode, jobs)) for encode in self._encode]
        except BaseExceptionGroup as failures:
            # The group has ended the tasks, but what a thread is encoding goes on until it is done.
            self._threads.shutdown()
            self._threads = self._encoding_threads()
            raise failures.exceptions[0] from None
        return _together(task.result() for task in tasks)

    async def _work(self, encode: Encode, jobs: deque[tuple[str, Any]]) -> Uploads:
        loop = asyncio.get_running_loop()
        bytes_out, put_s, latencies_s = 0, 0.0, []
        for key, capture in _drain(jobs):
            begun = time.perf_counter()
            body = await loop.run_in_executor(self._threads, encode, capture)
            handed = time.perf_counter()
            await self._store.put(key, body, _INFO)
            answered = time.perf_counter()
            put_s += answered - handed
            latencies_s.append(answered - begun)
            bytes_out += len(body)
        return Uploads(bytes_out, latencies_s, put_s)

    def close(self) -> None:
        """See :class:`Driver`."""
        if self._open:
            self._open = False
            self._threads.shutdown()
            self._runner.run(self._store.close())
            self._runner.close()
