"""The account: every submitted capture has exactly one fate, whatever happens to it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import InputError, QueueFull, StoreError, StoreErrorKind, UploaderClosed, UploadFailed
from packhorse.model import har_stream
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult
from packhorse.uploader.account import Stats
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import PROFILE, FakeStore, failure, fill, options

CAPTURE = {"log": {"version": "1.2", "entries": [{"n": n, "text": "é" * 50} for n in range(40)]}}
KIB100 = {"log": {"entries": [{"text": "x" * 1000} for _ in range(100)]}}


def uploader(store: FakeStore, *, budget: int = 64 * 2**20, **more: Any) -> Uploader:
    return Uploader(
        "s3://bucket/pre/fix/",
        profile=PROFILE,
        redact=False,
        memory_budget_bytes=budget,
        options=options(store, **more),
    )


def balanced(stats: Stats) -> bool:
    fates = stats.uploaded + stats.spooled + stats.dropped + stats.failed + stats.in_flight
    return stats.submitted == fates and sum(stats.reasons.values()) == stats.dropped + stats.failed


def test_the_receipt_tells_what_was_stored() -> None:
    store = FakeStore()
    with uploader(store) as up:
        ticket = up.submit(CAPTURE)
        receipt = ticket.result(60)
    plain = gzip.decompress(store.objects[ticket.key])
    assert json.loads(plain) == CAPTURE
    assert ticket.key.startswith("pre/fix/")
    assert ticket.key.endswith(".json.gz")
    assert ticket.url == f"s3://bucket/{ticket.key}"
    assert receipt.plain_bytes == len(plain)
    assert receipt.stored_bytes == len(store.objects[ticket.key])
    assert receipt.crc32 == f"{zlib.crc32(plain):08x}"
    assert receipt.sha256 == ""
    assert receipt.attempts == 1
    assert set(receipt.seconds) == {"queue", "encode", "wait", "upload"}
    info = store.infos[ticket.key]
    assert (info.content_type, info.content_encoding) == ("application/json", "gzip")
    assert info.metadata["packhorse-wire"] == "json gzip raw"
    assert info.metadata["packhorse-plain-crc32"] == receipt.crc32
    assert "packhorse-plain-sha256" not in info.metadata
    stats = up.stats()
    assert (stats.uploaded, stats.held_bytes, stats.in_flight) == (1, 0, 0)
    assert balanced(stats)


@pytest.mark.parametrize("kind", ["dict", "list", "bytes", "path", "stream", "iterator"])
def test_every_type_of_capture(kind: str, tmp_path: Path) -> None:
    entries: list[Any] = CAPTURE["log"]["entries"]  # type: ignore[assignment]
    path = tmp_path / "some.har"
    path.write_text(json.dumps(CAPTURE), encoding="utf-8")
    given = {
        "dict": CAPTURE,
        "list": entries,
        "bytes": json.dumps(CAPTURE).encode(),
        "path": path,
        "stream": har_stream(iter(entries)),
        "iterator": iter(entries),
    }[kind]
    store = FakeStore()
    with uploader(store) as up:
        key = up.upload(given, timeout_s=60).key
    stored = json.loads(gzip.decompress(store.objects[key]))
    assert stored == entries if kind == "list" else stored["log"]["entries"] == entries


def test_a_capture_that_cannot_be_encoded_fails_alone() -> None:
    cycle: dict[str, Any] = {"log": {"entries": [1, 2]}}
    cycle["log"]["self"] = cycle
    bad: list[Any] = [cycle, {"log": {"entries": [object()]}}, b"{not json", object(), 5, Path("/nowhere/at/all.har")]
    store = FakeStore()
    with uploader(store) as up:
        tickets = [up.submit(capture) for capture in bad]
        good = up.submit(CAPTURE)
        assert good.result(60).attempts == 1
        for ticket in tickets:
            with pytest.raises(UploadFailed):
                ticket.result(60)
            assert ticket.fate is Fate.FAILED
            assert ticket.reason
    stats = up.stats()
    assert (stats.failed, stats.uploaded) == (len(bad), 1)
    assert balanced(stats)
    assert stats.held_bytes == 0


def test_without_room_submit_nowait_drops_and_submit_raises() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, budget=250_000, max_in_flight=1) as up:
        tickets = [up.submit_nowait(KIB100) for _ in range(50)]
        fates = {ticket.fate for ticket in tickets}
        assert Fate.DROPPED in fates
        fill(up, KIB100)
        with pytest.raises(QueueFull, match="no room"):
            up.submit(KIB100, timeout_s=0.01)
        assert balanced(up.stats())
        assert up.stats().peak_held_bytes <= 250_000
        store.gate.set()
    stats = up.stats()
    assert stats.in_flight == 0
    assert stats.uploaded == len(store.objects)
    assert balanced(stats)


def test_a_capture_larger_than_the_budget_is_refused_at_once() -> None:
    with uploader(FakeStore(), budget=1000) as up:
        reason = up.submit_nowait(KIB100).reason
        assert reason.startswith("larger than the memory budget: this capture counts as ")
        assert reason.endswith("memory_budget_bytes is 1000; raise it")
        assert list(up.stats().reasons) == ["dropped: larger than the memory budget"]
        with pytest.raises(QueueFull, match="larger than the memory budget"):
            up.submit(KIB100)
        with pytest.raises(QueueFull):
            up.submit(KIB100, timeout_s=0)


def test_submit_waits_for_room() -> None:
    store = FakeStore()
    with uploader(store, budget=150_000, max_in_flight=1) as up:
        tickets = [up.submit(KIB100, timeout_s=60) for _ in range(30)]
        assert all(ticket.result(60).attempts == 1 for ticket in tickets)
    assert up.stats().uploaded == 30


def test_transient_failures_are_tried_again_within_the_budget() -> None:
    store = FakeStore([failure(StoreErrorKind.THROTTLED), failure(StoreErrorKind.CONNECTION)])
    with uploader(store) as up:
        assert up.upload(CAPTURE, timeout_s=60).attempts == 3
    assert up.stats().attempts == 3


@pytest.mark.parametrize("kind", [StoreErrorKind.DENIED, StoreErrorKind.NOT_FOUND, StoreErrorKind.INVALID])
def test_permanent_failures_are_not(kind: StoreErrorKind) -> None:
    store = FakeStore([failure(kind)])
    with uploader(store) as up, pytest.raises(UploadFailed, match=kind.value):
        up.upload(CAPTURE, timeout_s=60)
    assert store.attempts == 1
    assert up.stats().reasons == {f"failed: store: {kind.value}": 1}


def test_in_a_total_outage_attempts_stay_near_captures() -> None:
    captures = 400
    store = FakeStore([failure(StoreErrorKind.SERVER)] * captures * 5)
    with uploader(store, deadline_s=2.0) as up:
        tickets = [up.submit(CAPTURE) for _ in range(captures)]
        for ticket in tickets:
            with pytest.raises(UploadFailed):
                ticket.result(60)
    assert up.stats().failed == captures
    assert store.attempts <= 1.1 * captures + 10  # the ten retries saved up at the start


def test_at_most_max_in_flight_at_once_also_after_a_change() -> None:
    store = FakeStore()
    with uploader(store, max_in_flight=3) as up:
        for ticket in [up.submit(CAPTURE) for _ in range(60)]:
            ticket.result(60)
        assert store.most_concurrent <= 3
        store.most_concurrent = 0
        up.set_limits(max_in_flight=1)
        for ticket in [up.submit(CAPTURE) for _ in range(30)]:
            ticket.result(60)
        assert store.most_concurrent == 1


def test_close_drains_and_then_takes_no_more() -> None:
    before = set(threading.enumerate())  # of uploaders that others have left open
    store = FakeStore()
    up = uploader(store)
    tickets = [up.submit(CAPTURE) for _ in range(50)]
    up.close()
    assert all(ticket.fate is Fate.UPLOADED for ticket in tickets)
    with pytest.raises(UploaderClosed):
        up.submit(CAPTURE)
    up.close()
    assert not set(threading.enumerate()) - before


def test_close_gives_up_at_its_deadline_and_counts_what_is_left() -> None:
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, max_in_flight=2)
    tickets = [up.submit(CAPTURE) for _ in range(20)]
    while store.concurrent < 2:
        time.sleep(0.005)
    up.close(deadline_s=0.2)
    stats = up.stats()
    assert stats.dropped >= 18
    assert balanced(stats)
    assert stats.in_flight == 0
    assert stats.held_bytes == 0
    assert {ticket.fate for ticket in tickets} == {Fate.DROPPED, Fate.FAILED}
    on_the_wire = [ticket for ticket in tickets if ticket.fate is Fate.FAILED]
    assert len(on_the_wire) == 2
    assert all("not known" in ticket.reason for ticket in on_the_wire)
    store.gate.set()
    up.close(deadline_s=60)
    assert up.stats() == stats


def test_large_captures_are_streamed_while_they_are_encoded() -> None:
    store = FakeStore()
    source = random.Random(1)
    capture = {"log": {"entries": [{"text": source.randbytes(1000).hex()} for _ in range(2000)]}}
    with uploader(store, stream_above_bytes=100_000, plain_sha256=True) as up:
        receipt = up.upload(capture, timeout_s=60)
    assert json.loads(gzip.decompress(store.objects[receipt.key])) == capture
    assert not {"packhorse-plain-crc32", "packhorse-plain-sha256"} & set(store.infos[receipt.key].metadata)
    plain = gzip.decompress(store.objects[receipt.key])
    assert (receipt.crc32, receipt.sha256) == (f"{zlib.crc32(plain):08x}", hashlib.sha256(plain).hexdigest())


def test_a_pool_below_the_limit_is_refused_with_both_numbers() -> None:
    profile = Profile("p", Pipeline.parse("json | gzip | raw | obstore:pool=4"), max_in_flight=16)
    with pytest.raises(InputError, match=r"16.*4"):
        Uploader("s3://bucket", profile=profile)


def test_what_everybody_sets_may_be_given_as_arguments() -> None:
    up = Uploader(
        "s3://bucket/x",
        profile=PROFILE,
        max_in_flight=500,
        deadline_s=7.0,
        close_deadline_s=3.0,
        region="eu-west-1",
        access_key_id="key",
        secret_access_key="secret",
        session_token="token",
        options=UploaderOptions(max_attempts=2),
    )
    engine = up._engine
    assert (engine.permits.limit, engine.options.deadline_s, engine.options.close_deadline_s) == (500, 7.0, 3.0)
    assert engine.options.max_attempts == 2
    endpoint = engine.client.endpoint
    assert (endpoint.region, endpoint.access_key, endpoint.secret_key) == ("eu-west-1", "key", "secret")
    assert endpoint.session_token == "token"
    up.close()


GIVEN_ENDPOINT = Endpoint("bucket", region="us-east-1", access_key="a", secret_key="b")


@pytest.mark.parametrize(
    ("given", "chosen", "told"),
    [
        ({"max_in_flight": 5}, {"max_in_flight": 6}, "max_in_flight and options.max_in_flight"),
        ({"deadline_s": 5.0}, {"deadline_s": 6.0}, "deadline_s and options.deadline_s"),
        ({"close_deadline_s": 5.0}, {"close_deadline_s": 6.0}, "close_deadline_s and options.close_deadline_s"),
        ({"region": "x"}, {"endpoint": GIVEN_ENDPOINT}, "region and options.endpoint.region"),
        (
            {"access_key_id": "x", "secret_access_key": "y"},
            {"endpoint": GIVEN_ENDPOINT},
            "access_key_id and options.endpoint.access_key",
        ),
        ({"access_key_id": "x"}, {}, "access_key_id and secret_access_key"),
        ({"endpoint_url": "http://127.0.0.1:1"}, {"endpoint": GIVEN_ENDPOINT}, "endpoint_url and options.endpoint"),
    ],
)
def test_what_is_given_twice_is_refused_with_both_names(given: Any, chosen: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Uploader("s3://bucket/x", profile=PROFILE, options=UploaderOptions(**chosen), **given)


def test_what_is_given_twice_alike_is_taken() -> None:
    with Uploader("s3://bucket", profile=PROFILE, max_in_flight=6, options=options(FakeStore(), max_in_flight=6)) as up:
        assert up.upload(CAPTURE, timeout_s=60).attempts == 1


@pytest.mark.parametrize("url", ["http://bucket/key", "s3://", "bucket", "s3:///key", ""])
def test_bad_urls(url: str) -> None:
    with pytest.raises(InputError, match=r"s3://|bucket"):
        Uploader(url, profile=PROFILE)


@pytest.mark.parametrize("key", ["", "a/../b", "a\nb", "k" * 1025, "\ud800"])
def test_bad_keys_are_refused_before_anything_is_counted(key: str) -> None:
    with uploader(FakeStore()) as up:
        with pytest.raises(InputError, match="key"):
            up.submit(CAPTURE, key=key)
        assert up.stats().submitted == 0


def test_bad_options() -> None:
    with pytest.raises(InputError, match="max_attempts"):
        UploaderOptions(max_attempts=0)
    with pytest.raises(InputError, match="memory_budget_bytes"):
        Uploader("s3://bucket", profile=PROFILE, memory_budget_bytes=0)


def test_closing_while_a_capture_is_being_encoded_gives_it_a_fate() -> None:
    release = threading.Event()

    def slow() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        release.wait(20)

    up = uploader(FakeStore())
    ticket = up.submit(slow())
    up.close(deadline_s=0.05)
    assert ticket.fate is Fate.DROPPED
    with pytest.raises(UploadFailed, match="stopped before"):
        ticket.result(60)
    assert balanced(up.stats())
    assert (up.stats().in_flight, up.stats().held_bytes) == (0, 0)
    release.set()


class Panic(BaseException):
    """What a Rust library's panic looks like from Python."""


