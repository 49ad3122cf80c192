"""An encoder that refuses a value says where it is, telling HAR's own keys and no others, and no value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from packhorse.errors import CaptureError
from packhorse.model import HAR_ENTRIES, EntryStream
from packhorse.stages.base import Candidate
from tests.stages.support import ENCODERS, made, name

SECRET = "hunter2"
NAN = float("nan")


def loop() -> dict[str, Any]:
    found: dict[str, Any] = {"content": []}
    found["content"].append(found)
    return found


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


#: What no encoder takes, where in it the fault lies, and what is said of it.
REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "object": (object, "", "type object is not JSON"),
    "object behind nan": (lambda: {SECRET: NAN, "text": [NAN, object()]}, ".text[1]", "type object is not JSON"),
    "object in a key of a secret": (lambda: {SECRET: [object()]}, ".*[0]", "type object is not JSON"),
    "loop": (loop, ".content[0]", "it contains itself"),
    "deep": (lambda: deep(20_000), "", "too deeply"),
    "digits": (lambda: [1, 10**5000], "[1]", "more digits than Python converts"),
}


def entry(value: Any, filler: str = "") -> dict[str, Any]:
    return {
        "request": {"headers": [{"name": SECRET, "value": SECRET}, {"name": SECRET, "value": value}]},
        "response": {"content": {"text": filler}},
    }


def har(value: Any) -> Any:
    return {"log": {"version": "1.2", "entries": [entry(1), entry(SECRET), entry(value)]}}


def heavy(value: Any) -> Any:
    return {"log": {"entries": [entry(1), entry(1), entry(value, "x" * 600_000)]}}


def stream(value: Any) -> Any:
    return EntryStream({"log": {"entries": []}}, HAR_ENTRIES, iter([entry(1), entry(2), entry(value)]))


AT = "$.log.entries[2].request.headers[1].value"
#: How a value gets into a capture, and its place there.
CAPTURES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "har": (har, AT),
    "heavy entry": (heavy, AT),
    "stream": (stream, AT),
    "outline": (lambda value: {"log": {SECRET: [value], "entries": [entry(1)]}}, "$.log.*[0]"),
    "outline of a stream": (
        lambda value: EntryStream({"log": {SECRET: [value], "entries": []}}, HAR_ENTRIES, iter([entry(1)])),
        "$.log.*[0]",
    ),
    "list": (lambda value: [1, {SECRET: value}], "$[1].*"),
}


def refused(row: Candidate, capture: Any) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        list(made(row).encode(capture))
    assert SECRET not in str(caught.value)
    return caught.value


#: These read an iterator whole before they encode: the place is that in the whole, too.
@pytest.mark.parametrize("row", ENCODERS, ids=name)
@pytest.mark.parametrize("within", CAPTURES)
@pytest.mark.parametrize("fault", REFUSED)
def test_the_place_of_what_is_refused_is_told(row: Candidate, within: str, fault: str) -> None:
    (make, inner, reason), (put, at) = REFUSED[fault], CAPTURES[within]
    error = refused(row, put(make()))
    assert reason in error.reason
    if fault == "deep":
        assert error.position is not None
        assert error.position.startswith(at + "[0][0]")
        assert error.position.endswith("[0]...")
    else:
        assert error.position == at + inner


#: MessagePack has such keys, and ujson makes texts of them.
TEXTS = [row for row in ENCODERS if row.wire in {"json", "ndjson"} and row.name != "ujson"]


@pytest.mark.parametrize("row", TEXTS, ids=name)
@pytest.mark.parametrize("within", CAPTURES)
def test_the_place_of_an_object_with_an_odd_key_is_told(row: Candidate, within: str) -> None:
    put, at = CAPTURES[within]
    error = refused(row, put({"a": {(SECRET, 2): 3}}))
    assert error.position == at + ".*"
    assert error.reason.startswith("keys must be str")
