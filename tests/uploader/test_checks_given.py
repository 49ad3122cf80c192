"""Wrong fields of endpoints, waits and deadlines are refused where they are given, by name, with what to give."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import InputError
from packhorse.stores.base import Endpoint
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.test_uploader import CAPTURE

NAN, INF = float("nan"), float("inf")
TEXTS = (
    "url",
    "region",
    "access_key",
    "secret_key",
    "session_token",
    "ca_file",
    "server_side_encryption",
    "kms_key_id",
)
SECRETS = {"access_key", "secret_key", "session_token", "credentials"}
WRONG: list[tuple[str, Any]] = [
    *(
        ("url", value)
        for value in ("", "x", "http://", "ftp://x", "http://x:99999", "http://x:0", "http://x:y", "a\0b")
    ),
    *(("url", value) for value in ("http://x y", "http://x\n", "http://[::1", "http://:9000", "http://x/\ud800")),
    *(("region", value) for value in ("", " ", "a b", "a\0b", "\ud800", "x" * 64)),
    *(("ca_file", value) for value in ("", "a\0b", "\ud800")),
    *(("bucket", value) for value in (None, 5, b"bucket", ["bucket"])),
    *((name, value) for name in TEXTS for value in (5, True, b"text", ["text"], {"a": 1})),
    *((name, value) for name in ("connect_timeout_s", "read_timeout_s") for value in ("5", None, True, NAN, INF, [5])),
    *((name, value) for name in ("connect_timeout_s", "read_timeout_s") for value in (0, -1, -0.5, -INF, 10**400)),
    ("bucket_key", "yes"),
    ("bucket_key", 1),
    ("create_only", None),
    ("create_only", "no"),
    ("credentials", "hunter2"),
    ("credentials", ("hunter2", "hunter2")),
]
WAITS: list[Any] = ["5", b"5", True, NAN, INF, -INF, [5], 10**400]


def uploader(face: Any = Uploader) -> Any:
    return face("s3://bucket/p", profile=PROFILE, options=options(FakeStore()))


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_a_field_of_an_endpoint_is_refused_by_name(name: str, value: Any) -> None:
    given = {"bucket": "bucket", name: value}
    with pytest.raises(InputError, match=rf"^{name} is ") as caught:
        Endpoint(**given)
    said = str(caught.value)
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    assert type(value).__name__ in said or value is None or numeric
    assert "; give " in said or "; it must be above 0" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_credential_of_a_wrong_type_is_not_shown(name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name} is of type bytes; give .* or None$"):
        Endpoint(**{"bucket": "bucket", name: b"hunter2"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["ftp://user:hunter2@x", "user:hunter2@x:9000", "http://u:hunter2@x:99999", "ftp://x?key=hunter2"]
)
def test_a_url_with_a_password_is_not_shown(url: str) -> None:
    for refused in (lambda: Endpoint("bucket", url=url), lambda: Uploader("s3://bucket", endpoint_url=url)):
        with pytest.raises(
            InputError, match=r"url is of type str; give text: http://host:port or https://host"
        ) as told:
            refused()
        assert "hunter2" not in str(told.value)


def test_urls_and_files_that_can_be_used_are_taken(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9000", "HTTPS://s3.example.com/path/", "http://u:p@[::1]:1", "http://x:65535"):
        assert Endpoint("bucket", url=url, region="auto").url == url
    for given in (tmp_path / "ca.pem", str(tmp_path / "ca.pem")):
        found = Endpoint("bucket", ca_file=given)
        assert found.ca_file == replace(found, region="x").ca_file == str(tmp_path / "ca.pem")
        assert type(found.ca_file) is str


def test_every_field_of_an_endpoint_is_checked() -> None:
    for field in fields(Endpoint):
        with pytest.raises(InputError, match=rf"^{field.name} is of type set; give "):
            replace(Endpoint("bucket"), **{field.name: {1}})  # type: ignore[arg-type]
    assert Endpoint("bucket", connect_timeout_s=5, read_timeout_s=0.1).connect_timeout_s == 5


@pytest.mark.parametrize("timeout_s", WAITS, ids=lambda value: str(value)[:20])
def test_a_wrong_wait_is_refused_before_anything_is_counted(timeout_s: Any) -> None:
    with uploader() as up:
        for wait in (up.submit, up.upload):
            with pytest.raises(InputError, match=r"^timeout_s is ") as caught:
                wait(CAPTURE, timeout_s=timeout_s)
            assert "; give a finite number of seconds or None" in str(caught.value)
        ticket = up.submit(CAPTURE)
        with pytest.raises(InputError, match=r"^timeout_s is "):
            ticket.result(timeout_s)
        assert ticket.result(15).attempts == 1
        assert up.stats().submitted == 1
        assert up.upload(CAPTURE, timeout_s=15).attempts == 1
        assert up.submit(CAPTURE, timeout_s=0).result(15).attempts == 1


def test_what_is_left_of_a_deadline_that_has_passed_is_no_wait() -> None:
    store = FakeStore()
    store.gate.clear()
    with Uploader("s3://bucket/p", profile=PROFILE, options=options(store)) as up:
        ticket = up.submit(CAPTURE, timeout_s=-0.001)
        with pytest.raises(TimeoutError):
            ticket.result(-0.001)
        store.gate.set()
        assert ticket.result(15).attempts == 1
        up.close(-0.001)


@pytest.mark.parametrize("timeout_s", WAITS, ids=lambda value: str(value)[:20])
def test_a_wrong_wait_is_refused_on_a_loop_too(timeout_s: Any) -> None:
    async def main() -> None:
        async with uploader(AsyncUploader) as up:
            for wait in (up.submit, up.upload):
                with pytest.raises(InputError, match=r"^timeout_s is "):
                    await wait(CAPTURE, timeout_s=timeout_s)
            with pytest.raises(InputError, match=r"^deadline_s is "):
                await up.close(timeout_s)
            assert up.stats().submitted == 0
            assert (await up.upload(CAPTURE, timeout_s=15)).attempts == 1

    asyncio.run(main())


@pytest.mark.parametrize("deadline_s", WAITS, ids=lambda value: str(value)[:20])
def test_a_wrong_deadline_leaves_the_uploader_open(deadline_s: Any) -> None:
    with uploader() as up:
        with pytest.raises(InputError, match=r"^deadline_s is "):
            up.close(deadline_s)
        assert up.upload(CAPTURE, timeout_s=15).attempts == 1
        up.close(0)


@pytest.mark.parametrize("value", [NAN, INF, "5", True, -1, 0])
def test_a_wrong_age_is_refused_by_set_limits(value: Any) -> None:
    with uploader() as up, pytest.raises(InputError, match=r"^spool_max_age_s is "):
        up.set_limits(spool_max_age_s=value)


def test_what_was_given_is_told_with_its_type() -> None:
    with pytest.raises(
        InputError, match=r"^connect_timeout_s is '5' \(str\); give a finite number of seconds above 0$"
    ):
        Endpoint("bucket", connect_timeout_s="5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^read_timeout_s is nan \(float\); give a finite number of seconds above 0$"):
        Endpoint("bucket", read_timeout_s=NAN)
