"""The lock beside which work can be left: nothing is lost, nothing is taken twice, nothing in the midst of a turn."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from packhorse import Profile, Uploader
from packhorse.errors import UploaderClosed, UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.uploader.account import Stats
from packhorse.uploader.handover import MOST_ROUNDS, HandoverLock
from packhorse.uploader.reasons import Why
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import FakeStore, options

PROFILE = Profile("handover", Pipeline.parse("json | gzip:1 | raw | boto3:pool=8"), 4)
CAPTURE: dict[str, Any] = {"log": {"entries": []}}


def uploader(store: FakeStore, budget: int = 10_000_000) -> Uploader:
    given: dict[str, Any] = {"profile": PROFILE, "redact": False, "memory_budget_bytes": budget}
    return Uploader("s3://bucket", options=options(store), **given)


def balanced(stats: Stats) -> bool:
    return stats.submitted == stats.uploaded + stats.spooled + stats.dropped + stats.failed + stats.in_flight


class Taken:
    """What was taken, and a call for afterwards that checks that the lock is free."""

    def __init__(self) -> None:
        self.things: list[int] = []
        self.after: list[int] = []
        self.lock = HandoverLock[int](self.take)

    def take(self, thing: int) -> Callable[[], object]:
        assert self.lock.owned()
        self.things.append(thing)

        return partial(self.call, thing, threading.get_ident())

    def call(self, thing: int, owner: int) -> None:
        assert not self.lock.owned()
        assert threading.get_ident() != owner
        self.after.append(thing)

    def called(self, *things: int) -> bool:
        """True once these were called, in this order, and nothing else was."""
        ends = time.monotonic() + 10
        while len(self.after) < len(things) and time.monotonic() < ends:
            time.sleep(0.001)
        return self.after == list(things)


def in_thread(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_with_nobody_there_the_leaver_takes_it_itself() -> None:
    taken = Taken()
    taken.lock.leave(1)
    assert taken.things == [1]
    assert taken.called(1)
    assert taken.lock.left() == []


def test_what_is_left_is_taken_when_the_owner_lets_go_for_good() -> None:
    taken = Taken()
    with taken.lock:
        with taken.lock:
            in_thread(partial(deque, map(taken.lock.leave, (1, 2))))
            assert taken.lock.left() == [1, 2]
        assert taken.things == []  # still in the midst of it
    assert taken.things == [1, 2]
    assert taken.called(1, 2)


def test_the_next_owner_takes_it_before_anything_else() -> None:
    taken = Taken()
    taken.lock._left.append(1)  # as if left between an owner's last look and its end
    with taken.lock:
        assert taken.things == [1]
        assert taken.after == []
    assert taken.called(1)


def test_it_is_taken_while_its_owner_waits_on_a_condition() -> None:
    taken = Taken()
    condition = taken.lock.condition()

    def leave() -> None:
        taken.lock.leave(1)
        taken.called(1)
        with condition:
            condition.notify()

    with taken.lock, condition:
        thread = threading.Thread(target=leave)
        thread.start()
        assert condition.wait_for(lambda: taken.after == [1], 10)
        taken.lock.release()
        assert taken.lock.owned()  # as often as before
        taken.lock.acquire()
    thread.join()
    assert not taken.lock.owned()


def test_many_leave_while_many_own() -> None:
    taken = Taken()
    threads, each = 8, 300

    def work(number: int) -> None:
        for turn in range(each):
            if turn % 3 == 0 and not taken.lock.acquire(blocking=False):
                taken.lock.leave(number * each + turn)
                continue
            with taken.lock:
                taken.take(number * each + turn)
            if turn % 3 == 0:
                taken.lock.release()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken.things) == list(range(threads * each))
    assert taken.lock.left() == []


def test_who_takes_what_others_leave_is_let_go_in_the_end() -> None:
    """Each thing that is taken makes another thread leave one more, as long as it may."""
    taken: list[int] = []
    refused: list[int] = []

    def another(thing: int) -> None:
        if lock.may_leave() and thing < 1000:
            lock.leave(thing + 1)
        else:
            refused.append(thing)

    def take(thing: int) -> None:
        taken.append(thing)
        in_thread(partial(another, thing))

    lock = HandoverLock[int](take)
    lock.leave(0)
    assert taken == list(range(MOST_ROUNDS + 1))
    assert refused == [MOST_ROUNDS]
    assert lock.may_leave()


class Struck:
    """An ``RLock`` in which Ctrl-C strikes as soon as it has been acquired."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.release = lock.release

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.lock.acquire(blocking, timeout):
            raise KeyboardInterrupt
        return False


