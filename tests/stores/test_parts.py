"""Gathering parts, sending them, classifying answers: pure logic, no server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores import multipart
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, PutResult
from packhorse.stores.failure import failure, kind_of, retry_after_s
from packhorse.stores.multipart import PARTS_IN_FLIGHT, gather, send_stream, send_stream_async
from packhorse.stores.obstore_async import to_its_end

PART = bytes(DEFAULT_PART_BYTES)


@given(st.lists(st.binary(max_size=50)), st.integers(1, 30))
def test_parts_are_of_one_size(chunks: list[bytes], part_bytes: int) -> None:
    parts = list(gather(iter(chunks), part_bytes))
    assert b"".join(parts) == b"".join(chunks)
    assert all(len(part) == part_bytes for part in parts[:-1])
    assert all(0 < len(part) <= part_bytes for part in parts[-1:])


class Sender:
    """Counts what is in flight; fails where it is told to."""

    def __init__(self, fail_at: int = 0, *, abort_fails: bool = False) -> None:
        self.fail_at = fail_at
        self.abort_fails = abort_fails
        self.calls: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()

    def whole(self, body: bytes) -> PutResult:
        self.calls.append("whole")
        return PutResult("whole", len(body))

    def begin(self) -> str:
        self.calls.append("begin")
        return "id"

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            if number == self.fail_at:
                raise StoreError("part failed", kind=StoreErrorKind.THROTTLED, status=503, retry_after_s=2)
            return f"{number}:{len(body)}"
        finally:
            with self.lock:
                self.in_flight -= 1

    def finish(self, upload_id: str, etags: list[str]) -> str:
        self.calls.append("finish")
        return ",".join(etags)

    def abort(self, upload_id: str) -> None:
        assert self.in_flight == 0, "a part that lands after the abort would be stored"
        self.calls.append("abort")
        if self.abort_fails:
            raise StoreError("abort failed", kind=StoreErrorKind.SERVER)


def test_parts_are_put_together_in_order() -> None:
    sender = Sender()
    result = send_stream(sender, iter([PART] * 5 + [b"rest"]))
    assert result.etag == ",".join([f"{n}:{DEFAULT_PART_BYTES}" for n in range(1, 6)] + ["6:4"])
    assert result.bytes_sent == 5 * DEFAULT_PART_BYTES + 4
    assert sender.most_in_flight <= PARTS_IN_FLIGHT


class Gated(Sender):
    """Parts wait at a gate; the second one fails at once when it is told to."""

    def __init__(self, *, second_fails: bool = False) -> None:
        super().__init__(fail_at=2 if second_fails else 0)
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        if self.fail_at == number:
            raise StoreError("part failed", kind=StoreErrorKind.THROTTLED)
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.in_flight, self.most_in_flight)
        self.arrived.release()
        assert self.gate.wait(60)
        with self.lock:
            self.in_flight -= 1
        return f"{number}:{len(body)}"


class Awaited:
    """A sender's requests for asyncio, each in a thread."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def __getattr__(self, name: str) -> Any:
        async def request(*arguments: Any) -> Any:
            return await to_its_end(getattr(self._sender, name), *arguments)

        return request