def test_workers_outlive_panics_in_encoders_and_clients() -> None:
    def panicking() -> Iterator[dict[str, int]]:
        raise Panic
        yield {}

    class PanickingStore(FakeStore):
        def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
            if key.startswith("bad"):
                raise Panic
            return super().put(key, body, info)

    with uploader(PanickingStore()) as up:
        tickets = [up.submit(panicking()) for _ in range(5)] + [up.submit(CAPTURE, key=f"bad{n}") for n in range(9)]
        for ticket in tickets:
            with pytest.raises(UploadFailed, match="Panic"):
                ticket.result(60)
        assert up.upload(CAPTURE, timeout_s=60).attempts == 1
    stats = up.stats()
    assert (stats.failed, stats.uploaded, stats.held_bytes) == (14, 1, 0)
    assert balanced(stats)


def test_no_thread_to_be_had_is_a_counted_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    up = uploader(FakeStore())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert up.submit_nowait(CAPTURE).fate is Fate.DROPPED
    assert up.upload(CAPTURE, timeout_s=60).attempts == 1
    up.close()
    assert balanced(up.stats())


def test_one_thread_more_that_is_not_to_be_had_costs_no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def refuse(self: threading.Thread) -> None:
        refused.append(self.name)
        raise RuntimeError("can't start new thread")

    store = FakeStore()
    up = uploader(store, max_in_flight=8)
    up.upload(CAPTURE, timeout_s=60)
    store.gate.clear()  # whoever sends is needed again, and not there
    pool = up._engine.core.pool
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        tickets = [up.submit(CAPTURE) for _ in range(20)]
        end_s = time.monotonic() + 60
        while not refused and time.monotonic() < end_s:
            time.sleep(0.01)
        store.gate.set()
        for ticket in tickets:
            ticket.result(60)
    assert refused
    with up._engine.core.lock:
        threads = [thread for thread in up._engine.core.threads if thread.is_alive()]
        assert (pool.running, pool.ordered) == (len(threads), 0)
    up.close()
    assert balanced(up.stats())


