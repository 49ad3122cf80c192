"""Lanes against fake stores: all is put, as much at once as asked for, failures come out as they are."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from packhorse.bench.race.hot_path import KEYS_PER_ARM, Lanes, Put
from packhorse.bench.race.inputs import new_key_prefix
from packhorse.errors import StoreError, StoreErrorKind


class Seen:
    """What workers did."""

    def __init__(self, together: int = 1, fail_at: int | None = None) -> None:
        self.keys: list[str] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        #: The first ones wait here for each other: on a busy machine they might else just miss.
        self._met = threading.Barrier(together)
        self._together = together
        self._fail_at = fail_at
        self.closed = 0

    def run(self, capture: Any, key: str) -> Put:
        with self._lock:
            self.keys.append(key)
            place = len(self.keys)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if place == self._fail_at:
                raise StoreError("planted", kind=StoreErrorKind.SERVER, status=500)
            if place <= self._together:
                self._met.wait(60)
            time.sleep(0.002)
        finally:
            with self._lock:
                self.at_once -= 1
        return Put(len(capture), 0.001)

    def close(self) -> None:
        self.closed += 1


def lanes(seen: Seen, workers: int) -> Lanes:
    return Lanes([seen.run] * workers, seen, "p")  # type: ignore[arg-type]


def test_every_capture_is_put_once_and_all_workers_are_busy() -> None:
    seen = Seen(together=4)
    mine = lanes(seen, 4)
    done = mine.upload([b"a", b"bcd"] * 20)
    mine.close()
    assert done.bytes_out == 80
    assert len(done.latencies_s) == len(seen.keys) == 40
    assert min(done.latencies_s) > 0.001
    assert done.put_s == pytest.approx(0.04)
    assert seen.most_at_once == 4
    assert len(set(seen.keys)) == 40
    assert seen.closed == 1


def test_keys_are_used_again_but_not_by_puts_that_may_still_be_under_way() -> None:
    seen = Seen()
    mine = lanes(seen, 2)
    for _ in range(5):
        mine.upload([b"x"] * 30)
    mine.close()
    assert len(set(seen.keys)) == KEYS_PER_ARM
    for start in range(len(seen.keys) - KEYS_PER_ARM // 2):
        assert len(set(seen.keys[start : start + KEYS_PER_ARM // 2])) == KEYS_PER_ARM // 2


def test_the_first_failure_ends_all_and_nothing_is_under_way_afterwards() -> None:
    seen = Seen(fail_at=3)
    mine = lanes(seen, 2)
    with pytest.raises(StoreError, match="planted"):
        mine.upload([b"x"] * 100)
    assert seen.at_once == 0
    assert len(seen.keys) < 20
    mine.close()


def test_fewer_captures_than_workers_are_no_trouble() -> None:
    seen = Seen()
    mine = lanes(seen, 8)
    assert len(mine.upload([b"x"]).latencies_s) == 1
    mine.close()


def test_no_two_races_share_a_prefix() -> None:
    prefixes = {new_key_prefix() for _ in range(50)}
    assert len(prefixes) == 50
    assert all(one.startswith("packhorse-race-") and one.endswith("/") for one in prefixes)
