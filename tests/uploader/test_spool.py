"""The uploader with a spool: what S3 cannot take now is on disk, counted, and uploaded later under the same key."""

from __future__ import annotations

import errno
import gzip
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from packhorse.errors import InputError, StoreErrorKind, UploadFailed
from packhorse.uploader.job import State
from packhorse.uploader.lifecycle import share_s
from packhorse.uploader.reasons import Reason
from packhorse.uploader.spool.spool import Spool
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import PROFILE, FakeStore, failure, options
from tests.uploader.test_uploader import CAPTURE, balanced

ENDLESS = 10**6


def uploader(store: FakeStore, folder: Path, *, budget: int = 64 * 2**20, **more: Any) -> Uploader:
    return Uploader(
        "s3://bucket/pre",
        profile=PROFILE,
        redact=False,
        memory_budget_bytes=budget,
        spool_dir=folder,
        options=options(store, **{"max_attempts": 2, **more}),
    )


def dead() -> FakeStore:
    return FakeStore([failure(StoreErrorKind.CONNECTION)] * ENDLESS)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 60 s"
        time.sleep(0.005)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing drains for a moment alone and has the rest of its deadline for the disk, however busy the machine is."""
    monkeypatch.setattr("packhorse.uploader.lifecycle.share_s", lambda deadline_s: deadline_s - 0.2)


def spool_balanced(up: Uploader) -> bool:
    stats = up.stats()
    look = stats.spool
    assert look is not None
    ended = look.uploaded + look.expired + look.quarantined + look.vanished + look.files
    return balanced(stats) and look.written + look.adopted == ended


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.capture"))


def random_capture(number: int) -> dict[str, Any]:
    return {"log": {"entries": [{"n": number, "text": os.urandom(20_000).hex()}]}}


def spool_some(folder: Path, count: int) -> dict[str, Any]:
    """Captures that a process left behind, by key."""
    left = {}
    with uploader(dead(), folder) as up:
        for number in range(count):
            capture = {"log": {"entries": [{"n": number}]}}
            left[up.submit(capture).key] = capture
        until(lambda: up.stats().spooled == count)
    assert len(files(folder)) == count
    return left


def test_what_s3_refuses_is_spooled_and_uploaded_when_it_is_back(tmp_path: Path) -> None:
    store = dead()
    with uploader(store, tmp_path) as up:
        up._engine.core.scheduler.drain_pace._base_s = 0.02  # patience is not what is tested
        tickets = [up.submit(CAPTURE) for _ in range(30)]
        until(lambda: up.stats().spooled == 30)
        assert {ticket.fate for ticket in tickets} == {Fate.SPOOLED}
        with pytest.raises(UploadFailed, match="spooled: kept on disk"):
            tickets[0].result(1)
        assert spool_balanced(up)
        until(lambda: up.stats().held_bytes == 0)  # a file that is tried again is held meanwhile
        store.failures.clear()
        until(lambda: len(store.objects) == 30)
        until(lambda: files(tmp_path) == [])
    for ticket in tickets:
        assert json.loads(gzip.decompress(store.objects[ticket.key])) == CAPTURE
        assert store.infos[ticket.key].metadata["packhorse-wire"] == "json gzip raw"
    stats = up.stats()
    assert (stats.spooled, stats.uploaded, stats.in_flight) == (30, 0, 0)
    assert stats.spool is not None
    assert (stats.spool.written, stats.spool.uploaded, stats.spool.files) == (30, 30, 0)
    assert spool_balanced(up)


def test_the_next_process_uploads_what_was_left_under_the_same_keys(tmp_path: Path) -> None:
    left = spool_some(tmp_path, 40)
    store = FakeStore()
    with uploader(store, tmp_path) as up:
        pass  # entering takes over, leaving drains
    assert {key: json.loads(gzip.decompress(body)) for key, body in store.objects.items()} == left
    stats = up.stats()
    assert (stats.submitted, stats.uploaded, stats.spooled) == (0, 0, 0)
    assert stats.spool is not None
    assert (stats.spool.adopted, stats.spool.uploaded) == (40, 40)
    assert spool_balanced(up)
    assert list((tmp_path / "bucket").iterdir()) == []


def test_close_does_not_wait_for_the_spool_while_s3_is_out(tmp_path: Path) -> None:
    spool_some(tmp_path, 5)
    with uploader(dead(), tmp_path, close_deadline_s=100_000.0):
        pass  # waiting would go beyond any test's time limit
    assert len(files(tmp_path)) == 5


def test_what_s3_was_never_asked_fails_and_what_the_account_is_refused_is_kept(tmp_path: Path) -> None:
    store = FakeStore([failure(StoreErrorKind.INVALID)])
    with uploader(store, tmp_path) as up:
        with pytest.raises(UploadFailed, match="invalid"):
            up.upload(CAPTURE, timeout_s=60)
        store.failures = [failure(StoreErrorKind.DENIED)]
        with pytest.raises(UploadFailed, match="spooled"):
            up.upload(CAPTURE, timeout_s=60)
        assert up.stats().attempts >= 2
    assert spool_balanced(up)


def test_short_memory_sends_waiting_captures_to_disk(tmp_path: Path) -> None:
    store = FakeStore()
    store.gate.clear()
    budget = 2_000_000
    with uploader(store, tmp_path, budget=budget, max_in_flight=1, degrade=False) as up:
        tickets: list[Ticket] = []
        for number in range(100):
            tickets.append(up.submit_nowait(random_capture(number)))
            until(lambda: up.stats().held_bytes < budget - 100_000)
        assert {ticket.fate for ticket in tickets} <= {Fate.IN_FLIGHT, Fate.SPOOLED}
        until(lambda: up.stats().held_bytes <= budget // 2)
        stats = up.stats()
        assert stats.spooled > 50
        assert stats.peak_held_bytes <= budget
        assert spool_balanced(up)
        store.gate.set()
    stats = up.stats()
    assert (stats.dropped, stats.failed, stats.in_flight) == (0, 0, 0)
    assert set(store.objects) == {ticket.key for ticket in tickets}
    assert spool_balanced(up)


def test_those_who_can_wait_do_not_fill_the_disk(tmp_path: Path) -> None:
    store = FakeStore()
    with uploader(store, tmp_path, budget=500_000, max_in_flight=1) as up:
        for number in range(60):
            up.submit(random_capture(number), timeout_s=60)
    stats = up.stats()
    assert (stats.uploaded, stats.spooled) == (60, 0)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))


def test_damaged_files_are_set_aside_and_the_others_uploaded(tmp_path: Path) -> None:
    left = spool_some(tmp_path, 10)
    found = files(tmp_path)
    flip(found[0], 30)
    flip(found[1], -60)
    found[2].write_bytes(found[2].read_bytes()[:-1])
    found[3].write_bytes(b"")
    store = FakeStore()
    with uploader(store, tmp_path) as up:
        pass
    assert len(store.objects) == 6
    assert all(json.loads(gzip.decompress(body)) == left[key] for key, body in store.objects.items())
    stats = up.stats()
    assert stats.spool is not None
    assert (stats.spool.quarantined, stats.spool.uploaded, stats.spool.disk_bytes) == (4, 6, 0)
    assert len(list((tmp_path / "bucket" / "quarantine").iterdir())) == 4
    assert spool_balanced(up)


def test_without_room_on_disk_new_captures_fail_and_old_ones_stay(tmp_path: Path) -> None:
    with uploader(dead(), tmp_path, spool_bytes=5 * 4096, deadline_s=1.0) as up:
        for _ in range(12):
            up.submit(CAPTURE)
        until(lambda: up.stats().in_flight == 0)
        stats = up.stats()
        assert (stats.spooled, stats.failed) == (5, 7)
        assert stats.reasons == {"failed: store: connection": 7}
        assert stats.spool is not None
        assert stats.spool.refused == 7
        assert spool_balanced(up)
        up.set_limits(spool_bytes=20 * 4096)
        up.submit(CAPTURE)
        until(lambda: up.stats().spooled == 6)
    assert len(files(tmp_path)) == 6


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_failing_disk_never_reaches_the_producer(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    store = dead()
    with uploader(store, tmp_path, budget=3_000_000, deadline_s=1.0) as up:
        with monkeypatch.context() as patch:
            patch.setattr("packhorse.uploader.spool.files.os.fsync", refuse)
            tickets = [up.submit_nowait(random_capture(n)) for n in range(20)]
            until(lambda: up.stats().in_flight == 0)
            assert {ticket.fate for ticket in tickets} <= {Fate.FAILED, Fate.DROPPED}
            stats = up.stats()
            assert stats.spool is not None
            assert errno.errorcode[number] in dict(stats.spool.errors).popitem()[0]
            assert stats.spool.refused == stats.failed
            assert spool_balanced(up)
            assert files(tmp_path) == []
        up._engine.spooler.disk.worked()  # its pause is over
        assert up.submit(CAPTURE).key
        until(lambda: up.stats().spooled == 1)
    assert spool_balanced(up)


def test_what_the_disk_refuses_while_it_is_stopped_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, stopped = threading.Event(), threading.Event()

    def refuse(*_: object) -> NoReturn:
        writing.set()
        assert stopped.wait(60)
        raise OSError(errno.EIO, "planned")

    store = FakeStore()
    store.gate.clear()
    up = uploader(store, tmp_path, max_in_flight=1)
    engine = up._engine
    sent = up.submit(CAPTURE)
    until(lambda: store.concurrent == 1)
    waiting = up.submit(CAPTURE)
    until(lambda: len(engine.core.table.ready) == 1 and engine.spooler.looked)
    monkeypatch.setattr("packhorse.uploader.spool.files.os.fsync", refuse)
    with engine.core.lock:
        engine.core.scheduler.breaker.trip(time.monotonic())
        engine.core.s3_is_out()
    until(writing.is_set)
    stopping = threading.Thread(target=engine.lifecycle._stop, args=(Reason.STOPPED,), kwargs={"grace_s": 60.0})
    stopping.start()
    until(lambda: engine.core.stopping)
    stopped.set()
    store.gate.set()
    stopping.join()
    assert (sent.fate, waiting.fate) == (Fate.UPLOADED, Fate.FAILED)
    assert "disk" in waiting.reason
    assert (up.stats().in_flight, up.stats().held_bytes) == (0, 0)


def test_what_the_disk_refuses_is_sent_though_nobody_was_looking_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, idle = threading.Event(), threading.Event()

    def refuse(*_: object) -> NoReturn:
        writing.set()
        assert idle.wait(60)
        raise OSError(errno.EIO, "planned")

    store = FakeStore()
    store.gate.clear()
    with uploader(store, tmp_path, max_in_flight=1) as up:
        engine = up._engine
        up.submit(CAPTURE)
        until(lambda: store.concurrent == 1)
        waiting = up.submit(CAPTURE)
        until(lambda: len(engine.core.table.ready) == 1 and engine.spooler.looked)
        monkeypatch.setattr("packhorse.uploader.spool.files.os.fsync", refuse)
        with engine.core.lock:
            engine.core.scheduler.breaker.trip(time.monotonic())
            engine.core.s3_is_out()
        until(writing.is_set)
        store.gate.set()
        # its thread has found nothing more to send
        until(lambda: engine.core.pool.resting > 0 and not engine.core.table.sending)
        idle.set()
        assert waiting.result(60).attempts == 1


def test_what_waits_for_another_attempt_meanwhile_is_not_insured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, tmp_path) as up:
        up.submit(CAPTURE)
        until(lambda: store.concurrent == 1)
        engine = up._engine
        (job,) = engine.core.in_hand()
        write = Spool.write

        def slow(*args: Any) -> Any:
            claim = write(*args)
            engine.core.table.move(job, State.RETRY_WAIT)  # as when S3 has failed it meanwhile
            return claim

        with monkeypatch.context() as patch:
            patch.setattr(Spool, "write", slow)
            engine.lifecycle._insure(time.monotonic() + 60)
        assert engine.core.insured == {}
        with engine.core.lock:
            engine.core.table.move(job, State.SENDING)
        assert files(tmp_path) == []
        store.gate.set()
    assert up.stats().uploaded == 1
    assert spool_balanced(up)


def test_a_folder_that_cannot_be_made_is_no_error_of_the_producer(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is no folder"):
        uploader(FakeStore(), tmp_path / "file")
    with uploader(dead(), tmp_path / "file" / "below", deadline_s=1.0) as up:
        up.submit(CAPTURE)
        until(lambda: up.stats().failed == 1)
    assert spool_balanced(up)


def test_a_slow_disk_holds_no_producer_and_memory_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, works, stuck = os.fsync, threading.Event(), threading.Event()
    works.set()

    def hanging(descriptor: int) -> None:
        if not works.is_set():
            stuck.set()
        assert works.wait(90)
        real(descriptor)

    monkeypatch.setattr("packhorse.uploader.spool.files.os.fsync", hanging)
    store = FakeStore()
    store.gate.clear()
    with uploader(store, tmp_path, budget=2_000_000, max_in_flight=1, degrade=False) as up:
        number = 0
        while not stuck.is_set():  # once some are on disk, it hangs
            up.submit_nowait(random_capture(number := number + 1))
            if up.stats().spooled:
                works.clear()
            time.sleep(0.001)
        spooled, dropped = up.stats().spooled, up.stats().dropped
        for _ in range(200):  # would never return if they waited for the disk
            up.submit_nowait(random_capture(number := number + 1))
        assert not works.is_set()
        assert up.stats().spooled == spooled > 0
        assert up.stats().dropped > dropped
        assert up.stats().peak_held_bytes <= 2_000_000
        assert spool_balanced(up)
        works.set()
        store.gate.set()
    stats = up.stats()
    assert stats.in_flight == 0
    assert spool_balanced(up)


def spool_some_old(folder: Path) -> None:
    """Four captures, three of them years old."""
    spool_some(folder, 4)
    for path in files(folder)[:3]:
        path.rename(path.with_name(f"1500000000000-{path.name.partition('-')[2]}"))


def test_a_backlog_is_tried_before_it_expires(tmp_path: Path) -> None:
    spool_some_old(tmp_path)
    with uploader(FakeStore(), tmp_path) as up:
        pass
    look = up.stats().spool
    assert look is not None
    assert (look.expired, look.uploaded) == (0, 4)


def test_what_is_too_old_and_was_tried_in_vain_is_removed_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packhorse.uploader.spool.spool.PATIENCE_S", 0.0)
    spool_some_old(tmp_path)
    with uploader(dead(), tmp_path) as up:
        up._engine.core.scheduler.drain_pace._base_s = 0.001
        until(lambda: up.stats().spool.expired == 3)  # type: ignore[union-attr]
    assert len(files(tmp_path)) == 1
    assert spool_balanced(up)


def test_a_part_of_a_deadline_is_kept_for_the_disk() -> None:
    assert [share_s(deadline_s) for deadline_s in (0.0, 0.5, 10.0, 3600.0)] == [0.0, 0.2, 4.0, 8.0]


@pytest.mark.usefixtures("soon")
def test_close_spools_everything_within_its_deadline(tmp_path: Path) -> None:
    """Waiting ones, those on the wire, and those that are not encoded yet."""
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, tmp_path, max_in_flight=3)
    tickets = [up.submit(CAPTURE) for _ in range(40)]
    up.close(deadline_s=60)
    stats = up.stats()
    assert (stats.spooled, stats.in_flight, stats.held_bytes) == (40, 0, 0)
    assert {ticket.fate for ticket in tickets} == {Fate.SPOOLED}
    assert spool_balanced(up)
    assert len(files(tmp_path)) == 40
    store.gate.set()
    later = FakeStore()
    with uploader(later, tmp_path):
        pass
    assert set(later.objects) == {ticket.key for ticket in tickets}


@pytest.mark.usefixtures("soon")
def test_those_on_the_wire_that_finish_in_time_leave_no_file(tmp_path: Path) -> None:
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, tmp_path, max_in_flight=2)
    for _ in range(2):
        up.submit(CAPTURE)
    until(lambda: store.concurrent == 2)
    closing = threading.Thread(target=up.close, args=(60.0,))
    closing.start()
    until(lambda: len(files(tmp_path)) == 2)
    store.gate.set()
    closing.join()
    assert (up.stats().uploaded, up.stats().spooled) == (2, 0)
    assert files(tmp_path) == []
    assert spool_balanced(up)


@pytest.mark.usefixtures("soon")
def test_large_captures_are_spooled_and_drained_as_streams(tmp_path: Path) -> None:
    store = FakeStore()
    store.gate.clear()
    captures = [{"log": {"entries": [random_capture(n) for _ in range(10)]}} for n in range(5)]
    up = uploader(store, tmp_path, budget=256 * 2**20, max_in_flight=1, stream_above_bytes=100_000)
    tickets = [up.submit(capture) for capture in captures]
    until(lambda: len(up._engine.core.table.ready) >= 2)
    up.close(deadline_s=60)
    fates = [ticket.fate for ticket in tickets]
    assert fates == [Fate.SPOOLED] * 5  # also the one that is on the wire, all of it
    store.gate.set()
    later = FakeStore()
    with uploader(later, tmp_path, stream_above_bytes=100_000):
        pass
    for ticket, capture in zip(tickets, captures, strict=True):
        assert json.loads(gzip.decompress(later.objects[ticket.key])) == capture


@pytest.mark.usefixtures("soon")
def test_what_cannot_be_encoded_fails_also_at_the_end(tmp_path: Path) -> None:
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, tmp_path, max_in_flight=1)
    tickets = [up.submit(CAPTURE) for _ in range(3)] + [up.submit(b"{nope") for _ in range(3)]
    up.close(deadline_s=60)
    assert [ticket.fate for ticket in tickets] == [Fate.SPOOLED] * 3 + [Fate.FAILED] * 3
    assert spool_balanced(up)
    store.gate.set()


def test_limits_of_a_spool_need_a_spool() -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        with pytest.raises(InputError, match="spool_dir"):
            up.set_limits(spool_bytes=1)
        with pytest.raises(InputError, match="encode_threads"):
            up.set_limits(encode_threads=0)
        assert up.stats().spool is None
