"""A submitter is told where in a capture the value is that could not be sent, and nothing of what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from packhorse.errors import UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.test_uploader import CAPTURE

SECRET = "hunter2"
PROFILES = [PROFILE, replace(PROFILE, pipeline=Pipeline.parse("orjson-stream | zstd:1 | raw | memory"))]


def loop() -> dict[str, Any]:
    found: dict[str, Any] = {"content": []}
    found["content"].append(found)
    return found


def deep() -> Any:
    value: Any = 1
    for _ in range(20_000):
        value = [value]
    return value


#: A value, where in it the fault lies, and what is said of it: by the encoder, also with redaction.
FAULTS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "set": (lambda: {SECRET}, ": ", "Object of type set is not"),
    "key": (lambda: {(SECRET,): 1}, ": ", "keys must be str"),
    "loop": (loop, ".content[0]: ", "it contains itself"),
    "deep": (deep, "[0][0]", "too deeply"),
    "digits": (lambda: {SECRET: 10**5000}, ".*: ", "more digits than Python converts"),
}


def entry(value: Any) -> dict[str, Any]:
    headers = [{"name": SECRET, "value": SECRET}, {"name": "x", "value": value}]
    return {"request": {"headers": headers}, "response": {"content": {"text": SECRET}}}


AT = "$.log.entries[2].request.headers[1].value"
CAPTURES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "har": (lambda value: {"log": {"entries": [entry(1), entry(1), entry(value)]}}, AT),
    "iterator": (lambda value: iter([entry(1), entry(1), entry(value)]), AT),
    "other object": (lambda value: {SECRET: {"time": [value]}}, "$.*.time[0]"),
    "list": (lambda value: [value], "$[0]"),
}


@pytest.mark.parametrize("redact", [True, False])
@pytest.mark.parametrize("profile", PROFILES, ids=["json", "orjson"])
def test_a_ticket_says_where(redact: bool, profile: Any) -> None:
    with Uploader("s3://bucket", profile=profile, redact=redact, options=options(FakeStore())) as up:
        for make, inner, encoded in FAULTS.values():
            for put, at in CAPTURES.values():
                ticket = up.submit(put(make()))
                with pytest.raises(UploadFailed) as caught:
                    ticket.result(60)
                assert ticket.fate is Fate.FAILED
                assert caught.value.reason == ticket.reason
                assert f"{at}{inner}" in ticket.reason
                assert encoded in ticket.reason
                assert SECRET not in str(caught.value)
        assert up.upload(CAPTURE, timeout_s=60).attempts == 1
        # The place is the ticket's alone: the account has one reason for all of them.
        assert not [reason for reason in up.stats().reasons if "$" in reason]


def test_an_iterator_that_fails_says_at_which_entry() -> None:
    def entries() -> Any:
        yield entry(1)
        raise OSError(SECRET)

    for redact in (True, False):
        with Uploader("s3://bucket", profile=PROFILE, redact=redact, options=options(FakeStore())) as up:
            ticket = up.submit(entries())
            with pytest.raises(UploadFailed):
                ticket.result(60)
            assert ticket.reason == "capture: $.log.entries[1]: OSError was raised while it was being read"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"password": hunter2}', "not valid at character 13: Expecting value"),
        (b'{"log": {"hunter2": [1e999, NaN]}}', "not valid: NaN is not JSON, at $.log.*[1]"),
        (b'["\xff"]', "not UTF-8 at byte 2"),
    ],
)
def test_json_text_that_cannot_be_read_says_where(text: bytes, told: str) -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        ticket = up.submit(text)
        with pytest.raises(UploadFailed):
            ticket.result(60)
        assert ticket.reason == f"capture: submitted bytes: not JSON text: json: {told}"
