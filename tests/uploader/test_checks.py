"""Settings of a wrong type are refused when they are given, not by a thread that dies of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import InputError, QueueFull, StoreErrorKind, UploadFailed
from packhorse.stores.base import Endpoint
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.prepare import JOB_BYTES, STREAM_HELD_BYTES
from packhorse.uploader.scheduler import Scheduler
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, failure, options
from tests.uploader.test_uploader import CAPTURE, balanced

NAN, INF = float("nan"), float("inf")
COUNTS = ("encode_threads", "stream_above_bytes", "max_attempts", "spool_bytes")
SECONDS = ("deadline_s", "backoff_base_s", "backoff_max_s", "close_deadline_s", "spool_max_age_s")
WRONG: list[tuple[str, Any]] = [
    *((name, value) for name in COUNTS for value in ("3", 0.5, 2.0, True, None, NAN, b"3", [1], 0, -1)),
    *((name, value) for name in SECONDS for value in ("5", True, None, NAN, INF, -INF, 10**400, b"5", 0, -0.1)),
    *((name, value) for name in ("plain_sha256", "degrade", "telemetry") for value in (1, 0, "yes", None)),
    *(("name", value) for value in (None, 5, b"x", "")),
    *(("max_in_flight", value) for value in ("4", "", 4.5, False, True, NAN, 0)),
    *(("spool_dir", value) for value in (b"", b"x", 5, True, "", "a\0b", "\ud800", Path("a\0b"))),
    *(("endpoint", value) for value in ("http://127.0.0.1:1", {"url": "x"}, Endpoint)),
    *(("store", value) for value in ("memory", object(), FakeStore)),
]


def _one(name: str, value: Any) -> dict[str, Any]:
    return {name: value}


def uploader(url: Any = "s3://bucket/p", **more: Any) -> Uploader:
    return Uploader(url, **{"profile": PROFILE, "options": options(FakeStore()), **more})


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_an_option_of_a_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name} is "):
        UploaderOptions(**{name: value})


def test_every_option_has_a_type_that_is_checked() -> None:
    for name in UploaderOptions.__slots__:
        with pytest.raises(InputError, match=rf"^{name} is of type set; give "):
            UploaderOptions(**_one(name, {1}))


def test_whole_seconds_and_none_stay_allowed() -> None:
    given = UploaderOptions(deadline_s=5, spool_dir=Path("x"), store=FakeStore(), max_in_flight="adaptive")
    assert given.deadline_s == 5
    assert UploaderOptions(endpoint=None, store=None, max_in_flight=None, spool_dir=None) == UploaderOptions()


def test_what_may_hold_a_secret_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        UploaderOptions(endpoint={"secret_key": "hunter2"})  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["4", True, NAN, INF, 0.5, [1], 0])
@pytest.mark.parametrize("name", ["memory_budget_bytes", "encode_threads", "spool_bytes", "max_in_flight"])
def test_a_wrong_limit_changes_nothing(name: str, value: Any, tmp_path: Path) -> None:
    with uploader(spool_dir=tmp_path) as up:
        engine = up._engine
        assert engine.core.spool is not None

        def limits() -> tuple[Any, ...]:
            assert engine.core.spool is not None
            return (
                engine.core.account.budget_bytes,
                engine.core.encode_threads,
                engine.permits.limit,
                engine.core.spool.quota,
            )

        before = limits()
        good = {"memory_budget_bytes": 10**8, "encode_threads": 3, "spool_bytes": 10**6, "max_in_flight": 2}
        with pytest.raises(InputError, match=rf"^{name} is "):
            up.set_limits(**{**good, name: value})
        assert limits() == before
        assert up.upload(CAPTURE).stored_bytes > 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        *(({"url": url}, "the address is of type") for url in (5, None, b"s3://bucket/p")),
        ({"profile": 5}, "profile is of type int"),
        *(({"redact": redact}, "redact is ") for redact in ("yes", 1, None)),
        *(({"options": given}, "options is of type") for given in ({}, {"name": "x"})),
        *(({"memory_budget_bytes": given}, "memory_budget_bytes is ") for given in ("64MiB", NAN, True, None, 1.5)),
        ({"spool_dir": b""}, "spool_dir is b''"),
        *(({"spool_dir": given}, "spool_dir is ") for given in ("", "a\0b", "\ud800")),
        ({"spool_dir": "x" * 5000}, r"spool_dir of type str cannot be used \(File name too long\); give a folder"),
        *(({"endpoint_url": given}, "endpoint_url is ") for given in (5, "", "x", "http://", "http://x:99999")),
    ],
)
@pytest.mark.parametrize("face", [Uploader, AsyncUploader])
def test_an_argument_of_a_wrong_type_is_refused_by_name(face: Any, more: dict[str, Any], told: str) -> None:
    given = {"url": "s3://bucket/p", "profile": PROFILE, "options": options(FakeStore()), **more}
    with pytest.raises(InputError, match=f"^{told}"):
        face(given.pop("url"), **given)


@pytest.mark.parametrize("deadline_s", ["x", NAN, INF, True])
def test_a_wrong_deadline_of_close_leaves_the_uploader_open(deadline_s: Any) -> None:
    with uploader() as up:
        with pytest.raises(InputError, match=r"^deadline_s is "):
            up.close(deadline_s)
        assert up.upload(CAPTURE).stored_bytes > 0


@pytest.mark.parametrize("key", [5, b"k", "", "/a", "a/", "sub//x", "a/../b", "a\nb", "\ud800", "x" * 1025])
def test_a_key_that_no_store_takes_is_refused_at_submit(key: Any) -> None:
    with uploader() as up:
        for submit in (up.submit, up.submit_nowait):
            with pytest.raises(InputError, match=r"^key "):
                submit(CAPTURE, key=key)
        assert up.stats().submitted == 0


def test_a_streamed_capture_that_never_fits_says_what_it_counts_as() -> None:
    budget_bytes = 20 * 2**20
    with uploader(memory_budget_bytes=budget_bytes) as up:
        told = f"a path or an iterator counts as {STREAM_HELD_BYTES + JOB_BYTES} bytes"
        with pytest.raises(QueueFull, match=told) as caught:
            up.submit(Path("some.har"))
        assert f"memory_budget_bytes is {budget_bytes}" in str(caught.value)
        assert "a path or an iterator" in up.submit_nowait(iter([])).reason


SECRET = "hunter2"
TEXTS = {
    "json": json.dumps({"password": SECRET, "filler": "x" * 5000}),
    "short json": json.dumps({"password": SECRET}),
    "list": "\ufeff \n" + json.dumps([SECRET]),
    "string": json.dumps(SECRET),
    "with a zero": '{"password": "' + SECRET + '\0"}',
    "with slashes": '{"url": "/a/' + SECRET + '"}',
    "too long": SECRET * 1000,
    "too long a name": SECRET * 40,
    "lines": f"password\n{SECRET}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_that_was_taken_for_a_path_is_not_repeated(text: str) -> None:
    with uploader() as up:
        ticket = up.submit(text)
        with pytest.raises(UploadFailed, match="pass bytes for JSON text") as caught:
            ticket.result(60)
        assert ticket.fate is Fate.FAILED
        assert SECRET not in ticket.reason + str(caught.value)
        assert len(ticket.reason) < 200


def test_the_name_of_a_missing_file_is_told() -> None:
    with uploader() as up, pytest.raises(UploadFailed, match=r"nowhere\.har: cannot be opened: no such file"):
        up.upload("nowhere.har", timeout_s=60)


def test_an_unforeseen_error_is_one_captures_fate(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore([failure(StoreErrorKind.SERVER)])
    whole, tried = Scheduler.failed, threading.Event()

    def broken(self: Scheduler, *args: Any) -> bool:
        if tried.is_set():
            return whole(self, *args)
        tried.set()
        raise ZeroDivisionError

    monkeypatch.setattr(Scheduler, "failed", broken)
    with uploader(options=options(store, max_in_flight=1)) as up:
        with pytest.raises(UploadFailed, match="unexpected ZeroDivisionError"):
            up.upload(CAPTURE, timeout_s=60)
        assert up.upload(CAPTURE, timeout_s=60).stored_bytes > 0
        assert balanced(up.stats())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "from packhorse import FlagFollower",
            "UnavailableError FlagFollower needs OpenFeature; install packhorse[flags]",
        ),
        ("from packhorse import *; Uploader, UploaderOptions, fetch", "worked"),
    ],
)
def test_without_openfeature_only_its_follower_is_missing(line: str, said: str) -> None:
    code = (
        "import sys; sys.modules['openfeature'] = None\n"
        f"try:\n    exec({line!r})\n    print('worked')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == said
