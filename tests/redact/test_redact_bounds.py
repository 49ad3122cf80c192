"""What redaction takes at once is bounded, however large an object is, and the bounds change no outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from packhorse import position
from packhorse.errors import RedactionError
from packhorse.redact import Redactor
from packhorse.redact.context import SCAN_BYTES, SCAN_TEXTS
from packhorse.redact.scan_base import Scanner
from tests.support.plant_secrets import blank_entry

SECRET = "hunter2-correct-horse"
MANY = 3000


class Counting:
    """A scanner that notes how much it was given at once."""

    def __init__(self, scan: Scanner) -> None:
        self._scan = scan
        self.joined: list[tuple[int, int]] = []

    def __call__(self, text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        return self._scan(text, spots)

    def suspects(self, text: bytes) -> frozenset[str]:
        return self._scan(text)  # not while it is made: then everything is suspicious

    def suspected(self, texts: Sequence[bytes]) -> Collection[int]:
        self.joined.append((len(texts), sum(map(len, texts))))
        self._scan(b"")
        return self._scan.suspected(texts)


def counting(redactor: Redactor) -> Counting:
    scan = redactor._ctx._scan
    assert scan is not None
    redactor._ctx._scan = found = Counting(scan)
    return found


CAPTURES: dict[str, Callable[[], Any]] = {
    "rows": lambda: {"rows": [{"number": n, "text": f"row {n} " * 20} for n in range(MANY)] + [{"password": SECRET}]},
    "long rows": lambda: {"rows": [["filler " * 9000, n] for n in range(9)] + [{"password": SECRET}] + [[7], [8]]},
    "texts": lambda: {"texts": [f"text {n}" for n in range(MANY)] + [f"token={SECRET}"] + ["last"] * 9},
    "texts in a list": lambda: [[f"text {n} {'é' * 150}" for n in range(MANY)] + [f"token={SECRET}"]],
    "keys": lambda: {**{f"a long key {n}": f"v{n}" for n in range(MANY)}, "password": SECRET, f"token={SECRET}": 1},
    "objects": lambda: {**{f"key {n}": {"n": [n] * 50} for n in range(MANY)}, "cookies": [{"a": SECRET}], "z": [1, 2]},
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_scan_takes_a_bounded_part_of_an_object(name: str) -> None:
    capture = CAPTURES[name]()
    redactor = Redactor(key=b"test", scanner="plain")
    scan = counting(redactor)
    new = redactor.capture(capture)
    assert SECRET not in json.dumps(new)
    assert len(scan.joined) > 1
    assert max(count for count, _ in scan.joined) <= SCAN_TEXTS
    assert max(size_bytes for count, size_bytes in scan.joined if count > 1) <= SCAN_BYTES
    careful = Redactor(key=b"test", prefilter=False)
    assert new == careful.capture(CAPTURES[name]())
    assert redactor.report() == careful.report()


def test_texts_of_a_long_list_are_known_when_it_is_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not scanned one by one because later ones have pushed them out of what is remembered."""
    redactor = Redactor(key=b"test", scanner="plain")
    scan = counting(redactor)
    alone: list[bytes] = []

    def suspects(text: bytes) -> frozenset[str]:
        alone.append(text)
        return scan(text)

    monkeypatch.setattr(scan, "suspects", suspects)
    redactor.capture([[f"text {n}" for n in range(12_000)] + [f"token={SECRET}"]])
    assert len(alone) < 20


# --- what is counted --------------------------------------------------------------------------------------------------


def _entries() -> list[Any]:
    entries = []
    for number in range(5):
        entry = blank_entry(number)
        entry["request"]["headers"].append({"name": "Cookie", "value": f"a={SECRET}"})
        entry["comment"] = f"token={SECRET}"
        entries.append(entry)
    return entries


@pytest.mark.parametrize("refused", [False, True])
def test_the_report_is_the_same_one_by_one_and_in_a_batch(*, refused: bool) -> None:
    entries = [*_entries(), *([{"password": {"a": [{1}]}}] if refused else [])]
    single, batch = Redactor(key=b"test"), Redactor(key=b"test")
    for entry in entries[:5]:
        single.entry(entry)
    if refused:
        for capture in (entries, {"log": {"entries": entries}}):
            batch = Redactor(key=b"test")
            with pytest.raises(RedactionError):
                batch.capture(capture)
            assert batch.report() == single.report()
    else:
        batch.capture(entries)
    assert batch.report() == single.report()
    assert sum(single.report().values()) == 10


# --- where an object is refused ---------------------------------------------------------------------------------------


class Endless:
    """Hands out values until somebody reads more than is looked at."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Any:
        while True:
            self.read += 1
            if self.read > position.MOST_VALUES + 1:
                raise MemoryError
            yield "a", 1


def test_an_object_that_never_ends_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "MOST_VALUES", 1000)
    values = Endless()

    class Object(dict[str, Any]):
        def items(self) -> Any:
            return iter(values)

    class List(list[Any]):
        def __iter__(self) -> Any:
            return iter(values)

    for value in (Object(), List()):
        values.read = 0
        assert not position.raising(value)
        assert values.read == 1000
