"""The engine's threads outlive their own errors: no capacity is lost in silence, and every capture has its fate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import StoreErrorKind, UploadFailed
from packhorse.uploader import crash_guard, sender
from packhorse.uploader.account import Account
from packhorse.uploader.core import Core
from packhorse.uploader.crash_guard import MOST_PAUSE_S, CrashGuard
from packhorse.uploader.job import IN_HAND, Job
from packhorse.uploader.pool import Pool
from packhorse.uploader.scheduler import Scheduler
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, failure, options
from tests.uploader.test_uploader import CAPTURE, balanced

SECRET = "hunter2"
TIMES = 7


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_guard, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(crash_guard, "MOST_PAUSE_S", 0.002)


@pytest.fixture
def break_(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Make a method raise at its first calls, before or after it has done its work."""

    def broken(owner: Any, name: str, *, times: int = TIMES, after: bool = False) -> list[int]:
        whole, lock, left = getattr(owner, name), threading.Lock(), [times]

        def method(*args: Any, **more: Any) -> Any:
            result = whole(*args, **more) if after else None
            with lock:
                raises = left[0] > 0
                left[0] -= raises
            if raises:
                raise ZeroDivisionError(SECRET)
            return result if after else whole(*args, **more)

        monkeypatch.setattr(owner, name, method)
        return left

    return broken


def threads(up: Uploader) -> Iterator[bool]:
    return (thread.is_alive() for thread in up._engine.core.threads)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert SECRET not in caplog.text
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Scheduler, "next"), (Core, "_choose"), (Pool, "rest"), (Core, "next_task")],
)
def test_a_thread_outlives_an_error_in_its_queue(
    owner: Any, name: str, break_: Any, caplog: pytest.LogCaptureFixture
) -> None:
    left = break_(owner, name)
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        tickets = [up.submit(CAPTURE) for _ in range(20)]
        for ticket in tickets:
            assert ticket.result(15).attempts == 1
        while left[0] > 0:
            up.upload(CAPTURE, timeout_s=15)
        assert all(threads(up))
    engine = up._engine
    core = engine.core
    assert (core.pool.resting, core.scheduler.uploading, core._running, core.table.count(*IN_HAND)) == (0, 0, 0, 0)
    assert balanced(up.stats())
    assert len(said(caplog)) == 1
    assert "ZeroDivisionError in test_crash_guard.py" in said(caplog)[0]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [(Account, "store"), (Core, "finish"), (Core, "settle"), (Core, "hold"), (Core, "attempt"), (Core, "relieve")],
)
def test_a_capture_has_its_fate_whatever_fails_behind_it(
    owner: Any, name: str, after: bool, break_: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(store := FakeStore())) as up:
        up.upload(CAPTURE, timeout_s=15)
        left = break_(owner, name, times=1, after=after)
        tickets = []
        while left[0] > 0:
            try:
                tickets.append(up.submit(CAPTURE))
                tickets[-1].result(15)
            except UploadFailed:
                assert tickets[-1].fate is Fate.FAILED
                assert tickets[-1].reason == "unexpected ZeroDivisionError"
        for _ in range(3):
            assert up.upload(CAPTURE, timeout_s=15).attempts == 1
        assert all(threads(up))
    stats = up.stats()
    assert balanced(stats)
    assert (stats.in_flight, stats.held_bytes, up._engine.core.in_hand()) == (0, 0, [])
    assert stats.uploaded in {len(store.objects), len(store.objects) - 1}
    assert len(said(caplog)) <= 1


@pytest.mark.parametrize("reason", ["fail", "try_again"])
def test_a_failed_capture_has_its_fate_too(reason: str, break_: Any, caplog: pytest.LogCaptureFixture) -> None:
    left = break_(Core, "finish", times=1) if reason == "fail" else break_(Core, "try_again", times=1)
    store = FakeStore([failure(StoreErrorKind.DENIED)])
    with Uploader("s3://bucket", profile=PROFILE, options=options(store)) as up:
        ticket = up.submit(CAPTURE)
        with pytest.raises(UploadFailed):
            ticket.result(15)
        assert ticket.reason.startswith("store: denied" if reason == "fail" else "unexpected ZeroDivisionError")
        assert left[0] == 0
        assert up.upload(CAPTURE, timeout_s=15).attempts == 1
        assert all(threads(up))
    assert balanced(up.stats())
    assert len(said(caplog)) == 1


