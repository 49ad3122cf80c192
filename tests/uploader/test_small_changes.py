"""Promises of the uploader that a small change broke without any test noticing (hand-made mutants found them)."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from packhorse.codec import Codec
from packhorse.errors import QueueFull, UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import ObjectInfo, PutResult
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import FakeStore, options
from tests.uploader.test_spool import dead, files, spool_balanced, until
from tests.uploader.test_spool import uploader as spooling_uploader
from tests.uploader.test_uploader import CAPTURE, balanced, uploader

ZSTD = Profile("zstd", Pipeline.parse("orjson-stream:chunk=4KiB | zstd:3 | raw | memory"), max_in_flight=4)


def incompressible(size_bytes: int, seed: int = 1) -> dict[str, Any]:
    text = random.Random(seed).randbytes(size_bytes // 2).hex()
    return {"log": {"entries": [{"request": {}, "response": {"content": {"text": text}}}]}}


# --- encoding ---------------------------------------------------------------------------------------------------------


class HalfWay(FakeStore):
    """Takes a stream's first chunk, then waits at a gate of its own, so that its encoder stands in the midst of it."""

    def __init__(self) -> None:
        super().__init__()
        self.half, self.go_on = threading.Event(), threading.Event()

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        head = [next(chunks)]
        self.half.set()
        assert self.go_on.wait(60)
        return self.put(key, b"".join([*head, *chunks]), info)


def test_an_encoder_in_the_midst_of_a_stream_is_nobody_elses() -> None:
    """With zstd a context that serves two captures at once ends the interpreter, or mixes them up."""
    store = HalfWay()
    large = {"log": {"entries": [incompressible(5000, seed) for seed in range(200)]}}
    small = [{"log": {"entries": [incompressible(3000, seed)]}} for seed in range(40)]
    chosen = options(store, encode_threads=1, stream_above_bytes=20_000)
    with Uploader("s3://bucket", profile=ZSTD, redact=False, options=chosen) as up:
        streamed = up.submit(large)
        assert store.half.wait(60)
        done = [up.upload(capture, timeout_s=60).key for capture in small]
        store.go_on.set()
        streamed.result(60)
    codec: Codec = ZSTD.pipeline.codec()
    assert [codec.decode([store.objects[key]]) for key in done] == small
    assert codec.decode([store.objects[streamed.key]]) == large


def test_changing_the_number_of_encoding_threads_stalls_nobody() -> None:
    with uploader(FakeStore()) as up:
        ends_s = time.monotonic() + 2.0
        while time.monotonic() < ends_s:
            tickets: list[Ticket] = []
            for number in (4, 1, 3, 1):
                tickets += [up.submit(CAPTURE) for _ in range(2)]
                up.set_limits(encode_threads=number)
            for ticket in tickets:
                ticket.result(20)
    assert balanced(up.stats())


# --- the disk ---------------------------------------------------------------------------------------------------------


def is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def test_what_is_not_durable_is_not_called_spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the folder's fsync fails: the file is there, but its name may not survive a power cut."""
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if is_folder(descriptor):
            raise OSError(errno.EIO, "planned")
        real(descriptor)

    with spooling_uploader(dead(), tmp_path, deadline_s=1.0) as up:
        up.submit(CAPTURE)
        until(lambda: up.stats().spooled == 1)
        kept = files(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            tickets = [up.submit(CAPTURE) for _ in range(3)]
            until(lambda: up.stats().in_flight == 0)
        assert {ticket.fate for ticket in tickets} == {Fate.FAILED}
        assert files(tmp_path) == kept
        assert spool_balanced(up)


def test_failed_writes_do_not_use_the_quota_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> NoReturn:
        raise OSError(errno.EIO, "planned")

    with spooling_uploader(dead(), tmp_path, deadline_s=0.3, spool_bytes=5 * 4096) as up:
        up.submit(CAPTURE)
        until(lambda: up.stats().spooled == 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            for _ in range(8):
                up.submit(CAPTURE)
            until(lambda: up.stats().in_flight == 0)
        ends_s = time.monotonic() + 60
        while up.stats().spooled < 5:
            assert time.monotonic() < ends_s
            up.submit(CAPTURE)
            until(lambda: up.stats().in_flight == 0)
    assert len(files(tmp_path)) == 5
    assert spool_balanced(up)


def test_a_file_is_synced_then_named_then_its_folder_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spooling_uploader(dead(), tmp_path) as up:
        up.submit(CAPTURE)
        until(lambda: up.stats().spooled == 1)
        seen: list[str] = []
        sync, rename = os.fsync, os.rename

        def noting_sync(descriptor: int) -> None:
            seen.append("folder" if is_folder(descriptor) else "file")
            sync(descriptor)

        def noting_rename(*given: Any, **more: Any) -> None:
            seen.append("name")
            rename(*given, **more)

        monkeypatch.setattr(os, "fsync", noting_sync)
        monkeypatch.setattr(os, "rename", noting_rename)
        ticket = up.submit(CAPTURE)
        until(lambda: ticket.fate is Fate.SPOOLED)
        assert seen == ["file", "name", "folder"]


# --- coming in --------------------------------------------------------------------------------------------------------


def waiting_large(up: Uploader, timeout_s: float | None) -> threading.Thread:
    """Half of a budget of 100 kB is on the wire; 80 kB more stand in line."""
    first = up.submit(incompressible(60_000))
    until(lambda: up.stats().attempts == 1)
    assert first.fate is Fate.IN_FLIGHT

    def wait() -> None:
        with contextlib.suppress(QueueFull):
            up.submit(incompressible(80_000), timeout_s=timeout_s)

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: up.stats().submitted == 2)
    return thread


def test_a_small_newcomer_stands_behind_a_large_one() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, budget=100_000, degrade=False) as up:
        thread = waiting_large(up, None)
        begun_s = time.monotonic()
        up.submit(incompressible(1000), timeout_s=0.2)  # afterwards it takes what room there is
        assert time.monotonic() - begun_s >= 0.2
        store.gate.set()
        thread.join(60)
    assert up.stats().uploaded == 3


