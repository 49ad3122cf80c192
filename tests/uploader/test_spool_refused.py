"""What S3 refuses while the spool drains stays on disk: paced, counted, told, and in nobody's way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import ObjectInfo, PutResult
from packhorse.uploader.account import Stats
from packhorse.uploader.scheduler import REFUSED_IN_A_ROW
from packhorse.uploader.spool.spool import SpoolStats
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import FakeStore, failure
from tests.uploader.test_spool import files, spool_balanced, spool_some, until, uploader
from tests.uploader.test_uploader import CAPTURE

REFUSALS = {
    "400": (StoreErrorKind.INVALID, 400, "InvalidRequest"),
    "kms": (StoreErrorKind.INVALID, 400, "KMS.DisabledException"),
    "403": (StoreErrorKind.DENIED, 403, "AccessDenied"),
    "404": (StoreErrorKind.NOT_FOUND, 404, "NoSuchBucket"),
    "405": (StoreErrorKind.INVALID, 405, "MethodNotAllowed"),
    "409": (StoreErrorKind.CONFLICT, 409, "InvalidBucketState"),
    "412": (StoreErrorKind.CONFLICT, 412, "PreconditionFailed"),
    "413": (StoreErrorKind.INVALID, 413, "EntityTooLarge"),
    "301": (StoreErrorKind.CONFIG, 301, "PermanentRedirect"),
    "501": (StoreErrorKind.INVALID, 501, "NotImplemented"),
}


class Choosy(FakeStore):
    """Raises what it is told to for a key, if anything."""

    def __init__(self, refuses: Callable[[str], BaseException | None]) -> None:
        super().__init__()
        self.refuses = refuses

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        error = self.refuses(key)
        if error is not None:
            self.attempts += 1
            raise error
        return super().put(key, body, info)


def refusal(name: str) -> StoreError:
    kind, status, code = REFUSALS[name]
    return StoreError(f"planned {name}", kind=kind, status=status, code=code)


def spool_of(up: Uploader) -> SpoolStats:
    stats: Stats = up.stats()
    assert stats.spool is not None
    return stats.spool


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "refuses spooled" in record.getMessage()]


@pytest.mark.parametrize("name", REFUSALS)
def test_no_answer_removes_a_spooled_capture(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left = spool_some(tmp_path, 40)
    store = Choosy(lambda _: refusal(name))
    with uploader(store, tmp_path, max_in_flight=4) as up:
        pace = up._engine.core.scheduler.drain_pace
        pace._base_s = pace._max_s = 10.0**6
        until(lambda: spool_of(up).refused_by_s3 >= REFUSED_IN_A_ROW)
        assert len(files(tmp_path)) == 40
    look = spool_of(up)
    assert (look.files, look.quarantined, look.expired) == (40, 0, 0)
    assert spool_balanced(up)
    assert store.attempts <= REFUSED_IN_A_ROW + 4  # then at the pace of an outage; some were on their way
    assert 1 <= len(said(caplog)) <= 2
    _, status, code = REFUSALS[name]
    assert all(f"HTTP {status} {code}" in line and str(tmp_path) in line for line in said(caplog))
    assert f"{look.resting} of 40 in" in said(caplog)[-1]
    assert {record.levelno for record in caplog.records if record.getMessage() in said(caplog)} == {logging.ERROR}
    healthy = FakeStore()
    with uploader(healthy, tmp_path):
        pass
    assert healthy.objects.keys() == left.keys()
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", REFUSALS)
def test_a_capture_that_is_refused_at_once_rests_as_well(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Choosy(lambda key: refusal(name) if key == "bad" else None)
    with uploader(store, tmp_path, max_in_flight=1) as up:
        bad = up.submit_nowait(CAPTURE, key="bad")
        until(bad.done)
        up.upload(CAPTURE, key="good", timeout_s=60)
        until(lambda: spool_of(up).resting == 1)
        look = spool_of(up)
        assert (bad.fate, look.refused_by_s3, look.refused) == (Fate.SPOOLED, 1, 0)
        assert spool_balanced(up)
    assert len(said(caplog)) == 1
    assert list(store.objects) == ["good"]
    healthy = FakeStore()
    with uploader(healthy, tmp_path):
        pass
    assert list(healthy.objects) == ["bad"]


@pytest.mark.parametrize("error", [*map(refusal, ("400", "403")), failure(StoreErrorKind.SERVER), RecursionError()])
def test_one_bad_file_blocks_none_behind_it(error: BaseException, tmp_path: Path) -> None:
    left = list(spool_some(tmp_path, 10))
    store = Choosy(lambda key: error if key == left[0] else None)
    with uploader(store, tmp_path, max_in_flight=1) as up:
        until(lambda: len(store.objects) == 9)
    assert len(files(tmp_path)) == 1
    assert spool_balanced(up)


def test_when_s3_takes_things_again_nothing_rests_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packhorse.uploader.spool.spool.MOST_REST_S", 10.0**6)
    monkeypatch.setattr("packhorse.uploader.spool.spool.REST_S", 10.0**6)
    left = spool_some(tmp_path, 40)
    refuses = [True]
    store = Choosy(lambda _: refusal("kms") if refuses else None)
    with uploader(store, tmp_path) as up:
        until(lambda: spool_of(up).refused_by_s3 >= REFUSED_IN_A_ROW)
        refuses.clear()
        until(lambda: len(store.objects) == 40)
        assert spool_of(up).resting == 0
    assert store.objects.keys() == left.keys()
    assert spool_balanced(up)


def test_the_names_of_those_that_rest_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packhorse.uploader.spool.spool.MOST_RESTING", 2)
    spool_some(tmp_path, 10)
    store = Choosy(lambda _: refusal("403"))
    with uploader(store, tmp_path, max_in_flight=1) as up:
        pace = up._engine.core.scheduler.drain_pace
        pace._base_s = pace._max_s = 10.0**6
        until(lambda: pace.failures == 1)
    assert (store.attempts, spool_of(up).resting, spool_of(up).files) == (2, 2, 10)


def test_the_keeper_wakes_those_that_have_rested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packhorse.uploader.spool.spool.REST_S", 0.0)
    monkeypatch.setattr("packhorse.uploader.spooler.TEND_EVERY_S", 0.01)
    left = spool_some(tmp_path, 3)
    refuses = [3]

    def some(_: str) -> StoreError | None:
        refuses[0] -= 1
        return refusal("403") if refuses[0] >= 0 else None

    store = Choosy(some)
    with uploader(store, tmp_path) as up:
        until(lambda: len(store.objects) == 3)
    assert store.objects.keys() == left.keys()
    assert spool_of(up).refused_by_s3 == 3


@pytest.mark.parametrize("raised", [RecursionError, MemoryError, KeyError])
def test_what_no_client_should_raise_costs_no_capture(raised: type[Exception], tmp_path: Path) -> None:
    store = Choosy(lambda _: raised())
    with uploader(store, tmp_path) as up:
        tickets = [up.submit(CAPTURE) for _ in range(5)]
        until(lambda: up.stats().in_flight == 0)
    assert {ticket.fate for ticket in tickets} == {Fate.SPOOLED}
    assert len(files(tmp_path)) == 5
    assert spool_balanced(up)
    store.refuses = lambda _: None
    with uploader(store, tmp_path):
        pass
    assert store.objects.keys() == {ticket.key for ticket in tickets}


def test_a_disk_that_cannot_be_read_costs_no_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool_some(tmp_path, 3)

    def refuse(*_: object) -> bytes:
        raise OSError(5, "planned")

    with monkeypatch.context() as patch:
        patch.setattr("packhorse.uploader.spool.files.SpooledFile._read_frame", refuse)
        with uploader(FakeStore(), tmp_path) as up:
            until(lambda: spool_of(up).resting == 3)
    assert spool_of(up).errors == (("read: EIO", 3),)
    assert (spool_of(up).refused_by_s3, len(files(tmp_path))) == (0, 3)
    assert spool_balanced(up)


def test_fresh_captures_that_are_all_refused_are_tried_once_each_and_counted(tmp_path: Path) -> None:
    store = Choosy(lambda _: refusal("413"))
    with uploader(store, tmp_path, max_in_flight=2) as up:
        tickets = [up.submit_nowait(CAPTURE) for _ in range(3 * REFUSED_IN_A_ROW)]
        until(lambda: all(ticket.done() for ticket in tickets))
        assert {ticket.fate for ticket in tickets} == {Fate.SPOOLED}
        assert spool_of(up).resting == len(tickets) == store.attempts
        assert up._engine.core.scheduler.drain_pace.failures > 0  # so many in a row are an outage
        assert spool_balanced(up)


def test_a_refused_capture_that_the_disk_does_not_take_says_what_s3_said(tmp_path: Path) -> None:
    with uploader(Choosy(lambda _: refusal("413")), tmp_path, spool_bytes=1) as up:
        ticket = up.submit_nowait(CAPTURE)
        until(ticket.done)
        assert (ticket.fate, spool_of(up).refused) == (Fate.FAILED, 1)
        assert ticket.reason.startswith("store: invalid")
