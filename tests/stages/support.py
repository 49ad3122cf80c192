"""Seeded captures and objects that break encoders, and small helpers of the contract tests."""

from __future__ import annotations

import math
import os
import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from packhorse.model import EntryStream, har_stream
from packhorse.stages import registry
from packhorse.stages.base import Candidate, SettingValue, Stage

ENCODERS = registry.candidates(Stage.ENCODE)
COMPRESSORS = registry.candidates(Stage.COMPRESS)
BASE64S = registry.candidates(Stage.BASE64)
TRANSFORMS = COMPRESSORS + BASE64S
#: Formats that say nothing about their own end or damage: another stage sees it.
UNCHECKED_WIRES = frozenset({"identity", "raw"})
GIANT = 2_000_000


def name(row: Any) -> str:
    return row.name if isinstance(row, Candidate) else str(row)


def made(row: Candidate, **settings: SettingValue) -> Any:
    return registry.make(row, settings)


def usable(row: Candidate) -> bool:
    """Whether a row can be tested here; with PACKHORSE_REQUIRE_ALL=1 every row is, and fails when it cannot run."""
    return os.environ.get("PACKHORSE_REQUIRE_ALL") == "1" or registry.availability(row).available


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def entry(source: random.Random, body_characters: int = 6000) -> dict[str, Any]:
    words = ['<div class="a">', "const", "x=1;\n", "größe", "日本", "\\u00e9", "return", "</div>", "data", "0123456789"]
    text = " ".join(source.choices(words, k=body_characters // 7))
    headers = [{"name": f"x-{i}", "value": source.choice(words) * 2} for i in range(8)]
    return {
        "startedDateTime": "2024-01-01T00:00:00.000Z",
        "time": source.random() * 100,
        "request": {
            "method": "GET",
            "url": f"https://example.test/{source.random()}",
            "headers": headers,
            "bodySize": 0,
        },
        "response": {"status": 200, "headers": headers, "content": {"size": len(text), "text": text}, "bodySize": -1},
        "cache": {},
        "timings": {"send": 0, "wait": source.random(), "receive": 1.5},
    }


def har(entries: int, seed: int = 1, body_characters: int = 6000) -> dict[str, Any]:
    source = random.Random(seed)
    listed = [entry(source, body_characters) for _ in range(entries)]
    return {"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "pages": [], "entries": listed, "x": 1}}


def stream_of(entries: Iterable[Any]) -> EntryStream:
    return har_stream(entries)


class Watched:
    """Entries that count how many of them were taken; ``len`` is known, as some formats need it."""

    def __init__(self, count: int, body_characters: int = 20_000) -> None:
        self.taken = 0
        self._count = count
        self._body_characters = body_characters

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        for index in range(self._count):
            self.taken += 1
            yield entry(random.Random(index), self._body_characters)


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


#: Every JSON wire format and MessagePack bring these back equal.
TRICKY: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "text": "",
    "empty object": {},
    "empty list": [],
    "scalars": [0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, -0.0, 1e300, 5e-324, 0.1, True, False, None],
    "escapes": {'\x00\x1f"\\/\u2028\u2029\x7f': "\b\f\n\r\t</script>\ufeff\U0001f600"},
    "empty key": {"": {"": [{"": ""}]}},
    "no entries": {"log": {"entries": []}},
    "one entry": har(1),
    "har": har(12),
    "keys after the list": {"a": [1, 2], "log": {"entries": [{"b": 1}] * 40, "after": {"c": []}}, "z": [[]]},
    "list of lists": [[[index] * 5 for index in range(50)] for _ in range(30)],
    "long list of numbers": list(range(5000)),
    "long list of mixed": [None, 1, "a", {"b": [1.5]}, [], {}] * 700,
    "list of objects at the root": [{"i": index, "t": "x" * (index % 300)} for index in range(900)],
    "wide object": {f"key {index}": index for index in range(66_000)},
    "several lists": {"a": list(range(300)), "b": {"c": [{"d": 1}] * 300}, "e": [[1]] * 3},
    "deep but fine": nested(150),
    "giant ASCII": {"log": {"entries": [{"response": {"content": {"text": 'ab"\n' * (GIANT // 4)}}, "request": {}}]}},
    "giant wide characters": {"a": ["é日\U0001f600\\" * (GIANT // 4), 1]},
    "giant in an odd place": [{"request": {}, "response": {"content": {}}, "_odd": [{"x": "y" * GIANT}]}, 2],
    "giant at the root": "z" * GIANT,
    "giant object in a list": [1, {"k": {str(index): "v" * 50 for index in range(20_000)}}, 2],
    "large post": {"log": {"entries": [{"request": {"postData": {"text": "p" * GIANT}}, "response": {"content": {}}}]}},
    "odd HAR": {"log": {"entries": [{"request": None, "response": {"content": None}}, {"response": []}, [], 3] * 30}},
    "sockets": {"log": {"entries": [{"request": {}, "response": {"content": {}}, "_webSocketMessages": [{}] * 99}]}},
    "lone surrogate": {"log": {"entries": [{"a": 1}, {"b": "\ud800x\udfff"}, {"c": 2}]}},
    "lone surrogate key": {"a": [1, {"\udc00": 1}], "\ud8ff": 2},
    "giant lone surrogate": ["x" * GIANT + "\ud800"],
    "big integers": {"log": {"entries": [{"a": 2**64}, {"b": -(2**63) - 1}, {"c": 10**300}, {"d": 5}]}},
}

#: Value and what a JSON reader gets: as the standard library and ``JSON.stringify`` write it.
AS_JSON_SEES_IT: dict[str, tuple[Any, Any]] = {
    "nan": (
        {"e": [{"a": math.nan}, {"b": [math.inf, 1.5, -math.inf]}, {"c": 1}]},
        {"e": [{"a": None}, {"b": [None, 1.5, None]}, {"c": 1}]},
    ),
    "nan at the root": (math.nan, None),
    "nan in a list": ([1.5, math.nan, "NaN", "Infinity"], [1.5, None, "NaN", "Infinity"]),
    "keys": ({"e": [{1: "a"}, {None: 2, True: 3, 1.5: 4}]}, {"e": [{"1": "a"}, {"null": 2, "true": 3, "1.5": 4}]}),
    "keys on the way": ({"a": {2: {"b": [1, 2]}}, 3: [{"c": 1}]}, {"a": {"2": {"b": [1, 2]}}, "3": [{"c": 1}]}),
    "tuples": ({"e": ({"a": (1, 2)}, ())}, {"e": [{"a": [1, 2]}, []]}),
    "subclasses": (OrderedDict(a=OrderedDict(b=[1])), {"a": {"b": [1]}}),
}