def test_an_interrupted_wait_for_room_is_counted() -> None:
    """The main thread is interrupted where it waits, by a signal, as Ctrl-C does it."""
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, budget=24_000, max_in_flight=1)
    fill(up, CAPTURE)

    def interrupt() -> None:
        while not len(up._engine.core.line):
            time.sleep(0.01)
        time.sleep(0.2)  # from standing in line to waiting there
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        up.submit(CAPTURE)
    thread.join()
    store.gate.set()
    up.close(deadline_s=60)
    assert up.stats().reasons["dropped: the wait for room was interrupted"] == 1
    assert balanced(up.stats())


def test_no_attempt_is_begun_after_stopping_or_past_the_deadline() -> None:
    patient = StoreError("slow down", kind=StoreErrorKind.THROTTLED, retry_after_s=86_400)
    store = FakeStore([patient])
    with uploader(store, deadline_s=60) as up, pytest.raises(UploadFailed, match="throttled"):
        up.upload(CAPTURE, timeout_s=60)
    assert store.attempts == 1
    store = FakeStore([failure(StoreErrorKind.SERVER)])
    up = uploader(store, backoff_base_s=1000.0, backoff_max_s=1000.0, deadline_s=100_000)
    ticket = up.submit(CAPTURE)
    while store.attempts == 0:
        time.sleep(0.005)
    up.close(deadline_s=0.05)
    assert ticket.fate is Fate.FAILED
    assert store.attempts == 1


