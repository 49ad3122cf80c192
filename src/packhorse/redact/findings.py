"""What redaction would take out, by rule and place: for a look before it is done. Never a value.

Imports ``orjson``.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from packhorse.model import EntryStream
from packhorse.position import Path, show
from packhorse.redact.redactor import Redactor
from packhorse.redact.refusal import refusal

#: What is written anew as a whole: base64 and the like, in which something was found.
ENCODED = "encoded"


def findings(redactor: Redactor, capture: EntryStream) -> Iterator[tuple[str, str, int]]:
    """Yield rule, place and count for each value that holds secrets, in the order of the capture.

    A place is a JSON path (``$.log.entries[3].request.headers[0].value``); keys that HAR does not define are ``*``. Of
    a user's own rules only the rule is told, at the element in which it found something. Held in memory: one entry.

    Raises:
        RedactionError: Something could not be checked.
    """
    yield from _of(redactor, capture.outline, ())
    for index, entry in enumerate(capture.entries):
        yield from _of(redactor, entry, (*capture.path, index))


def _of(redactor: Redactor, element: Any, at: Path) -> Iterator[tuple[str, str, int]]:
    text: list[bytes] = []
    starts: list[int] = []
    paths: list[Path] = []
    try:
        _write(element, at, text, (starts, paths), 0)
    except RecursionError as error:
        raise refusal(error, element) from None
    found: Counter[tuple[str, str]] = Counter()
    for start, rule in redactor.places(b"".join(text)):
        path = paths[bisect_right(starts, start) - 1] if start >= 0 else at
        found[rule or ENCODED, show(path)] += 1
    for (rule, place), count in found.items():
        yield rule, place, count


def _write(value: Any, path: Path, text: list[bytes], index: tuple[list[int], list[Path]], size: int) -> int:
    """Append a value's JSON text and note where each part of it begins; returns the size of all of it."""

    def add(piece: bytes) -> None:
        nonlocal size
        text.append(piece)
        size += len(piece)

    index[0].append(size)
    index[1].append(path)
    if isinstance(value, dict):
        add(b"{")
        for number, (key, child) in enumerate(value.items()):
            add((b"," if number else b"") + _leaf(key) + b":")
            size = _write(child, (*path, key), text, index, size)
        add(b"}")
    elif isinstance(value, list):
        add(b"[")
        for number, child in enumerate(value):
            add(b"," if number else b"")
            size = _write(child, (*path, number), text, index, size)
        add(b"]")
    else:
        add(_leaf(value))
    return size


def _leaf(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or half of a surrogate pair
        return json.dumps(value).encode()