def test_who_is_interrupted_while_acquiring_does_not_keep_it() -> None:
    taken = Taken()
    real = taken.lock._lock
    taken.lock._lock = Struck(real)
    with pytest.raises(KeyboardInterrupt), taken.lock:
        raise AssertionError("it was acquired")
    with pytest.raises(KeyboardInterrupt):
        taken.lock.leave(1)
    taken.lock._lock = real
    assert not taken.lock.owned()
    in_thread(lambda: taken.lock.leave(2))  # would stay there if anybody had it
    assert taken.things == [1, 2]
    assert taken.called(1, 2)


def interrupted_once(taken: Taken) -> HandoverLock[int]:
    """A lock of which the first taking is interrupted."""
    strikes = [KeyboardInterrupt()]

    def take(thing: int) -> None:
        if strikes:
            raise strikes.pop()
        taken.things.append(thing)

    return HandoverLock[int](take)


def test_what_was_being_taken_when_it_was_interrupted_is_taken_later() -> None:
    taken = Taken()
    lock = interrupted_once(taken)
    lock._left.extend((1, 2))
    with pytest.raises(KeyboardInterrupt), lock:
        raise AssertionError("it was acquired")
    assert (taken.things, lock.owned()) == ([], False)
    in_thread(lambda: lock.leave(3))
    assert taken.things == [1, 2, 3]


def test_who_is_interrupted_as_a_wait_begins_has_it_still() -> None:
    taken = Taken()
    lock = interrupted_once(taken)
    condition = lock.condition()
    with condition:
        in_thread(lambda: lock.leave(1))
        with pytest.raises(KeyboardInterrupt):
            condition.wait(10)
        assert lock.owned()
    assert taken.things == [1]
    assert not lock.owned()


class StruckOnce(Struck):
    """The same, once."""

    def __init__(self, lock: Any) -> None:
        super().__init__(lock)
        self.strikes = 1

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not self.strikes:
            return bool(self.lock.acquire(blocking, timeout))
        self.strikes -= 1
        return super().acquire(blocking, timeout)


def test_who_is_interrupted_as_a_wait_ends_has_it_as_often_as_before() -> None:
    taken = Taken()
    lock = taken.lock
    condition, real = lock.condition(), lock._lock
    struck = StruckOnce(real)
    with condition, condition:
        lock._lock = struck
        with pytest.raises(KeyboardInterrupt):
            condition.wait(0.01)
        assert (struck.strikes, lock.owned()) == (0, True)
        lock._lock = real
        in_thread(lambda: lock.leave(1))
        lock.release()
        assert (lock.owned(), taken.things) == (True, [])  # still in the midst of it
        lock.acquire()
    assert not lock.owned()
    in_thread(lambda: lock.leave(2))  # would stay there if anybody had it
    assert taken.things == [1, 2]


def test_what_cannot_be_taken_is_no_trouble_for_the_owner(caplog: pytest.LogCaptureFixture) -> None:
    def take(thing: int) -> None:
        if thing == 1:
            raise ValueError("hostile")
        taken.append(thing)

    taken: list[int] = []
    lock = HandoverLock[int](take)
    lock._left.extend((1, 2))
    with lock:
        assert taken == [2]
    assert "could not be taken" in caplog.text


# --- in an uploader ---------------------------------------------------------------------------------------------------


