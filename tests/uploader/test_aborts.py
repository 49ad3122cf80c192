"""Throwing the parts of a multipart upload away is tried again: what stays is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores import multipart
from packhorse.stores.base import DEFAULT_PART_BYTES, PutResult
from packhorse.stores.multipart import ABORT_TRIES, send_stream, send_stream_async

PART = bytes(DEFAULT_PART_BYTES)
PASSING = [StoreErrorKind.SERVER, StoreErrorKind.TIMEOUT, StoreErrorKind.CONNECTION, StoreErrorKind.THROTTLED]


class Mine(Exception):
    """What the chunks raise."""


class Sender:
    """Counts aborts, of which the first ones fail as planned."""

    def __init__(self, *failures: StoreErrorKind) -> None:
        self.failures = list(failures)
        self.aborts = 0

    def whole(self, body: bytes) -> PutResult:
        raise AssertionError("the test's stream is longer")

    def begin(self) -> str:
        return "id"

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        return "etag"

    def finish(self, upload_id: str, etags: list[str]) -> str:
        raise AssertionError("the test's stream does not end well")

    def abort(self, upload_id: str) -> None:
        self.aborts += 1
        if self.failures:
            raise StoreError("planned", kind=self.failures.pop(0))


class AsyncSender:
    """The same for asyncio."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def __getattr__(self, name: str) -> Any:
        async def request(*args: Any) -> Any:
            return getattr(self._sender, name)(*args)

        return request


def broken() -> Iterator[bytes]:
    yield PART
    raise Mine


async def broken_async() -> AsyncIterator[bytes]:
    for chunk in broken():
        yield chunk


def sync(sender: Sender) -> None:
    send_stream(sender, broken())


def in_a_loop(sender: Sender) -> None:
    asyncio.run(send_stream_async(AsyncSender(sender), broken_async()))


@pytest.fixture(params=[sync, in_a_loop])
def send(request: Any, monkeypatch: Any) -> Callable[[Sender], None]:
    monkeypatch.setattr(multipart, "ABORT_PAUSE_S", 0.001)
    monkeypatch.setattr(multipart, "ABORT_WITHIN_S", 600.0)
    chosen: Callable[[Sender], None] = request.param
    return chosen


def notes(send: Callable[[Sender], None], sender: Sender) -> list[str]:
    with pytest.raises(Mine) as caught:
        send(sender)
    return getattr(caught.value, "__notes__", [])


@pytest.mark.parametrize("kind", PASSING)
def test_it_is_tried_again_when_that_may_help(kind: StoreErrorKind, send: Callable[[Sender], None]) -> None:
    sender = Sender(*[kind] * (ABORT_TRIES - 1))
    assert notes(send, sender) == []
    assert sender.aborts == ABORT_TRIES


def test_it_is_given_up_at_last(send: Callable[[Sender], None]) -> None:
    sender = Sender(*[StoreErrorKind.SERVER] * 100)
    (note,) = notes(send, sender)
    assert "could not be aborted" in note
    assert sender.aborts == ABORT_TRIES


def test_a_refusal_for_good_is_told_at_once(send: Callable[[Sender], None]) -> None:
    sender = Sender(StoreErrorKind.DENIED)
    (note,) = notes(send, sender)
    assert "could not be aborted" in note
    assert sender.aborts == 1


def test_what_is_gone_already_need_not_be_thrown_away(send: Callable[[Sender], None]) -> None:
    """The answer to the first try was lost."""
    sender = Sender(StoreErrorKind.TIMEOUT, StoreErrorKind.NOT_FOUND)
    assert notes(send, sender) == []
    assert sender.aborts == 2


def test_a_cancelled_upload_is_thrown_away_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(multipart, "ABORT_PAUSE_S", 0.001)
    sender = Sender(StoreErrorKind.SERVER)

    async def endless() -> AsyncIterator[bytes]:
        yield PART
        await asyncio.Event().wait()

    async def run() -> None:
        sending = asyncio.create_task(send_stream_async(AsyncSender(sender), endless()))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    asyncio.run(run())
    assert sender.aborts == 2


def test_who_does_not_answer_in_time_is_not_asked_again(send: Callable[[Sender], None], monkeypatch: Any) -> None:
    monkeypatch.setattr(multipart, "ABORT_WITHIN_S", 0.0)
    sender = Sender(*[StoreErrorKind.TIMEOUT] * 100)
    (note,) = notes(send, sender)
    assert "could not be aborted" in note
    assert sender.aborts == 1


def test_a_cancellation_while_parts_end_is_no_way_round_the_abort() -> None:
    sender, ending = Sender(), asyncio.Event()

    class Hanging(AsyncSender):
        async def part(self, upload_id: str, number: int, body: bytes) -> str:
            if number == 1:
                raise StoreError("planned", kind=StoreErrorKind.SERVER)
            ending.set()
            await asyncio.Event().wait()
            raise AssertionError("nothing sets it")

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(multipart.PARTS_IN_FLIGHT + 1):
            yield PART

    async def run() -> None:
        sending = asyncio.create_task(send_stream_async(Hanging(sender), parts()))
        await ending.wait()
        for _ in range(100):  # nothing but other parts is waited for: it gets there within so many turns of the loop
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    asyncio.run(run())
    assert sender.aborts == 1
