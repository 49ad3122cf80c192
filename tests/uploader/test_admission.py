"""Coming in: by turn, reduced when there is no other way, looked at from a signal handler."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from packhorse.errors import InputError
from packhorse.model import har_stream
from packhorse.uploader.account import BODILESS, OUTLINE, WHOLE, Ladder
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.prepare import META_DEGRADED, degradable, degraded
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, fill, options
from tests.uploader.reliability import note, quick_and_full
from tests.uploader.test_uploader import CAPTURE, balanced, uploader


def entry(text: str) -> dict[str, Any]:
    headers = [{"name": "X-Note", "value": "h" * 50}]
    return {
        "time": 1.5,
        "request": {"method": "POST", "url": "https://x.example/", "headers": headers, "postData": {"text": "posted"}},
        "response": {"status": 200, "headers": headers, "content": {"size": len(text), "text": text}},
        "_webSocketMessages": [{"data": text}],
    }


def har(text: str, entries: int = 5) -> dict[str, Any]:
    return {"log": {"version": "1.2", "entries": [entry(text) for _ in range(entries)]}}


# --- the ladder -------------------------------------------------------------------------------------------------------


def test_rungs_come_in_the_declared_order() -> None:
    ladder = Ladder.of(800, spool=True, degrade=True)
    assert ladder == Ladder(400, 600, 700, 800)
    levels = [ladder.level(held, 10, patient=False, degradable=True) for held in (0, 500, 590, 591, 690, 691, 790, 791)]
    assert levels == [WHOLE, WHOLE, WHOLE, BODILESS, BODILESS, OUTLINE, OUTLINE, None]
    assert ladder.level(390, 10, patient=True, degradable=True) == WHOLE
    assert ladder.level(391, 10, patient=True, degradable=True) is None
    assert ladder.level(780, 10, patient=False, degradable=False) == WHOLE
    assert ladder.level(0, 800, patient=True, degradable=True) == WHOLE
    assert ladder.level(0, 801, patient=False, degradable=True) is None
    assert Ladder.of(800, spool=False, degrade=False) == Ladder(800, 800, 800, 800)
    assert Ladder.of(800, spool=False, degrade=True).patient_bytes == 600


@pytest.mark.parametrize("level", [BODILESS, OUTLINE])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_left_out_and_what_stays(level: int, streamed: bool) -> None:
    whole = har("secret body")
    before = json.dumps(whole)
    reduced, done = degraded(har_stream(iter(whole["log"]["entries"])) if streamed else whole, level)
    assert done
    plain = reduced.materialize() if streamed else reduced
    assert json.dumps(whole) == before
    for got in plain["log"]["entries"]:
        assert "secret body" not in json.dumps(got)
        assert got["response"]["content"] == {"size": 11}
        assert (got["request"]["url"], got["response"]["status"], got["time"]) == ("https://x.example/", 200, 1.5)
        assert bool(got["request"]["headers"]) == (level == BODILESS)
        assert (got["request"]["postData"] == {"text": "posted"}) == (level == BODILESS)


def test_what_is_no_har_is_left_as_it_is() -> None:
    for odd in ({"log": 1}, [1, 2], {"log": {"entries": "x"}}, {}):
        assert not degradable(odd)
        assert degraded(odd, OUTLINE) == (odd, False)
    odd_entries = {"log": {"entries": [1, None, {"request": 3, "response": {"content": "x"}}]}}
    assert degraded(odd_entries, OUTLINE) == (odd_entries, True)


def test_captures_are_reduced_before_any_is_dropped_and_their_objects_say_so() -> None:
    store = FakeStore()
    store.gate.clear()
    capture = har("b" * 20_000)
    with uploader(store, budget=1_000_000, max_in_flight=1) as up:
        tickets = [up.submit_nowait(capture) for _ in range(40)]
        stats = up.stats()
        assert stats.peak_held_bytes <= 1_000_000
        store.gate.set()
    stats = up.stats()
    dropped = [number for number, ticket in enumerate(tickets) if ticket.fate is Fate.DROPPED]
    said = [store.infos[t.key].metadata.get(META_DEGRADED, "") if t.key in store.infos else None for t in tickets]
    assert stats.degraded == sum(bool(words) for words in said) > 0
    assert said[0] == ""
    first_reduced = next(number for number, words in enumerate(said) if words)
    assert not dropped or first_reduced < dropped[0]
    for ticket, words in zip(tickets, said, strict=True):
        if words is not None:
            body = gzip.decompress(store.objects[ticket.key])
            assert (b"bbbb" in body) == (words == "")
    assert balanced(stats)


def test_those_who_wait_are_never_reduced() -> None:
    store = FakeStore()
    with uploader(store, budget=300_000, max_in_flight=1) as up:
        tickets = [up.submit(har("b" * 20_000), timeout_s=60) for _ in range(20)]
    assert all(META_DEGRADED not in store.infos[ticket.key].metadata for ticket in tickets)
    assert up.stats().degraded == 0


# --- waiting in line --------------------------------------------------------------------------------------------------


@quick_and_full("producers", 400, 4000)
def test_waiting_submitters_are_served_by_turn(producers: int) -> None:
    """All stand in line before there is room. Each comes back for more twice, and has to wait for all others.

    By the order in which their captures are let in; when the loop gets to run each task again is the system's to say.
    """
    store = FakeStore()
    store.gate.clear()

    async def produce(up: AsyncUploader, number: int) -> None:
        for turn in range(3):
            await up.submit(CAPTURE, key=f"turn-{turn}/{number}")

    async def main() -> None:
        given: dict[str, Any] = {"profile": PROFILE, "redact": False, "memory_budget_bytes": 24_000}
        chosen = options(store, max_in_flight=1, encode_threads=1, degrade=False, close_deadline_s=600.0)
        async with AsyncUploader("s3://bucket", options=chosen, **given) as up:
            fill(up, CAPTURE)
            tasks = [asyncio.create_task(produce(up, number)) for number in range(producers)]
            while len(up._engine.core.line) < producers:
                await asyncio.sleep(0)
            store.gate.set()
            await asyncio.gather(*tasks)

    asyncio.run(main())
    let_in = [key.partition("/") for key in store.objects if key.startswith("turn-")]
    firsts = [int(number) for _, _, number in let_in[:producers]]
    worst = max(abs(place - number) for place, number in enumerate(firsts))
    note("fairness", producers=producers, worst_displacement_of_first_turns=worst)
    assert firsts == list(range(producers))
    assert {turn for turn, _, _ in let_in[:producers]} == {"turn-0"}
    assert len(let_in) == 3 * producers


def test_waiting_threads_are_served_by_turn() -> None:
    """By the order in which their captures are let in; when each thread runs again is the system's to say."""
    store = FakeStore()
    store.gate.clear()
    with uploader(store, budget=24_000, max_in_flight=1, degrade=False, encode_threads=1) as up:
        fill(up, CAPTURE)
        threads = []
        for number in range(20):
            threads.append(threading.Thread(target=up.submit, args=(CAPTURE,), kwargs={"key": f"n{number}"}))
            threads[-1].start()
            while len(up._engine.core.line) <= number:
                time.sleep(0.001)
        store.gate.set()
        for thread in threads:
            thread.join()
    assert [key for key in store.objects if key.startswith("n")] == [f"n{number}" for number in range(20)]
    assert balanced(up.stats())


