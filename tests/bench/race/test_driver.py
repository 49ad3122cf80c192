"""The drivers against fake stores: all is put, as much at once as asked for, failures come out as they are."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from packhorse.bench.race.driver import KEYS_PER_ARM, AsyncDriver, Driver, SyncDriver
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import ObjectInfo, PutResult, StoredObject


class Seen:
    """What a fake store was asked to do."""

    def __init__(self, fail_at: int | None = None, together: int = 1) -> None:
        self.keys: list[str] = []
        self.at_once = self.most_at_once = 0
        self.closed = 0
        self._fail_at = fail_at
        self._lock = threading.Lock()
        #: The first puts of a sync store wait here for each other: on a busy machine they might else just miss.
        self._met = threading.Barrier(together)
        self._together = together

    def enter(self, key: str) -> int:
        """Note a put; return its place among all."""
        with self._lock:
            self.keys.append(key)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if self._fail_at == len(self.keys):
                raise StoreError("planted", kind=StoreErrorKind.SERVER, status=500)
            return len(self.keys)

    def meet(self, place: int) -> None:
        if place <= self._together:
            self._met.wait(60)

    def leave(self) -> None:
        with self._lock:
            self.at_once -= 1


class FakeStore:
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        self.seen.meet(self.seen.enter(key))
        time.sleep(0.002)
        self.seen.leave()
        return PutResult("etag", len(body))

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        raise NotImplementedError

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        raise NotImplementedError

    def close(self) -> None:
        self.seen.closed += 1


class FakeAsyncStore:
    def __init__(self, seen: Seen) -> None:
        asyncio.get_running_loop()  # clients may only be made inside the loop
        self.seen = seen

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        self.seen.enter(key)
        await asyncio.sleep(0.002)
        self.seen.leave()
        return PutResult("etag", len(body))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        raise NotImplementedError

    async def close(self) -> None:
        self.seen.closed += 1


def sync_driver(seen: Seen, workers: int) -> Driver:
    return SyncDriver(FakeStore(seen), [lambda capture: capture] * workers, "p")


def async_driver(seen: Seen, workers: int) -> Driver:
    return AsyncDriver(lambda: FakeAsyncStore(seen), [lambda capture: capture] * workers, "p")


both = pytest.mark.parametrize("make", [sync_driver, async_driver])


@both
def test_every_capture_is_put_once_a_round_and_all_workers_are_busy(make: Callable[[Seen, int], Driver]) -> None:
    seen = Seen(together=4)
    driver = make(seen, 4)
    uploads = driver.run([b"a", b"bcd"], 20)
    driver.close()
    assert uploads.bytes_out == 80
    assert len(uploads.latencies_s) == len(seen.keys) == 40
    assert min(uploads.latencies_s) > 0.001
    assert seen.most_at_once == 4
    assert len(set(seen.keys)) == 40


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_time_in_puts_is_told_without_that_of_encoding(asynchronous: bool) -> None:
    def encode(capture: bytes) -> bytes:
        time.sleep(0.005)
        return capture

    seen, encoders = Seen(), list[Callable[[Any], bytes]]([encode, encode])
    driver = (
        AsyncDriver(lambda: FakeAsyncStore(seen), encoders, "p")
        if asynchronous
        else SyncDriver(FakeStore(seen), encoders, "p")
    )
    uploads = driver.run([b"a"], 10)
    driver.close()
    assert 10 * 0.0019 <= uploads.put_s <= sum(uploads.latencies_s) - 10 * 0.005


@both
def test_keys_are_used_again(make: Callable[[Seen, int], Driver]) -> None:
    seen = Seen()
    driver = make(seen, 8)
    driver.run([b"a"], 3 * KEYS_PER_ARM)
    driver.close()
    assert len(set(seen.keys)) == KEYS_PER_ARM


@both
def test_a_failing_put_ends_the_run_with_its_own_error(make: Callable[[Seen, int], Driver]) -> None:
    seen = Seen(fail_at=3)
    driver = make(seen, 2)
    with pytest.raises(StoreError, match="planted"):
        driver.run([b"a"], 5000)
    driver.close()
    assert len(seen.keys) < 1000  # the other worker stops as soon as it runs


@both
def test_closing_twice_closes_the_client(make: Callable[[Seen, int], Driver]) -> None:
    seen = Seen()
    driver = make(seen, 1)
    driver.close()
    driver.close()
    assert seen.closed >= 1
