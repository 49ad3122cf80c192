"""Large captures survive what small ones survive: what is sent of a stream is kept on disk until its upload is done."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import random
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import CaptureError, StoreError, StoreErrorKind, UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo
from packhorse.uploader.spool.files import Header, SpooledFile
from packhorse.uploader.spool.folders import Quota
from packhorse.uploader.spool.spool import Spool
from packhorse.uploader.stream_copy import GivesWay, StreamCopy
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import failure, options
from tests.uploader.test_parts import PartsStore

PROFILE = Profile("copies", Pipeline.parse("json:chunk=1MiB | isal:1 | raw | memory"), max_in_flight=2)
ENTRIES = 40
MANY = 10_000


def entries(number: int, end: Callable[[int], None] = lambda _: None) -> Iterator[dict[str, Any]]:
    """Text of a little more than two compressed parts; an iterator is consumed as it is read."""
    source = random.Random(number)
    for place in range(ENTRIES):
        end(place)
        yield {"n": place, "text": b64encode(source.randbytes(DEFAULT_PART_BYTES * 22 // 10 // ENTRIES)).decode()}


def expected(number: int) -> list[dict[str, Any]]:
    return list(entries(number))


def given(kind: str, number: int) -> Any:
    return entries(number) if kind == "iterator" else {"log": {"entries": expected(number)}}


def uploader(store: PartsStore, folder: Path, **more: Any) -> Uploader:
    chosen = options(store, stream_above_bytes=100_000, spool_dir=folder, **more)
    return Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=chosen)


def spooled(folder: Path) -> dict[str, bytes]:
    """What is on disk, by key; each file is checked as it is read."""
    found = {}
    for path in folder.rglob("*.capture"):
        with SpooledFile(path) as file:
            found[file.header.key] = b"".join(file.chunks())
    return found


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]


def ended(ticket: Ticket) -> None:
    with contextlib.suppress(UploadFailed):
        ticket.result(60)


def entries_of(body: bytes) -> Any:
    return json.loads(gzip.decompress(body))["log"]["entries"]


@pytest.mark.parametrize("kind", ["iterator", "object"])
@pytest.mark.parametrize("operation", ["begin", "part", "finish"])
@pytest.mark.parametrize(
    "error", [StoreErrorKind.CONNECTION, StoreErrorKind.THROTTLED, StoreErrorKind.TIMEOUT, StoreErrorKind.DENIED]
)
def test_what_cannot_be_uploaded_is_spooled_whole(
    kind: str, operation: str, error: StoreErrorKind, tmp_path: Path
) -> None:
    store = PartsStore(**{operation: [failure(error) for _ in range(MANY)]})
    with uploader(store, tmp_path) as up:
        tickets = [up.submit(given(kind, number)) for number in range(2)]
        for ticket in tickets:
            ended(ticket)
        assert [ticket.fate for ticket in tickets] == [Fate.SPOOLED, Fate.SPOOLED]
        store.planned.clear()
    assert not left_over(tmp_path)
    on_disk = spooled(tmp_path)
    for number, ticket in enumerate(tickets):
        body = on_disk.get(ticket.key) or store.objects[ticket.key]
        assert entries_of(body) == expected(number)
    assert up.stats().held_bytes == 0


def test_what_was_uploaded_leaves_nothing_on_disk(tmp_path: Path) -> None:
    store = PartsStore(part=[failure(StoreErrorKind.CONNECTION)])
    with uploader(store, tmp_path) as up:
        ticket = up.submit(entries(1))
        ticket.result(60)
    assert not left_over(tmp_path)
    assert ticket.fate is Fate.UPLOADED
    assert entries_of(store.objects[ticket.key]) == expected(1)
    assert spooled(tmp_path) == {}


def test_closing_spools_a_stream_that_is_in_the_midst_of_being_sent(tmp_path: Path) -> None:
    class Closing(PartsStore):
        def asked(self, operation: str) -> StoreError | None:
            if operation == "begin":  # as close() does, once the time for draining is over
                up._engine.core.scheduler.halted = True
            return super().asked(operation)

    store = Closing()
    up = uploader(store, tmp_path)
    ticket = up.submit(entries(1))
    ended(ticket)
    assert ticket.fate is Fate.SPOOLED
    up.close(10)
    assert entries_of(spooled(tmp_path)[ticket.key]) == expected(1)
    assert store.uploads == {}


class Silent(PartsStore):
    """Never answers a request for a part, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for, self.go_on = threading.Event(), threading.Event()

    def asked(self, operation: str) -> StoreError | None:
        if operation == "part":
            self.asked_for.set()
            self.go_on.wait(60)
            return failure(StoreErrorKind.TIMEOUT)
        return super().asked(operation)