def test_closing_gives_those_in_line_their_fate_at_once() -> None:
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, budget=24_000, max_in_flight=1, degrade=False)
    fill(up, CAPTURE)
    errors: list[str] = []

    def wait() -> None:
        try:
            up.submit(CAPTURE)
        except Exception as error:
            errors.append(type(error).__name__)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    while len(up._engine.core.line) < 5:
        time.sleep(0.001)
    up.close(0.1)
    for thread in threads:
        thread.join(60)
    assert errors == ["UploaderClosed"] * 5
    assert up.stats().in_flight == 0
    assert balanced(up.stats())
    store.gate.set()


# --- control ----------------------------------------------------------------------------------------------------------


def test_every_limit_changes_live() -> None:
    store = FakeStore()
    with uploader(store, budget=200_000, max_in_flight=2) as up:
        for ticket in [up.submit(CAPTURE) for _ in range(20)]:
            ticket.result(60)
        up.set_limits(encode_threads=4, memory_budget_bytes=400_000, max_in_flight=3)
        for ticket in [up.submit(CAPTURE) for _ in range(200)]:
            ticket.result(60)
        up.set_limits(encode_threads=1)
        for ticket in [up.submit(CAPTURE) for _ in range(50)]:
            ticket.result(60)
        assert up.upload(CAPTURE, timeout_s=60).attempts == 1
        for bad in ("max_in_flight", "memory_budget_bytes", "encode_threads"):
            with pytest.raises(InputError, match=bad):
                up.set_limits(**{bad: 0})
    assert store.most_concurrent <= 3
    assert up.stats().uploaded == 271


def test_more_budget_lets_those_in_line_in() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, budget=24_000, max_in_flight=1, degrade=False) as up:
        fill(up, CAPTURE)
        thread = threading.Thread(target=up.submit, args=(CAPTURE,))
        thread.start()
        while not len(up._engine.core.line):
            time.sleep(0.001)
        up.set_limits(memory_budget_bytes=1_000_000)
        thread.join(60)
        assert not thread.is_alive()
        store.gate.set()


@pytest.fixture
def ticking() -> Iterator[list[bool]]:
    """What a handler of SIGALRM has seen; the timer is stopped at the end."""
    seen: list[bool] = []
    yield seen
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert len(seen) > 20


def test_a_signal_handler_may_look_wherever_it_interrupts(ticking: list[bool]) -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:

        def look(_: int, __: FrameType | None) -> None:
            stats = up.stats()
            fates = stats.uploaded + stats.spooled + stats.dropped + stats.failed + stats.in_flight
            ticking.append(stats.submitted == fates)
            if len(ticking) < 300:
                signal.setitimer(signal.ITIMER_REAL, 0.001)  # set anew each time, so that handlers do not nest

        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        tickets = []
        while len(ticking) < 300:
            tickets.append(up.submit(CAPTURE))
            up.stats()
        for ticket in tickets:
            ticket.result(60)
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert all(ticking)