def test_a_small_one_gets_in_once_the_large_one_before_it_has_given_up() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, budget=100_000, degrade=False) as up:
        thread = waiting_large(up, 0.3)
        assert up.submit(incompressible(1000), timeout_s=60).fate is Fate.IN_FLIGHT
        thread.join(60)
        assert up.stats().dropped == 1
        store.gate.set()
    assert up.stats().uploaded == 2


# --- the account ------------------------------------------------------------------------------------------------------


def test_the_peak_counts_the_first_capture() -> None:
    with uploader(FakeStore()) as up:
        up.submit_nowait(incompressible(50_000))
        assert up.stats().peak_held_bytes >= 50_000


def test_the_account_tells_no_more_than_so_many_reasons_apart() -> None:
    class Odd(FakeStore):
        def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
            raise type("Error" + "".join(chr(65 + int(digit)) for digit in key), (Exception,), {})

    kinds = 80
    with uploader(Odd()) as up:
        for number in range(kinds):
            with pytest.raises(UploadFailed, match="unexpected Error"):
                up.submit(CAPTURE, key=str(number)).result(60)
    reasons = up.stats().reasons
    assert len(reasons) == 65
    assert sum(reasons.values()) == kinds
    assert reasons["other reasons"] == kinds - 64


# --- the end ----------------------------------------------------------------------------------------------------------


def test_the_exit_waits_for_a_close_that_is_under_way() -> None:
    """On a signal the main thread may come to its end while another thread still closes."""
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, max_in_flight=1)
    tickets = [up.submit(CAPTURE) for _ in range(20)]
    closing = threading.Thread(target=up.close, args=(60.0,))
    closing.start()
    until(lambda: up._engine.closing)
    timer = threading.Timer(0.3, store.gate.set)
    timer.start()
    up._engine.exit(time.monotonic())
    closing.join(60)
    assert {ticket.fate for ticket in tickets} == {Fate.UPLOADED}
    assert len(store.objects) == 20


@pytest.mark.parametrize("end", ["exit", "close"])
def test_the_exit_waits_until_another_thread_has_told_what_is_lost(end: str) -> None:
    """The main thread may end the process behind it: with Pool()'s SIGTERM a thread ends the uploaders as well."""
    telling, tell = threading.Event(), threading.Event()

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            telling.set()
            tell.wait(60)

    told: list[str] = []
    handler = Slow()
    logging.getLogger("packhorse").addHandler(handler)
    store = FakeStore()
    store.gate.clear()
    up = uploader(store, max_in_flight=1, exit_deadline_s=0.01)
    tickets = [up.submit(CAPTURE) for _ in range(3)]
    engine = up._engine
    ends: dict[str, Callable[[], None]] = {
        "exit": lambda: engine.exit(time.monotonic()),
        "close": lambda: up.close(0.01),
    }
    threads = [threading.Thread(target=ends[way]) for way in (end, "exit")]
    threads[0].start()
    try:
        assert telling.wait(60)
        threads[1].start()
        threads[1].join(0.2)
        assert threads[1].is_alive()
    finally:
        tell.set()
        store.gate.set()
        for thread in threads:
            thread.join(60)
        logging.getLogger("packhorse").removeHandler(handler)
    assert [line.partition(",")[0] for line in told] == ["3 captures were not uploaded"]
    assert all(ticket.done() for ticket in tickets)


# --- found by mutants of the spool and the scheduler ------------------------------------------------------------------


def test_what_was_about_to_be_written_takes_no_room_once_it_is_written(tmp_path: Path) -> None:
    """Counted twice, as planned and as written, 30 of 40 blocks would be too many."""
    with spooling_uploader(dead(), tmp_path, spool_bytes=40 * 4096, max_attempts=1) as up:
        for _ in range(30):
            ticket = up.submit_nowait(CAPTURE)
            until(ticket.done)
            assert ticket.fate is Fate.SPOOLED
        assert up._engine.spooler.accepts()
