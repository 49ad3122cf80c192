"""``flush``: waits for what was handed in before, spools what S3 has not taken, and the uploader works on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from packhorse.errors import InputError
from packhorse.uploader.account import Flushed
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.reliability import ROOT
from tests.uploader.test_uploader import CAPTURE, balanced

NONE = Flushed(0, 0, 0, 0, 0)


def test_nothing_was_handed_in() -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        assert up.flush() == NONE


def test_it_waits_for_all_and_works_on() -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        for round_ in range(1, 4):
            for _ in range(20):
                up.submit_nowait(CAPTURE)
            assert up.flush(30.0) == Flushed(20 * round_, 0, 0, 0, 0)
    assert balanced(up.stats())


def test_what_fails_is_told() -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        up.submit_nowait({"no": object()})
        up.submit_nowait(CAPTURE)
        assert up.flush(30.0) == Flushed(uploaded=1, spooled=0, dropped=0, failed=1, in_flight=0)


def test_the_asyncio_face() -> None:
    async def flushed() -> Flushed:
        async with AsyncUploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
            await up.submit(CAPTURE)
            return await up.flush(30.0)

    assert asyncio.run(flushed()) == Flushed(1, 0, 0, 0, 0)


@pytest.mark.parametrize("deadline_s", [float("nan"), float("inf"), "1"])
def test_deadlines_are_numbers(deadline_s: float) -> None:
    with (
        Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up,
        pytest.raises(InputError, match="deadline_s"),
    ):
        up.flush(deadline_s)


def test_without_a_spool_the_rest_stays_in_flight() -> None:
    store = FakeStore()
    store.gate.clear()
    with Uploader("s3://bucket", profile=PROFILE, options=options(store)) as up:
        tickets = [up.submit(CAPTURE) for _ in range(20)]
        assert up.flush(0.2) == Flushed(0, 0, 0, 0, in_flight=20)
        store.gate.set()
        assert up.flush(30.0) == Flushed(20, 0, 0, 0, 0)
    assert {ticket.fate for ticket in tickets} == {Fate.UPLOADED}


def test_what_s3_does_not_take_is_on_disk_and_the_uploader_works_on(tmp_path: Path) -> None:
    store = FakeStore()
    store.gate.clear()
    chosen = options(store, max_in_flight=2)
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=tmp_path, options=chosen) as up:
        tickets = [up.submit(CAPTURE) for _ in range(20)]
        begun_s = time.monotonic()
        assert up.flush(2.0) == Flushed(0, spooled=20, dropped=0, failed=0, in_flight=0)
        assert time.monotonic() - begun_s < 10.0
        assert len(list(tmp_path.rglob("*.capture"))) == 20
        store.gate.set()
        assert up.submit(CAPTURE).result(60).attempts == 1
        up.flush(30.0)
    assert set(store.objects) >= {ticket.key for ticket in tickets}
    assert balanced(up.stats())
    assert list(tmp_path.rglob("*.capture")) == []


def test_others_go_on_handing_in_meanwhile(tmp_path: Path) -> None:
    store, stop = FakeStore(), threading.Event()
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=tmp_path, options=options(store)) as up:

        def submit() -> None:
            while not stop.is_set():
                up.submit_nowait(CAPTURE)
                time.sleep(0.0005)

        busy = [threading.Thread(target=submit) for _ in range(2)]
        for thread in busy:
            thread.start()
        for _ in range(10):
            before = up.stats().submitted
            flushed = up.flush(30.0)
            assert flushed.in_flight == 0
            assert flushed.uploaded + flushed.spooled >= before
        stop.set()
        for thread in busy:
            thread.join()
    assert balanced(up.stats())


def test_a_relative_spool_dir_is_meant_from_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, (home, other) = FakeStore(), (tmp_path / "home", tmp_path / "other")
    store.gate.clear()
    home.mkdir()
    other.mkdir()
    monkeypatch.chdir(home)
    (home / "a.har").write_text('{"log": {"version": "1.2", "entries": []}}')
    with Uploader("s3://bucket", profile=PROFILE, spool_dir="spool", options=options(store)) as up:
        tickets = [up.submit_nowait(CAPTURE), up.submit_nowait("a.har")]
        monkeypatch.chdir(other)
        up.close(1.0)
    assert [ticket.fate for ticket in tickets] == [Fate.SPOOLED] * 2
    assert len(list(home.rglob("*.capture"))) == 2
    assert list(other.iterdir()) == []


UNTOLD = """
import ctypes, os, sys, time
from packhorse import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options
up = Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore()))
up.upload({})
keys = {up.submit({}).key.rpartition("-")[2] for _ in range(10)}
up.flush()
time.sleep(0.5)  # its threads are at rest: with one that asks for the GIL no such fork is safe (docs/where-it-runs.md)
pid = ctypes.PyDLL(None).fork()  # as uWSGI does, which holds the GIL: Python is not told
if pid == 0:
    assert up.stats().submitted in (0, 11)
    own = [up.submit({}) for _ in range(10)]
    assert [ticket.result(20).attempts for ticket in own] == [1] * 10
    assert not keys & {ticket.key.rpartition("-")[2] for ticket in own}
    assert up.stats().submitted == 10
    up.close()
    sys.stdout.write("child\\n")
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert up.stats().submitted == 11
up.close()
"""


def test_a_fork_that_python_was_not_told_of() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNTOLD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "child\n"), done.stderr