@pytest.mark.parametrize("broken", ["_send_file", "_tried", "_claim", "drained"])
def test_draining_outlives_an_error(broken: str, break_: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore([failure(StoreErrorKind.CONNECTION) for _ in range(40)])
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=tmp_path, options=options(store, max_attempts=1)) as up:
        for ticket in [up.submit(CAPTURE) for _ in range(5)]:
            with pytest.raises(UploadFailed, match="kept on disk"):
                ticket.result(15)
    assert up.stats().spooled == 5

    caplog.clear()
    owner: Any = Core if broken in {"_claim", "drained"} else sender
    left = break_(owner, broken, times=2, after=broken == "drained")
    store.failures.clear()
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=tmp_path, options=options(store)) as up:
        engine = up._engine
        while len(store.objects) < 5 or left[0]:
            engine.core.scheduler.drain_pace.worked()  # its pauses are over
            up.upload(CAPTURE, timeout_s=15)
        with engine.core.lock:
            assert engine.core.settled.wait_for(
                lambda: not engine.core.scheduler.draining and not engine.core.scheduler.uploading, 60
            )
        assert left[0] == 0
        assert all(threads(up))
    unforeseen = [line for line in said(caplog) if "unforeseen" in line]
    assert len(unforeseen) == (0 if broken == "_send_file" else 1)


def test_pauses_grow_up_to_a_bound_and_end_when_all_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now_s = 0.0

        def monotonic(self) -> float:
            return self.now_s

        def sleep(self, seconds: float) -> None:
            self.now_s += seconds
            engine.stopping = self.now_s > 1000.0

    class Engine:
        def __init__(self) -> None:
            self.stopping = False
            self.told: set[str] = set()

    clock, engine = Clock(), Engine()
    monkeypatch.undo()
    monkeypatch.setattr(crash_guard, "time", clock)
    enduring = CrashGuard(engine)
    pauses = []
    while True:
        begun_s = clock.now_s
        if not enduring.outlives(ValueError(SECRET)):
            break
        pauses.append(clock.now_s - begun_s)
    assert pauses[:4] == pytest.approx([0.05, 0.1, 0.2, 0.4])
    assert max(pauses) == pytest.approx(MOST_PAUSE_S)
    assert len(pauses) < 1000.0 / MOST_PAUSE_S + 10
    engine.stopping = False
    clock.now_s = 0.0
    enduring.worked()
    assert enduring.outlives(ValueError(SECRET))
    assert clock.now_s == pytest.approx(0.05)
    assert len(engine.told) == 1


def test_what_fails_for_good_neither_spins_nor_holds_up_the_end(break_: Any, caplog: pytest.LogCaptureFixture) -> None:
    break_(Scheduler, "next", times=10**9)
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore(), close_deadline_s=0.5)) as up:
        tickets = [up.submit(CAPTURE) for _ in range(3)]
    assert [ticket.fate for ticket in tickets] == [Fate.DROPPED] * 3
    assert balanced(up.stats())
    assert up.stats().held_bytes == 0
    assert len(said(caplog)) == 1


def test_a_capture_that_raises_when_it_is_let_go_costs_no_thread(break_: Any, caplog: pytest.LogCaptureFixture) -> None:
    left = break_(Job, "release", times=4)
    store = FakeStore([failure(StoreErrorKind.DENIED)])
    with Uploader("s3://bucket", profile=PROFILE, options=options(store)) as up:
        for bad in (CAPTURE, {"x": object()}):
            with pytest.raises(UploadFailed):
                up.upload(bad, timeout_s=15)
        while left[0] > 0:
            assert up.upload(CAPTURE, timeout_s=15).attempts == 1
        assert all(threads(up))
    assert up._engine.core._running == 0
    assert said(caplog) == []
