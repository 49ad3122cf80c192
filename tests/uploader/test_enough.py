"""As many uploads in flight as keep the encoders busy, and never fewer where S3 is stalled."""

from __future__ import annotations

import time

import pytest

from packhorse.uploader.enough import MORE_S, STALLED_S, STALLED_TIMES, WINDOW_S, Enough
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options

CAPTURE = {"log": {"version": "1.2", "entries": [{"n": n, "text": "x" * 50} for n in range(2000)]}}


def test_nothing_is_enough_before_anything_is_known() -> None:
    enough = Enough(2)
    assert not enough.has(10_000, 5.0)


def test_encoders_are_kept_busy_by_littles_law() -> None:
    enough = Enough(2)
    enough.answered(0.001, 0.005, 1.0)
    assert enough.in_flight == 2 * (1 + 5)
    assert not enough.has(11, 1.0)
    assert enough.has(12, 1.0)
    enough = Enough(2)
    enough.answered(0.0005, 0.030, 1.0)  # S3
    assert enough.in_flight == 122


def test_the_shortest_upload_counts_and_is_forgotten_after_two_windows() -> None:
    enough = Enough(1)
    enough.answered(0.001, 0.002, 0.0)
    enough.answered(0.001, 0.090, 1.0)
    assert enough.in_flight == 3
    enough.answered(0.001, 0.090, WINDOW_S + 1)
    assert enough.in_flight == 3  # of the window before
    enough.answered(0.001, 0.090, 2 * WINDOW_S + 2)
    assert enough.in_flight == 91


def test_the_mean_time_of_encoding_counts() -> None:
    enough = Enough(1)
    for number in range(200):
        enough.answered(0.001 if number % 2 else 0.003, 0.008, number / 1000)
    assert enough.in_flight == pytest.approx(1 + 8 / 2, abs=1)


def test_without_an_answer_for_a_while_nothing_is_enough() -> None:
    enough = Enough(1)
    enough.answered(0.001, 0.001, 5.0)
    assert enough.stalled_s == STALLED_S
    assert enough.has(50, 5.0 + STALLED_S)
    assert not enough.has(50, 5.001 + STALLED_S)
    enough.answered(0.001, 0.020, 5.0)
    slow = Enough(1)
    slow.answered(0.001, 0.020, 5.0)
    assert slow.stalled_s == STALLED_TIMES * 0.020


def test_while_captures_wait_one_more_is_let_in_now_and_then() -> None:
    enough = Enough(1)
    enough.answered(0.001, 0.001, 0.0)
    assert enough.in_flight == 2
    for step in range(10):
        enough.waits(step * 1.01 * MORE_S)
        enough.waits((step + 0.5) * 1.01 * MORE_S)  # too soon
    assert enough.in_flight == 2 + 10
    enough.answered(0.001, 0.001, 1.0)
    assert enough.in_flight == 2 + 10


def upload(up: Uploader, count: int) -> None:
    for ticket in [up.submit(CAPTURE) for _ in range(count)]:
        ticket.result(60)


def uploader(store: FakeStore, max_in_flight: int) -> Uploader:
    opts = options(store, max_in_flight=max_in_flight)
    return Uploader("s3://bucket/pre", profile=PROFILE, redact=False, options=opts)


def test_where_answers_come_at_once_few_threads_do_it_all() -> None:
    with uploader(FakeStore(), 64) as up:
        upload(up, 10)
        upload(up, 200)
        assert up._engine.core.pool.running < 30  # it was 66
    assert up.stats().uploaded == 210


def test_uploads_that_hang_keep_nobody_from_encoding() -> None:
    store = FakeStore()
    with uploader(store, 16) as up:
        upload(up, 20)
        assert up._engine.core.enough.in_flight < 16
        store.gate.clear()
        tickets = [up.submit(CAPTURE) for _ in range(40)]
        table, until = up._engine.core.table, time.monotonic() + 30
        while (table.queued or table.encoding) and time.monotonic() < until:
            time.sleep(0.01)
        assert not table.queued  # all are encoded, and 16 of them under way
        assert store.concurrent == 16
        store.gate.set()
        for ticket in tickets:
            ticket.result(60)
    assert up.stats().uploaded == 60
