"""Multipart uploads under fire: each request is made again, and an object whose last answer was lost is recognised."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from packhorse.errors import StoreError, StoreErrorKind, UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo, PutResult
from packhorse.stores.multipart import META_UPLOAD, PARTS_IN_FLIGHT
from packhorse.uploader.job import State
from packhorse.uploader.part_retry import Resending
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import FakeStore, failure, options
from tests.uploader.reliability import ROOT

PROFILE = Profile("parts", Pipeline.parse("json:chunk=1MiB | lz4 | raw | memory"), max_in_flight=2)
#: Three parts.
TEXT_BYTES = 2 * DEFAULT_PART_BYTES + 1000
#: Nothing that lz4 makes smaller.
TEXT = base64.b64encode(random.Random(1).randbytes(TEXT_BYTES)).decode()[:TEXT_BYTES]


class PartsStore(FakeStore):
    """Keeps parts; fails the first requests of each operation as planned. ``lost``: what was asked for was done."""

    def __init__(self, **planned: list[StoreError]) -> None:
        super().__init__()
        self.planned = planned
        self.lost: set[str] = set()
        self.made: list[str] = []
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.lock = threading.Lock()

    def sender(self, key: str, info: ObjectInfo) -> _Sender:
        return _Sender(self, key, info)

    def asked(self, operation: str) -> StoreError | None:
        with self.lock:
            self.made.append(operation)
            plan = self.planned.get(operation)
            return plan.pop(0) if plan else None

    def count(self, operation: str) -> int:
        return self.made.count(operation)


class _Sender:
    def __init__(self, store: PartsStore, key: str, info: ObjectInfo) -> None:
        self.store, self.key, self.info = store, key, info

    def _go(self, operation: str) -> None:
        error = self.store.asked(operation)
        if error is not None:
            raise error

    def whole(self, body: bytes) -> PutResult:
        raise AssertionError("the test's captures are larger")

    def begin(self) -> str:
        self._go("begin")
        name = f"upload-{self.store.count('begin')}"
        self.store.uploads[name] = {}
        return name

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        self._go("part")
        self.store.uploads[upload_id][number] = body
        return f'"{number}"'

    def finish(self, upload_id: str, etags: list[str]) -> str:
        error = self.store.asked("finish")
        if error is not None and "finish" not in self.store.lost:
            raise error
        parts = self.store.uploads.pop(upload_id, None)
        if parts is None:
            raise error or StoreError("no such upload", kind=StoreErrorKind.NOT_FOUND, status=404, code="NoSuchUpload")
        assert len(etags) == len(parts)
        self.store.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
        self.store.infos[self.key] = self.info
        if error is not None:
            raise error
        return "etag"

    def abort(self, upload_id: str) -> None:
        self._go("abort")
        self.store.uploads.pop(upload_id, None)

    def stored(self) -> tuple[str, int, ObjectInfo] | None:
        self._go("stored")
        body = self.store.objects.get(self.key)
        return None if body is None else ("looked-up", len(body), self.store.infos[self.key])


@pytest.fixture(scope="module")
def capture() -> dict[str, Any]:
    return {"log": {"entries": [{"text": TEXT[n * (TEXT_BYTES // 8) : (n + 1) * (TEXT_BYTES // 8)]} for n in range(8)]}}


def run(store: PartsStore, capture: Any, **more: Any) -> tuple[str, str]:
    """Upload it; the fate and its reason, or the entity tag."""
    chosen = options(store, stream_above_bytes=100_000, **more)
    with Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=chosen) as up:
        ticket = up.submit(capture, key="key")
        try:
            said = ticket.result(60).etag
        except UploadFailed:
            said = ticket.reason
    assert up.stats().held_bytes == 0
    return ticket.fate.value, said


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.001)


@pytest.mark.parametrize("operation", ["begin", "part", "finish"])
@pytest.mark.parametrize("kind", [StoreErrorKind.CONNECTION, StoreErrorKind.THROTTLED, StoreErrorKind.SERVER])
def test_each_request_is_made_again(operation: str, kind: StoreErrorKind, capture: Any) -> None:
    store = PartsStore(**{operation: [failure(kind), failure(kind)]})
    assert run(store, capture)[0] == "uploaded"
    assert len(store.objects["key"]) > 2 * DEFAULT_PART_BYTES
    assert store.uploads == {}
    assert store.count("finish") == (3 if operation == "finish" else 1)
    assert len(store.infos["key"].metadata[META_UPLOAD]) == 16


def test_an_object_whose_last_answer_was_lost_is_recognised(capture: Any) -> None:
    store = PartsStore(finish=[failure(StoreErrorKind.CONNECTION)])
    store.lost = {"finish"}
    assert run(store, capture) == ("uploaded", "looked-up")
    assert store.count("finish") == 1


def test_it_is_recognised_also_when_only_the_repetition_says_that_there_is_no_such_upload(capture: Any) -> None:
    down = failure(StoreErrorKind.CONNECTION)
    store = PartsStore(finish=[failure(StoreErrorKind.TIMEOUT)], stored=[down])
    store.lost = {"finish"}
    assert run(store, capture) == ("uploaded", "looked-up")
    assert store.count("finish") == 2


def exists() -> StoreError:
    return StoreError("exists", kind=StoreErrorKind.CONFLICT, status=412, code="PreconditionFailed")


@pytest.mark.parametrize("looks", [1, 2])
def test_it_is_recognised_also_when_the_repetition_says_that_there_is_an_object(looks: int, capture: Any) -> None:
    """As with ``create_only``, also when the object cannot be looked at for the moment."""
    finish = [failure(StoreErrorKind.TIMEOUT), *(exists() for _ in range(looks))]
    store = PartsStore(finish=finish, stored=[failure(StoreErrorKind.CONNECTION) for _ in range(looks)])
    store.lost = {"finish"}
    assert run(store, capture) == ("uploaded", "looked-up")
    assert store.count("finish") == looks + 1


def test_a_request_that_raises_anything_else_finds_nothing_out_any_more() -> None:
    class Odd(PartsStore):
        def asked(self, operation: str) -> StoreError | None:
            error = super().asked(operation)
            if error is None:
                raise SystemExit
            return error

    store = Odd(begin=[failure(StoreErrorKind.CONNECTION)])
    with Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=options(store)) as up:
        engine = up._engine
        engine.core.scheduler.breaker.trip(-1e9)
        job = engine.job({}, "key")
        engine.core.count(job)
        for state in (State.QUEUED, State.ENCODING, State.SENDING):
            engine.core.table.move(job, state)
        sending = Resending(engine.core, job, store.sender("key", ObjectInfo()), "mark")
        with pytest.raises(SystemExit):
            sending.begin()
        assert store.count("begin") == 2
        assert engine.core.scheduler.breaker.probes == 0
        engine.core.finish(job, Fate.FAILED)


@pytest.mark.parametrize("said", [StoreErrorKind.NOT_FOUND, StoreErrorKind.CONFLICT])
def test_somebody_elses_object_is_not_taken_for_it(said: StoreErrorKind, capture: Any) -> None:
    store = PartsStore(finish=[StoreError("no such upload, or it exists", kind=said, status=404)])
    store.objects["key"], store.infos["key"] = b"other", ObjectInfo(metadata={META_UPLOAD: "0" * 16})
    fate, reason = run(store, capture)
    assert (fate, reason.partition(":")[0]) == ("failed", "store")
    assert store.objects["key"] == b"other"
    assert store.uploads == {}


def test_what_keeps_failing_is_given_up_and_thrown_away(capture: Any) -> None:
    store = PartsStore(part=[failure(StoreErrorKind.SERVER)] * 100, abort=[failure(StoreErrorKind.CONNECTION)])
    assert run(store, capture, max_attempts=3)[0] == "failed"
    assert store.count("part") <= PARTS_IN_FLIGHT * 3
    assert store.count("abort") == 2
    assert store.uploads == {}


def test_a_refusal_for_good_is_not_tried_again(capture: Any) -> None:
    store = PartsStore(part=[failure(StoreErrorKind.DENIED)] * 100)
    assert run(store, capture)[0] == "failed"
    assert store.count("part") <= PARTS_IN_FLIGHT
    assert store.uploads == {}


def test_closing_ends_the_wait_for_another_try(capture: Any) -> None:
    store = PartsStore(part=[failure(StoreErrorKind.SERVER)] * 100)
    chosen = options(
        store, stream_above_bytes=100_000, backoff_base_s=1000.0, backoff_max_s=1000.0, deadline_s=10_000.0
    )
    up = Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=chosen)
    ticket = up.submit(capture, key="key")
    while not store.count("part"):
        threading.Event().wait(0.005)
    up.close(deadline_s=0.1)
    assert ticket.fate.value == "failed"


SMALL: dict[str, Any] = {"log": {"entries": []}}


def test_streams_that_wait_for_s3_keep_nobody_else_from_finding_it(capture: Any) -> None:
    store = PartsStore(begin=[failure(StoreErrorKind.CONNECTION)] * 100)
    pauses = {"backoff_base_s": 1e4, "backoff_max_s": 1e4, "deadline_s": 1e6}
    chosen = options(store, stream_above_bytes=100_000, max_in_flight=2, **pauses)
    up = Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=chosen)
    engine = up._engine
    streams = [up.submit(capture, key=f"stream/{number}") for number in range(3)]  # one more than there are permits
    wait_for(lambda: store.count("begin") == 3)
    for _ in range(5):
        up.upload(SMALL, timeout_s=30)
    up.close(deadline_s=0.1)
    assert {ticket.fate.value for ticket in streams} == {"failed"}
    wait_for(
        lambda: (
            (engine.core.scheduler.uploading, engine.core.table.count(State.PARKED), engine.core.scheduler.returning)
            == (0, 0, 0)
        )
    )  # close waits for a moment


def test_a_stream_goes_on_with_a_permit_and_before_others(capture: Any, monkeypatch: Any) -> None:
    store = PartsStore(part=[failure(StoreErrorKind.SERVER)])
    chosen = options(store, stream_above_bytes=100_000, max_in_flight=1)
    due = threading.Event()
    with Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=chosen) as up:
        engine = up._engine
        monkeypatch.setattr(engine.core.scheduler, "resend_wait_s", lambda *_: 0.0 if due.is_set() else 0.01)
        store.gate.clear()
        stream = up.submit(capture)
        wait_for(lambda: engine.core.table.count(State.PARKED) == 1)
        small = [up.submit(SMALL) for _ in range(20)]
        wait_for(lambda: store.concurrent == 1)  # one of them has the permit, and is held up
        due.set()
        wait_for(lambda: engine.core.scheduler.returning == 1)
        before: list[int] = []
        stream.add_done_callback(lambda _: before.append(sum(ticket.done() for ticket in small)))
        store.gate.set()
        assert stream.result(30).stored_bytes > TEXT_BYTES
        for ticket in small:
            ticket.result(30)
    assert before == [1]
    assert store.most_concurrent == 1
    wait_for(
        lambda: (
            (engine.core.scheduler.uploading, engine.core.table.count(State.PARKED), engine.core.scheduler.returning)
            == (0, 0, 0)
        )
    )  # close waits for a moment


def all_is_free(up: Uploader) -> bool:
    """No permit is in use, no stream waits: ``close()`` waits for that only for a moment."""
    core = up._engine.core
    return (core.scheduler.uploading, core.table.count(State.PARKED), core.scheduler.returning) == (0, 0, 0)


NOT_CLOSED = """
import threading
from packhorse.errors import StoreErrorKind
from tests.uploader.fakes import failure, options
from tests.uploader.test_parts import PROFILE, TEXT, PartsStore, Uploader

store = PartsStore(part=[failure(StoreErrorKind.SERVER)] * 100)
pauses = {"backoff_base_s": 1e4, "backoff_max_s": 1e4, "deadline_s": 1e6}
up = Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=options(store, stream_above_bytes=1000, **pauses))
ticket = up.submit({"log": {"entries": [{"text": TEXT}]}}, key="key")
while not store.count("part"):
    threading.Event().wait(0.005)
ticket.add_done_callback(lambda ticket: print(ticket.fate.value))
"""


def test_the_interpreter_does_not_wait_for_another_try() -> None:
    """Threads of executors are joined before anything that ``atexit`` knows of."""
    command = [sys.executable, "-W", "error", "-c", NOT_CLOSED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "failed\n"), done.stderr