def test_raising_the_limit_starts_threads_for_what_waits() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, max_in_flight=1) as up:
        tickets = [up.submit(CAPTURE) for _ in range(12)]
        while up.stats().attempts == 0 or len(up._engine.core.table.ready) < 11:
            time.sleep(0.005)
        up.set_limits(max_in_flight=6)
        while store.concurrent < 6:
            time.sleep(0.005)
        store.gate.set()
        for ticket in tickets:
            ticket.result(60)
    assert store.most_concurrent == 6


def test_a_stream_that_was_never_begun_closes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "large.har"
    source = random.Random(2)
    entries = [{"text": source.randbytes(500).hex()} for _ in range(500)]
    path.write_text(json.dumps({"log": {"entries": entries}}), encoding="utf-8")
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, budget=256 * 2**20, max_in_flight=1, stream_above_bytes=10_000)
    tickets = [up.submit(path) for _ in range(3)]
    while len(up._engine.core.table.ready) < 2:
        time.sleep(0.005)
    opened = Path("/proc/self/fd")
    holding = [fd for fd in opened.iterdir() if fd.exists() and fd.resolve() == path]
    assert len(holding) == 3
    store.gate.set()
    up.close(deadline_s=0)
    assert {ticket.fate for ticket in tickets} <= {Fate.UPLOADED, Fate.DROPPED, Fate.FAILED}
    deadline = time.monotonic() + 60
    while [fd for fd in opened.iterdir() if fd.exists() and fd.resolve() == path] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [fd for fd in opened.iterdir() if fd.exists() and fd.resolve() == path]


