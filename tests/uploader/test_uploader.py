"""The account: every submitted capture has exactly one fate, whatever happens to it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import InputError, QueueFull, StoreErrorKind, UploaderClosed, UploadFailed
from packhorse.model import har_stream
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.uploader.ledger import Stats
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, failure, options

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
        receipt = ticket.result(10)
    plain = gzip.decompress(store.objects[ticket.key])
    assert json.loads(plain) == CAPTURE
    assert ticket.key.startswith("pre/fix/")
    assert ticket.key.endswith(".json.gz")
    assert ticket.url == f"s3://bucket/{ticket.key}"
    assert receipt.plain_bytes == len(plain)
    assert receipt.stored_bytes == len(store.objects[ticket.key])
    assert receipt.sha256 == hashlib.sha256(plain).hexdigest()
    assert receipt.attempts == 1
    assert set(receipt.seconds) == {"queue", "encode", "wait", "upload"}
    info = store.infos[ticket.key]
    assert (info.content_type, info.content_encoding) == ("application/json", "gzip")
    assert info.metadata["packhorse-wire"] == "json gzip raw"
    assert info.metadata["packhorse-plain-sha256"] == receipt.sha256
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
        key = up.upload(given, timeout_s=20).key
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
        assert good.result(10).attempts == 1
        for ticket in tickets:
            with pytest.raises(UploadFailed):
                ticket.result(10)
            assert ticket.fate is Fate.FAILED
            assert ticket.reason
    stats = up.stats()
    assert (stats.failed, stats.uploaded) == (len(bad), 1)
    assert balanced(stats)
    assert stats.held_bytes == 0


def fill(up: Uploader) -> None:
    for _ in range(2000):  # bodies compress well: it takes many to fill the budget for good
        up.submit(KIB100, timeout_s=0.01)


def test_without_room_submit_nowait_drops_and_submit_raises() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, budget=250_000, max_in_flight=1) as up:
        tickets = [up.submit_nowait(KIB100) for _ in range(50)]
        fates = {ticket.fate for ticket in tickets}
        assert Fate.DROPPED in fates
        with pytest.raises(QueueFull, match="no room"):
            fill(up)
        assert balanced(up.stats())
        assert up.stats().peak_held_bytes <= 250_000
        store.gate.set()
    stats = up.stats()
    assert stats.in_flight == 0
    assert stats.uploaded == len(store.objects)
    assert balanced(stats)


def test_a_capture_larger_than_the_budget_is_refused_at_once() -> None:
    with uploader(FakeStore(), budget=1000) as up:
        assert up.submit_nowait(KIB100).reason == "larger than the memory budget"
        with pytest.raises(QueueFull, match="larger than the memory budget"):
            up.submit(KIB100)


def test_submit_waits_for_room() -> None:
    store = FakeStore()
    with uploader(store, budget=150_000, max_in_flight=1) as up:
        tickets = [up.submit(KIB100, timeout_s=20) for _ in range(30)]
        assert all(ticket.result(20).attempts == 1 for ticket in tickets)
    assert up.stats().uploaded == 30


def test_transient_failures_are_tried_again_within_the_budget() -> None:
    store = FakeStore([failure(StoreErrorKind.THROTTLED), failure(StoreErrorKind.CONNECTION)])
    with uploader(store) as up:
        assert up.upload(CAPTURE, timeout_s=10).attempts == 3
    assert up.stats().attempts == 3


@pytest.mark.parametrize("kind", [StoreErrorKind.DENIED, StoreErrorKind.NOT_FOUND, StoreErrorKind.INVALID])
def test_permanent_failures_are_not(kind: StoreErrorKind) -> None:
    store = FakeStore([failure(kind)])
    with uploader(store) as up, pytest.raises(UploadFailed, match=kind.value):
        up.upload(CAPTURE, timeout_s=10)
    assert store.attempts == 1
    assert up.stats().reasons == {f"failed: store: {kind.value}": 1}


def test_in_a_total_outage_attempts_stay_near_captures() -> None:
    captures = 400
    store = FakeStore([failure(StoreErrorKind.SERVER)] * captures * 5)
    with uploader(store) as up:
        tickets = [up.submit(CAPTURE) for _ in range(captures)]
        for ticket in tickets:
            with pytest.raises(UploadFailed):
                ticket.result(30)
    assert up.stats().failed == captures
    assert store.attempts <= 1.1 * captures + 10  # the ten retries saved up at the start


def test_at_most_max_in_flight_at_once_also_after_a_change() -> None:
    store = FakeStore()
    with uploader(store, max_in_flight=3) as up:
        for ticket in [up.submit(CAPTURE) for _ in range(60)]:
            ticket.result(20)
        assert store.most_concurrent <= 3
        store.most_concurrent = 0
        up.set_limits(max_in_flight=1)
        for ticket in [up.submit(CAPTURE) for _ in range(30)]:
            ticket.result(20)
        assert store.most_concurrent == 1


def test_close_drains_and_then_takes_no_more() -> None:
    store = FakeStore()
    up = uploader(store)
    tickets = [up.submit(CAPTURE) for _ in range(50)]
    up.close()
    assert all(ticket.fate is Fate.UPLOADED for ticket in tickets)
    with pytest.raises(UploaderClosed):
        up.submit(CAPTURE)
    up.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(("packhorse-encode", "packhorse-upload"))]


def test_close_gives_up_at_its_deadline_and_counts_what_is_left() -> None:
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, max_in_flight=2)
    tickets = [up.submit(CAPTURE) for _ in range(20)]
    up.close(deadline_s=0.2)
    stats = up.stats()
    assert stats.dropped >= 18
    assert balanced(stats)
    store.gate.set()
    for ticket in tickets:  # those that were on the wire still get a fate
        if ticket.fate is not Fate.DROPPED:
            ticket.result(10)
    assert balanced(up.stats())
    assert up.stats().in_flight == 0


def test_large_captures_are_streamed_while_they_are_encoded() -> None:
    store = FakeStore()
    source = random.Random(1)
    capture = {"log": {"entries": [{"text": source.randbytes(1000).hex()} for _ in range(2000)]}}
    with uploader(store, stream_above_bytes=100_000) as up:
        receipt = up.upload(capture, timeout_s=10)
    assert json.loads(gzip.decompress(store.objects[receipt.key])) == capture
    assert "packhorse-plain-sha256" not in store.infos[receipt.key].metadata
    assert receipt.sha256 == hashlib.sha256(gzip.decompress(store.objects[receipt.key])).hexdigest()


def test_a_pool_below_the_limit_is_refused_with_both_numbers() -> None:
    profile = Profile("p", Pipeline.parse("json | gzip | raw | obstore:pool=4"), max_in_flight=16)
    with pytest.raises(InputError, match=r"16.*4"):
        Uploader("s3://bucket", profile=profile)


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


def test_the_plain_digest_can_be_left_out() -> None:
    store = FakeStore()
    with uploader(store, plain_sha256=False) as up:
        receipt = up.upload(CAPTURE, timeout_s=10)
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