def test_submit_nowait_does_not_wait_for_the_account() -> None:
    store = FakeStore()
    with uploader(store) as up:
        up.upload(CAPTURE)
        tickets: list[Ticket] = []
        with up._engine.core.lock:
            in_thread(lambda: tickets.extend(up.submit_nowait(CAPTURE) for _ in range(20)))
            assert len(up._engine.core.lock.left()) == 20
            assert [ticket.fate for ticket in tickets] == [Fate.IN_FLIGHT] * 20
        assert up.stats().submitted == 21
        assert {ticket.result(30).key for ticket in tickets} == {ticket.key for ticket in tickets}
    assert up.stats().uploaded == 21
    assert balanced(up.stats())


def test_what_may_not_fit_waits_for_the_decision() -> None:
    """Beyond the budget nothing is left with the lock: it would be held and not counted."""
    store = FakeStore()
    with uploader(store, budget=50_000) as up:
        up.upload(CAPTURE)
        with up._engine.core.lock:
            job = up._engine.job({"log": {"entries": []}, "text": "x" * 60_000}, None)
            assert not up._engine.surely_fits(job)
            small = up._engine.job(CAPTURE, None)
            assert up._engine.surely_fits(small)


def test_a_submitter_does_not_make_the_calls_of_other_peoples_tickets() -> None:
    callers: list[int] = []
    with uploader(FakeStore()) as up:
        up.upload(CAPTURE)
        engine = up._engine
        job = engine.job(CAPTURE, None)
        job.ticket.add_done_callback(lambda _: callers.append(threading.get_ident()))
        engine.core.account.budget_bytes, budget = 1, engine.core.account.budget_bytes
        engine.core.lock._left.append(job)  # as if it had been left by another; now there is no room for it any more
        mine = up.submit_nowait(CAPTURE)
        with pytest.raises(UploadFailed, match="larger than the memory budget"):
            job.ticket.result(10)
        assert mine.fate is Fate.DROPPED
        engine.core.account.budget_bytes = budget  # not before: a worker may have had the lock, and decide later
    ends_s = time.monotonic() + 60
    while not callers:  # a ticket is decided before its callbacks are called
        assert time.monotonic() < ends_s
        time.sleep(0.001)
    assert callers != [threading.get_ident()]
    assert balanced(up.stats())


def test_what_was_left_as_it_closed_is_counted() -> None:
    store = FakeStore()
    up = uploader(store)
    up.upload(CAPTURE)
    engine = up._engine
    engine.core.lock.acquire()
    tickets: list[Ticket] = []
    in_thread(lambda: tickets.append(up.submit_nowait(CAPTURE)))
    engine.core.closing = True
    engine.core.lock.release()
    with pytest.raises(UploadFailed, match="closed"):  # decided by whoever has the lock next: perhaps a worker
        tickets[0].result(10)
    assert tickets[0].fate is Fate.DROPPED
    with pytest.raises(UploaderClosed):
        up.submit_nowait(CAPTURE)
    up.close()
    stats = up.stats()
    assert (stats.submitted, stats.uploaded, stats.dropped) == (2, 1, 1)


@pytest.mark.parametrize("error", [ValueError("hostile"), KeyboardInterrupt()], ids=["hostile", "ctrl-c"])
def test_what_is_broken_off_as_it_is_let_in_is_counted_once(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    with uploader(FakeStore()) as up:
        up.upload(CAPTURE)
        engine = up._engine
        decide, strikes = engine.core.admit, [error]

        def struck(*args: Any, **more: Any) -> Why | None:
            refusal = decide(*args, **more)
            if strikes:
                raise strikes.pop()
            return refusal

        monkeypatch.setattr(engine.core, "admit", struck)
        tickets: list[Ticket] = []
        engine.core.lock.acquire()
        in_thread(lambda: tickets.append(up.submit_nowait(CAPTURE)))
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                engine.core.lock.release()
            assert engine.core.lock.left()
            assert up.stats().submitted == 2  # whoever looks has let it in
            tickets[0].result(30)
        else:
            engine.core.lock.release()
            with pytest.raises(UploadFailed, match="unexpected ValueError"):
                tickets[0].result(30)
        up.upload(CAPTURE)
    stats = up.stats()
    assert (stats.submitted, stats.in_flight, stats.held_bytes) == (3, 0, 0)
    assert balanced(stats)
