"""Freed memory is given back to the system while memory is short, and only then."""

from __future__ import annotations

import gc
import random
import threading
from types import SimpleNamespace

import pytest

from packhorse.errors import StoreErrorKind, UploadFailed
from packhorse.units import MIB
from packhorse.uploader.job import Job
from packhorse.uploader.sync import Uploader
from packhorse.uploader.trimming import (
    FREED_SHARE,
    LEAST_FREED_BYTES,
    LONG_PAUSE_S,
    LONGEST_S,
    MOST_TIME_RATIO,
    WORTH_TIME_RATIO,
    Trimming,
    release_free_pages,
)
from tests.uploader.fakes import PROFILE, FakeStore, failure, options

BUDGET = 128 * MIB
ENOUGH = BUDGET // FREED_SHARE


def trimming(held_bytes: int, freed_bytes: int) -> Trimming:
    made = Trimming(lambda: 0)
    made.note(held_bytes, freed_bytes)
    return made


def test_it_is_due_when_memory_is_short_and_much_was_freed() -> None:
    assert trimming(BUDGET // 2 + 1, ENOUGH).take(BUDGET, 0.0)
    assert not trimming(BUDGET // 2, ENOUGH).take(BUDGET, 0.0)
    assert not trimming(BUDGET // 2 + 1, ENOUGH - 1).take(BUDGET, 0.0)
    assert not trimming(MIB, LEAST_FREED_BYTES - 1).take(MIB, 0.0)


def test_it_is_due_again_only_after_as_much_was_freed_again() -> None:
    made = trimming(BUDGET, 10 * ENOUGH)
    assert made.take(BUDGET, 0.0)
    made.run()
    assert not made.take(BUDGET, 1e9)
    made.note(BUDGET, ENOUGH)
    assert made.take(BUDGET, 1e9)


def test_only_one_thread_does_it_and_it_takes_a_hundredth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, used = [50.0], [0.0]
    # Not time's own function: threads that other tests have left need the real one.
    monkeypatch.setattr(
        "packhorse.uploader.trimming.time", SimpleNamespace(monotonic=lambda: now[0], thread_time=lambda: used[0])
    )

    def slow() -> int:
        now[0] += 0.25
        raise OSError("which is no worker's trouble")

    made = Trimming(slow)
    made.note(BUDGET, ENOUGH)
    assert made.take(BUDGET, now[0])
    made.note(BUDGET, ENOUGH)
    assert not made.take(BUDGET, 1e9)  # another thread is at it
    made.run()
    assert not made.take(BUDGET, now[0] + 0.25 / MOST_TIME_RATIO - 0.01)
    assert made.take(BUDGET, now[0] + 0.25 / MOST_TIME_RATIO)


def test_a_call_that_takes_long_and_gives_little_back_is_not_made_again_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, used, returned = [50.0], [0.0], [0, LEAST_FREED_BYTES]
    clocks = SimpleNamespace(monotonic=lambda: now[0], thread_time=lambda: used[0])
    monkeypatch.setattr("packhorse.uploader.trimming.time", clocks)

    def large_heap() -> int:
        now[0] += 0.02
        used[0] += 2 * LONGEST_S
        return returned.pop()

    made = Trimming(large_heap)
    made.note(BUDGET, ENOUGH)
    assert made.take(BUDGET, now[0])
    made.run()
    made.note(BUDGET, ENOUGH)
    assert not made.take(BUDGET, now[0] + 0.02 / WORTH_TIME_RATIO - 0.01)
    assert made.take(BUDGET, now[0] + 0.02 / WORTH_TIME_RATIO + 0.01)  # it has given much back
    made.run()
    made.note(BUDGET, ENOUGH)
    assert not made.take(BUDGET, now[0] + LONG_PAUSE_S - 0.01)
    assert made.take(BUDGET, now[0] + LONG_PAUSE_S)


def uploaded(count: int, *, at_once: bool) -> int:
    """Upload so many captures of 200 KB within 8 MiB; how often memory was given back."""
    store, done = FakeStore(), []

    def trimmed() -> int:
        done.append(threading.get_ident())
        return 0

    text = b'"' + random.Random(1).randbytes(100_000).hex().encode() + b'"'  # gzip halves it: the rest is freed
    with Uploader(
        "s3://bucket/x", profile=PROFILE, redact=False, memory_budget_bytes=8 * MIB, options=options(store)
    ) as up:
        up._engine.core.trimming = Trimming(trimmed)
        if at_once:  # more than half of the budget is held then, however fast they are encoded
            store.gate.clear()
        for _ in range(count):
            ticket = up.submit_nowait(text)
            if not at_once:
                ticket.result(30)
        store.gate.set()
    assert threading.get_ident() not in done  # not in a submitter's thread
    return len(done)


def test_an_uploader_does_it_when_captures_pile_up_and_not_otherwise() -> None:
    assert uploaded(60, at_once=False) == 0
    assert uploaded(60, at_once=True) >= 1


def test_captures_that_fail_at_their_deadline_leave_nothing_to_the_garbage_collector() -> None:
    """In an outage it comes too seldom: a hundred captures a second were found to pile up to 20 MiB meanwhile."""
    store = FakeStore([failure(StoreErrorKind.CONNECTION)] * 1000)
    gc.collect()
    before = [one for one in gc.get_objects() if isinstance(one, Job)]  # of uploaders that others have left open
    gc.disable()
    try:
        with Uploader(
            "s3://bucket/x", profile=PROFILE, redact=False, options=options(store, deadline_s=0.5, backoff_base_s=0.1)
        ) as up:
            tickets = [up.submit({"log": {"entries": []}}) for _ in range(100)]
            for ticket in tickets:
                with pytest.raises(UploadFailed):
                    ticket.result(30)
        known = {id(one) for one in before}
        left = [one for one in gc.get_objects() if isinstance(one, Job) and id(one) not in known]
    finally:
        gc.enable()
    assert len(left) < 20  # each thread may still know its last one


def test_this_systems_allocator_takes_the_call() -> None:
    release_free_pages()