async def later(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def sent(sender: Sender, chunks: Iterator[bytes], face: str) -> PutResult:
    if face == "sync":
        return send_stream(sender, chunks)
    return asyncio.run(send_stream_async(Awaited(sender), later(chunks)))


each_face = pytest.mark.parametrize("face", ["sync", "async"])


@each_face
def test_an_abort_waits_for_the_parts_that_are_under_way(face: str) -> None:
    """A part that lands after the abort would be stored, and paid for."""
    sender = Gated(second_fails=True)
    ended: list[BaseException] = []

    def send() -> None:
        try:
            sent(sender, iter([PART] * 3), face)
        except StoreError as error:
            ended.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    assert sender.arrived.acquire(timeout=60)
    thread.join(0.3)
    assert thread.is_alive(), "it ended although a part was still under way"
    assert "abort" not in sender.calls
    sender.gate.set()
    thread.join(60)
    assert len(ended) == 1
    assert sender.calls == ["begin", "abort"]


def test_a_cancelled_stream_is_aborted_after_its_parts() -> None:
    sender = Gated()

    async def cancelled() -> None:
        task = asyncio.create_task(send_stream_async(Awaited(sender), later(iter([PART] * 2))))
        await asyncio.to_thread(sender.arrived.acquire, True, 60)
        task.cancel()
        sender.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert sender.calls[-1] == "abort"


@each_face
def test_no_more_parts_are_under_way_than_memory_was_counted_for(face: str) -> None:
    sender = Gated()
    thread = threading.Thread(target=sent, args=(sender, iter([PART] * (PARTS_IN_FLIGHT + 2)), face))
    thread.start()
    for _ in range(PARTS_IN_FLIGHT):
        assert sender.arrived.acquire(timeout=60)
    assert not sender.arrived.acquire(timeout=0.3)
    sender.gate.set()
    thread.join(60)
    assert sender.most_in_flight == PARTS_IN_FLIGHT
    assert sender.calls == ["begin", "finish"]


@each_face
def test_an_object_has_as_many_parts_as_s3_takes_and_not_one_more(face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_PARTS", 2)
    sender = Sender()
    assert sent(sender, iter([PART, b"rest"]), face).bytes_sent == DEFAULT_PART_BYTES + 4
    assert sender.calls == ["begin", "finish"]
    sender = Sender()
    with pytest.raises(StoreError, match="2 parts") as caught:
        sent(sender, iter([PART, PART, b"one too many"]), face)
    assert caught.value.kind is StoreErrorKind.INVALID
    assert sender.calls == ["begin", "abort"]


def test_short_streams_are_one_request() -> None:
    sender = Sender()
    assert send_stream(sender, iter([b"a", b"b"])).bytes_sent == 2
    assert sender.calls == ["whole"]


def test_a_failed_part_aborts_and_stops_production() -> None:
    sender = Sender(fail_at=1)
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield PART

    with pytest.raises(StoreError, match="part failed"):
        send_stream(sender, chunks())
    assert sender.calls == ["begin", "abort"]
    assert taken <= PARTS_IN_FLIGHT + 2


def test_a_failed_abort_is_told() -> None:
    with pytest.raises(StoreError, match="could not be aborted") as caught:
        send_stream(Sender(fail_at=1, abort_fails=True), iter([PART] * 2))
    assert (caught.value.kind, caught.value.status, caught.value.retry_after_s) == (StoreErrorKind.THROTTLED, 503, 2)


def test_a_failed_abort_is_noted_on_a_foreign_error() -> None:
    def chunks() -> Iterator[bytes]:
        yield PART
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        send_stream(Sender(abort_fails=True), chunks())
    assert "could not be aborted" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, "InternalError", StoreErrorKind.SERVER),
        (200, None, StoreErrorKind.SERVER),
        (301, "PermanentRedirect", StoreErrorKind.CONFIG),
        (307, None, StoreErrorKind.CONFIG),
        (400, "RequestTimeout", StoreErrorKind.TIMEOUT),
        (400, None, StoreErrorKind.INVALID),
        (404, None, StoreErrorKind.NOT_FOUND),
        (409, "OperationAborted", StoreErrorKind.SERVER),
        (501, "NotImplemented", StoreErrorKind.INVALID),
        (501, None, StoreErrorKind.INVALID),
        (505, None, StoreErrorKind.INVALID),
        (502, None, StoreErrorKind.SERVER),
        (503, None, StoreErrorKind.THROTTLED),
        (None, None, StoreErrorKind.CONNECTION),
    ],
)
def test_kinds(status: int | None, code: str | None, kind: StoreErrorKind) -> None:
    assert kind_of(status, code) == kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 1.5 ", 1.5),
        ("999999", 300),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("soon", None),
        ("-1", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    now = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert retry_after_s({"retry-AFTER": value}, now=now) == seconds
    assert retry_after_s({}) is None


def test_failure_text_shows_no_foreign_text() -> None:
    endpoint = Endpoint("bucket", "https://user:password@host:9000/path?X-Amz-Signature=abc")
    error = failure("put", "k\ney", endpoint, StoreErrorKind.DENIED, status=403, code="Evil\nCode <secret>")
    assert "https://host:9000:" in str(error)
    for hidden in ("password", "Signature", "Evil", "secret", "\n"):
        assert hidden not in str(error)