@pytest.mark.parametrize("kind", ["iterator", "object"])
@pytest.mark.parametrize("how", ["close", "flush"])
def test_a_stream_whose_sender_waits_for_ever_is_spooled_by_who_ends_it(kind: str, how: str, tmp_path: Path) -> None:
    store = Silent()
    up = uploader(store, tmp_path)
    ticket = up.submit(given(kind, 1))
    assert store.asked_for.wait(60)
    if how == "flush":
        assert up.flush(1.0).spooled == 1
        store.go_on.set()
        ended(ticket)
        assert ticket.fate is Fate.SPOOLED
    else:
        up.close(1.0)
        store.go_on.set()
    assert entries_of(spooled(tmp_path)[ticket.key]) == expected(1)
    up.close(10)
    assert (up.stats().spooled, up.stats().failed, up.stats().in_flight) == (1, 0, 0)
    assert not left_over(tmp_path)


def test_a_capture_that_cannot_be_encoded_fails_and_leaves_nothing(tmp_path: Path) -> None:
    def bad(place: int) -> None:
        if place == ENTRIES - 1:
            raise CaptureError("planned")

    store = PartsStore(begin=[failure(StoreErrorKind.CONNECTION) for _ in range(MANY)])
    with uploader(store, tmp_path) as up:
        ticket = up.submit(entries(1, bad))
        ended(ticket)
        assert ticket.fate is Fate.FAILED
        store.planned.clear()
    assert not left_over(tmp_path)
    assert spooled(tmp_path) == {}


@pytest.mark.parametrize("status", [400, None], ids=["by-S3", "by-us"])
def test_what_s3_refuses_rests_on_disk_and_what_it_was_never_asked_fails(status: int | None, tmp_path: Path) -> None:
    refusal = StoreError("planned", kind=StoreErrorKind.INVALID, status=status)
    with uploader(PartsStore(part=[refusal] * 9), tmp_path) as up:
        ticket = up.submit(entries(1))
        ended(ticket)
        spool = up.stats().spool
        assert spool is not None
        assert (spool.resting, spool.refused_by_s3) == ((1, 1) if status else (0, 0))
    assert ticket.fate is (Fate.SPOOLED if status else Fate.FAILED)
    assert list(spooled(tmp_path)) == ([ticket.key] if status else [])
    assert not left_over(tmp_path)


def test_a_spool_without_room_keeps_no_copy_and_costs_no_upload(tmp_path: Path) -> None:
    store = PartsStore()
    with uploader(store, tmp_path, spool_bytes=200_000) as up:
        ticket = up.submit(entries(1))
        ticket.result(60)
    assert not left_over(tmp_path)
    assert entries_of(store.objects[ticket.key]) == expected(1)


def test_a_disk_that_fails_keeps_no_copy_and_costs_no_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "planned")

    monkeypatch.setattr("packhorse.uploader.spool.draft.Draft.add", full)
    store = PartsStore()
    with uploader(store, tmp_path) as up:
        ticket = up.submit(entries(1))
        ticket.result(60)
        stats = up.stats().spool
    assert stats is not None
    assert dict(stats.errors) == {"write: ENOSPC": 1}
    assert entries_of(store.objects[ticket.key]) == expected(1)
    assert not left_over(tmp_path)


def test_a_stream_that_fails_while_it_is_sent_leaves_no_copy_that_looks_whole(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("the capture's own")

    spool = Spool(tmp_path, Quota(2**30, 60.0))
    copy = StreamCopy(spool, Header("k", ObjectInfo()), lambda _: True, lambda: False)
    watched = copy.watch(chunks())
    assert next(watched) == b"first"
    with pytest.raises(ValueError, match="own"):
        next(watched)
    assert not copy.usable
    assert not left_over(tmp_path)
    with pytest.raises(OSError, match="could not be written"):
        copy.finish(iter(()))
    assert spooled(tmp_path) == {}


@pytest.mark.parametrize("good", [True, False])
def test_a_stream_that_is_taken_over_is_sent_no_further(good: bool, tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        yield b"second"
        if not good:
            raise ValueError("the capture's own")

    copy = StreamCopy(Spool(tmp_path, Quota(2**30, 60.0)), Header("k", ObjectInfo()), lambda _: True, lambda: False)
    stream = chunks()
    watched = copy.watch(stream)
    assert next(watched) == b"first"
    with copy.lock, contextlib.nullcontext() if good else pytest.raises(ValueError, match="own"):
        claim = copy.take_over(stream, math.inf)
        assert claim is not None
        with SpooledFile(claim.path) as file:
            assert b"".join(file.chunks()) == b"firstsecond"
    assert not copy.usable
    assert good or not left_over(tmp_path)
    with pytest.raises(GivesWay):
        next(watched)


def test_a_stream_for_which_there_was_no_time_is_finished_by_its_sender(tmp_path: Path) -> None:
    copy = StreamCopy(Spool(tmp_path, Quota(2**30, 60.0)), Header("k", ObjectInfo()), lambda _: True, lambda: False)
    stream = iter([b"first", b"second", b"third"])
    watched = copy.watch(stream)
    assert next(watched) == b"first"
    with copy.lock:
        assert copy.take_over(stream, -math.inf) is None
    with pytest.raises(GivesWay):
        next(watched)
    with SpooledFile(copy.finish(stream).path) as file:
        assert b"".join(file.chunks()) == b"firstsecondthird"
