"""Redaction that cannot check a value says where it is, telling HAR's own keys and no others, and no value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from packhorse.errors import RedactionError
from packhorse.model import HAR_ENTRIES, EntryStream
from packhorse.redact import Redactor

SECRET = "hunter2"
REDACTOR = Redactor()


class Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise ValueError(SECRET)

    def get(self, *_: Any) -> Any:
        raise ValueError(SECRET)


def loop() -> dict[str, Any]:
    found: dict[str, Any] = {"content": []}
    found["content"].append(found)
    return found


REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "set": (lambda: {SECRET}, "", "a value of type set cannot be checked"),
    "set further inside": (lambda: [1, {SECRET: {2}}], "[1].*", "a value of type set cannot be checked"),
    "loop": (loop, ".content[0]", "an element contains itself"),
    "digits": (lambda: [1, 10**5000], "[1]", r"failed \(ValueError\)"),
    # Suspicious, or it would not be looked at once the scanner is made.
    "hostile": (lambda: {"text": Hostile(password=SECRET)}, ".text", r"failed \(ValueError\)"),
}


def entry(value: Any) -> dict[str, Any]:
    headers = [{"name": SECRET, "value": SECRET}, {"name": "x", "value": value}]
    return {"request": {"headers": headers}, "response": {"content": {"text": SECRET}}}


AT = "$.log.entries[2].request.headers[1].value"
CAPTURES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "har": (lambda value: {"log": {"entries": [entry(1), entry("x"), entry(value)]}}, AT),
    "stream": (lambda value: EntryStream({"log": {"entries": []}}, HAR_ENTRIES, iter([1, 2, entry(value)])), AT),
    "outline": (lambda value: {"log": {SECRET: [value], "entries": [entry(1)]}}, "$.log.*[0]"),
    "outline of a stream": (
        lambda value: EntryStream({"log": {SECRET: [value], "entries": []}}, HAR_ENTRIES, iter([])),
        "$.log.*[0]",
    ),
    "list": (lambda value: [1, {SECRET: value}], "$[1].*"),
    "under a secret name": (lambda value: {"password": {"a": [value]}}, "$.*.*[0]"),
}


def redact(capture: Any) -> None:
    new = REDACTOR.capture(capture)
    if isinstance(new, EntryStream):
        list(new.entries)


@pytest.mark.parametrize("within", CAPTURES)
@pytest.mark.parametrize("fault", REFUSED)
def test_the_place_of_what_cannot_be_checked_is_told(within: str, fault: str) -> None:
    (make, inner, reason), (put, at) = REFUSED[fault], CAPTURES[within]
    with pytest.raises(RedactionError, match=reason) as caught:
        redact(put(make()))
    assert caught.value.position == at + inner
    assert str(caught.value) == f"{at}{inner}: {caught.value.reason}"
    assert SECRET not in str(caught.value)


def test_too_deep_says_how_deep() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(RedactionError, match=r"too deep to be checked for secrets \(100002 levels\)") as caught:
        redact({"log": {"entries": [{"time": {"x": value}}]}})
    assert str(caught.value.position).startswith("$.log.entries[0].time.*[0][0]")


def test_an_entry_of_which_nothing_more_is_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(value: Any, *_: Any) -> bytes:
        if isinstance(value, dict):
            raise KeyError(SECRET)
        return b"1"

    monkeypatch.setattr("packhorse.redact.objects.dumps", broken)
    with pytest.raises(RedactionError) as caught:
        redact(EntryStream({}, (), iter([])))
    assert (caught.value.position, SECRET in str(caught.value)) == (None, False)
    with pytest.raises(RedactionError, match=r"^\$\[1\]: checking an element for secrets failed \(KeyError\)$"):
        redact(["x", {"a": 1}])
