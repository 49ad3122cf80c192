"""One direction of a link on a clock of the test's own: when bytes leave, in which order, and how many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from packhorse.bench.lab.link import lane as lane_module
from packhorse.bench.lab.link.lane import Clockwork, Item, Lane, Pipe


class Clock:
    """Time that passes when told to; alarms ring on their way."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.due_s: float | None = None

    def __call__(self) -> float:
        return self.now_s

    def alarm(self, ring: Callable[[], None]) -> Callable[[float], None]:
        self.ring = ring
        return lambda when_s: setattr(self, "due_s", when_s)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.due_s is not None and self.due_s <= end_s:
            self.now_s, self.due_s = max(self.now_s, self.due_s), None
            self.ring()
        self.now_s = end_s


class Source:
    """A transport whose reading is paused and resumed."""

    paused = False

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False


class Rig:
    def __init__(
        self, delay_ms: float = 0, *, jitter_ms: float = 0, mbit: float | None = None, each: float | None = None
    ):
        self.clock = Clock()
        self.lane = Lane(Clockwork(self.clock.alarm, self.clock), (delay_ms / 1e3, jitter_ms / 1e3), mbit, each)
        self.left: list[tuple[float, Item]] = []

    def pipe(self) -> Pipe:
        pipe = Pipe(self.lane, lambda item: self.left.append((round(1e3 * (self.clock.now_s - 100), 3), item)))
        pipe.source = cast("asyncio.Transport", Source())
        return pipe


def test_without_delay_bytes_pass_at_once() -> None:
    rig = Rig()
    rig.pipe().push(b"a")
    assert rig.left == [(0, b"a")]


def test_every_byte_and_the_end_are_delayed() -> None:
    rig = Rig(30)
    pipe = rig.pipe()
    pipe.push(b"a")
    rig.clock.run(0.010)
    pipe.push(b"b")
    pipe.push("eof")
    assert rig.left == []
    rig.clock.run(0.1)
    assert rig.left == [(30, b"a"), (40, b"b"), (40, "eof")]


def test_a_connection_has_its_rate_and_all_have_theirs() -> None:
    rig = Rig(10, mbit=12, each=8)  # 1,000 bytes a ms for one, 1,500 for all
    one, two = rig.pipe(), rig.pipe()
    for pipe in (one, two):
        pipe.push(bytes(3000))
        pipe.push(bytes(3000))
    rig.clock.run(1)
    times = [when for when, _ in rig.left]
    assert times == [13, 16, 16, 18]  # one at its own rate; two waits for what all share


def test_late_timers_do_not_slow_the_link() -> None:
    rig = Rig(10, each=8)
    pipe = rig.pipe()
    pipe.push(bytes(5000))
    rig.clock.due_s = 100.5  # as if the process had slept
    pipe.push(bytes(5000))
    rig.clock.run(0.4)
    assert rig.left == []
    rig.clock.run(1)
    assert [when for when, _ in rig.left] == [500, 500]
    assert list(rig.lane.late_s) == pytest.approx([0.485, 0.480])


def test_jitter_never_reorders_a_connection() -> None:
    rig = Rig(20, jitter_ms=20)
    pipe = rig.pipe()
    for number in range(100):
        pipe.push(bytes([number]))
        rig.clock.run(0.001)
    rig.clock.run(1)
    assert [item for _, item in rig.left] == [bytes([number]) for number in range(100)]
    stays = [when - number for number, (when, _) in enumerate(rig.left)]
    assert max(stays) <= 40
    assert len({round(stay, 2) for stay in stays}) > 20


def test_an_answer_waits_for_its_service_time() -> None:
    rig = Rig(10)
    rig.pipe().push(b"200", not_before_s=100.028)
    rig.clock.run(1)
    assert rig.left == [(38, b"200")]


def test_a_full_pipe_stops_reading_and_one_that_empties_reads_again() -> None:
    rig = Rig(10, each=8)
    pipe = rig.pipe()
    source = cast("Source", pipe.source)
    pushed = 0
    while not source.paused:
        pipe.push(bytes(1000))
        pushed += 1000
    assert 0 <= pushed - rig.lane.pipe_bytes() < 1000
    rig.clock.run(60)
    assert not source.paused
    assert len(rig.left) == pushed / 1000


def test_pipes_of_many_connections_hold_little_together() -> None:
    rig = Rig(20, mbit=20)
    alone = rig.lane.pipe_bytes()
    for _ in range(200):
        rig.pipe()
    assert rig.lane.pipe_bytes() == lane_module.SMALLEST_SHARE_BYTES < alone
    fast = Rig(5000)
    for _ in range(500):
        fast.pipe()
    assert 500 * fast.lane.pipe_bytes() <= lane_module.LANE_BYTES


def test_a_receiver_that_is_full_holds_bytes_back() -> None:
    rig = Rig(10)
    pipe = rig.pipe()
    pipe.block()
    pipe.push(b"a")
    rig.clock.run(1)
    assert rig.left == []
    pipe.unblock()
    rig.clock.run(0)
    assert [item for _, item in rig.left] == [b"a"]
    assert not rig.lane.late_s  # the receiver was late, not the link


def test_a_closed_pipe_delivers_nothing() -> None:
    rig = Rig(10)
    pipe = rig.pipe()
    pipe.push(b"a")
    pipe.close()
    rig.clock.run(1)
    assert rig.left == []
    assert rig.lane.pipes == 0