def test_close_from_a_callback_and_reasons_stay_few() -> None:
    up = uploader(FakeStore())
    done = threading.Event()

    def end(_: Ticket) -> None:
        up.close(5)
        done.set()

    up.submit(CAPTURE).add_done_callback(end)
    assert done.wait(60)
    up = uploader(FakeStore())
    tickets = [up.submit(b" " * n + b"{nope") for n in range(1, 60)]
    up.close()
    assert all(ticket.fate is Fate.FAILED for ticket in tickets)
    assert len(up.stats().reasons) <= 2
    assert balanced(up.stats())


def test_the_plain_digest_can_be_left_out() -> None:
    store = FakeStore()
    with uploader(store, plain_sha256=False) as up:
        receipt = up.upload(CAPTURE, timeout_s=60)
    assert receipt.sha256 == ""
    assert "packhorse-plain-sha256" not in store.infos[receipt.key].metadata
    assert "packhorse-plain-bytes" in store.infos[receipt.key].metadata


def test_submitting_from_many_threads_keeps_the_account() -> None:
    store = FakeStore()
    looks: list[bool] = []
    with uploader(store, budget=500_000) as up:

        def produce() -> None:
            for _ in range(50):
                up.submit_nowait(CAPTURE)
                looks.append(balanced(up.stats()))

        threads = [threading.Thread(target=produce) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(looks)
    stats = up.stats()
    assert stats.submitted == 400
    assert stats.uploaded == len(store.objects)
    assert stats.in_flight == 0
