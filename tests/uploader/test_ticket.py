"""Tickets: one outcome for all who wait, in whichever order it and they come."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from packhorse.errors import InputError, UploadFailed
from packhorse.uploader.keys import new_key
from packhorse.uploader.ticket import Fate, Receipt, Ticket

RECEIPT = Receipt("a/b", "s3://bucket/a/b", "etag", 2, 1, "", 1)


def stored(ticket: Ticket) -> None:
    ticket.fate = Fate.UPLOADED
    ticket.settle(RECEIPT)


def test_a_ticket_knows_its_url() -> None:
    assert Ticket("a/b", "s3://bucket/").url == "s3://bucket/a/b"


def test_a_wait_ends_at_its_timeout_and_leaves_nothing_behind() -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    with pytest.raises(TimeoutError, match="a/b"):
        ticket.result(0.001)
    assert not ticket.done()
    assert not ticket._callbacks
    stored(ticket)
    assert ticket.done()
    assert ticket.result(0.0) is RECEIPT


def test_what_failed_raises_afresh_for_each_who_asks() -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    ticket.fate, ticket.reason = Fate.FAILED, "capture: no JSON"
    ticket.settle(None)
    errors = []
    for _ in range(2):
        with pytest.raises(UploadFailed, match="failed: capture: no JSON") as caught:
            ticket.result()
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_nothing_is_published_before_there_is_a_fate() -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    ticket.settle(None)
    assert not ticket.done()


@pytest.mark.parametrize("callback", [None, 5, "f"])
def test_what_cannot_be_called_is_refused_as_a_callback(callback: Any) -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    with pytest.raises(InputError, match=r"^callback is .*; give a function that takes the ticket"):
        ticket.add_done_callback(callback)
    stored(ticket)
    assert ticket.done()


def test_callbacks_are_called_once_each_and_their_errors_go_no_further(caplog: pytest.LogCaptureFixture) -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    called: list[str] = []

    def broken(_: Ticket) -> None:
        raise ValueError("mine")

    ticket.add_done_callback(lambda _: called.append("before"))
    ticket.add_done_callback(broken)
    ticket.add_done_callback(lambda _: called.append("behind"))
    with caplog.at_level(logging.ERROR, "packhorse"):
        stored(ticket)
    ticket.add_done_callback(lambda _: called.append("after"))
    assert called == ["before", "behind", "after"]
    assert "a callback of a ticket raised" in caplog.text


def raising(error: BaseException) -> Callable[[Ticket], None]:
    def callback(_: Ticket) -> None:
        raise error

    return callback


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_no_callback_ends_the_thread_that_publishes(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    called: list[str] = []
    ticket.add_done_callback(raising(error))
    ticket.add_done_callback(lambda _: called.append("behind"))

    def publish() -> None:
        stored(ticket)
        called.append("on")

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join()
    assert called == ["behind", "on"]
    assert "a callback of a ticket raised" in caplog.text


def test_ctrl_c_in_a_callback_goes_on_in_the_main_thread_once_all_were_called() -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    called: list[str] = []
    ticket.add_done_callback(raising(KeyboardInterrupt()))
    ticket.add_done_callback(lambda _: called.append("behind"))
    with pytest.raises(KeyboardInterrupt):
        stored(ticket)
    assert called == ["behind"]


def test_callbacks_added_while_it_is_published_are_called_once() -> None:
    for _ in range(50):
        ticket = Ticket("a/b", "s3://bucket/")
        called: list[int] = []
        start = threading.Barrier(3)

        def add(number: int, ticket: Ticket = ticket, start: threading.Barrier = start, c: list[int] = called) -> None:
            start.wait()
            for each in range(20):
                ticket.add_done_callback(lambda _, n=100 * number + each: c.append(n))  # type: ignore[misc]

        threads = [threading.Thread(target=add, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        stored(ticket)
        for thread in threads:
            thread.join()
        assert sorted(called) == sorted([*range(20), *range(100, 120)])


def test_threads_and_tasks_wait_for_the_same_outcome() -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    seen: list[Receipt] = []
    thread = threading.Thread(target=lambda: seen.append(ticket.result(10)))
    thread.start()

    async def both() -> list[Receipt]:
        waiting = [asyncio.ensure_future(ticket) for _ in range(2)]
        given_up = asyncio.ensure_future(ticket)
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.to_thread(stored, ticket)
        return list(await asyncio.gather(*waiting))

    assert asyncio.run(both()) == [RECEIPT, RECEIPT]
    thread.join()
    assert seen == [RECEIPT]


def test_a_closed_loop_is_no_trouble_for_who_publishes(caplog: pytest.LogCaptureFixture) -> None:
    ticket = Ticket("a/b", "s3://bucket/")
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(asyncio.wait_for(ticket, 0.001))
    with pytest.raises(TimeoutError):
        loop.run_until_complete(waiting)

    async def begin() -> None:
        ticket.__await__().send(None)

    loop.run_until_complete(begin())
    loop.close()
    stored(ticket)
    assert ticket.result() is RECEIPT
    assert caplog.text == ""


def test_keys_differ_however_many_are_made_at_once() -> None:
    keys: list[str] = []

    def make() -> None:
        keys.extend(new_key("p", ".json", now_s=1e9) for _ in range(2000))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 8000
    assert keys[0].startswith("p/2001/09/09/014640.000-")
