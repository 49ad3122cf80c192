"""The NDJSON layout: one line with the capture's outline, then one line per element of its long lists.

First line: ``{"packhorse_ndjson":1,"lists":[{"path":[...],"count":n}],"outline":{...}}``. ``outline`` is the capture
with an empty list at every ``path`` (keys, from the root; ``[]`` is the root itself): the order of keys survives. The
lists' elements follow in the order of ``lists``. A stream's length is not known beforehand: its ``count`` is null,
it is the last list, and a closing line ``{"packhorse_ndjson_end":n}`` gives the number of elements. Every line ends in
a line feed, the last one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

from packhorse.errors import CaptureError, CorruptObjectError
from packhorse.model import EntryStream
from packhorse.stages.encode.plain import show
from packhorse.stages.encode.read import parse_json
from packhorse.stages.encode.sinks import PartsSink
from packhorse.stages.encode.split import Row, Splitter
from packhorse.stages.encode.syntax import JsonSyntax

_FORMAT, _END, _VERSION = "packhorse_ndjson", "packhorse_ndjson_end", 1
#: Objects are searched for lists down to this depth (``log.entries`` is at depth 2).
_DEPTH = 3
#: Lists of plain values shorter than this stay in the outline.
_LONG_COUNT = 64
_LINES = Row(b"", b"\n", b"")

Found = list[tuple[tuple[str, ...], Iterable[Any]]]


class NdjsonEncoder:
    """Writes NDJSON through a library's JSON encoder for single values."""

    def __init__(self, dumps: Callable[[Any], bytes], chunk: int) -> None:
        self._dumps = dumps
        self._syntax = JsonSyntax(dumps)
        self._chunk = chunk

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Yield the capture's lines, taking entries only as they are needed. Raises CaptureError."""
        found: Found = []
        if isinstance(capture, EntryStream):
            outline = capture.outline
            if _emptied(outline, capture.path) is None:
                raise CaptureError("the outline has no empty list at the path to its entries")
            found.append((capture.path, capture.entries))
        else:
            outline = _outlined(capture, (), found)
        counts = [len(elements) if isinstance(elements, Sized) else None for _, elements in found]
        lists = [{"path": path, "count": count} for (path, _), count in zip(found, counts, strict=True)]
        splitter = Splitter(PartsSink(self._dumps), self._syntax, self._chunk)
        try:
            yield from splitter.root({_FORMAT: _VERSION, "lists": lists, "outline": outline}, (), spine=True)
        except CaptureError as error:
            raise _of_capture(error) from error
        yield from splitter.raw(b"\n")
        for (path, elements), count in zip(found, counts, strict=True):
            written = yield from splitter.lazily(elements, path, _LINES)
            if written:
                yield from splitter.raw(b"\n")
            if count is None:
                yield from splitter.raw(b'{"%s":%d}\n' % (_END.encode(), written))
            elif count != written:
                raise CaptureError("its number of entries changed while it was being encoded")
        yield from splitter.rest()

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Read this layout. Raises CorruptObjectError."""
        return _read(_lines(chunks))


def _of_capture(error: CaptureError) -> CaptureError:
    """An error in the first line, with the place in the capture itself: without the step to the outline."""
    position = None if error.position is None else "$" + error.position.removeprefix(show(("outline",)) or "")
    return CaptureError(error.reason, position=position)


def _outlined(value: Any, path: tuple[str, ...], found: Found) -> Any:
    """A copy of ``value`` with the long lists taken out, which are added to ``found``."""
    if isinstance(value, list | tuple):
        if value and (isinstance(value[0], dict | list | tuple) or len(value) >= _LONG_COUNT):
            found.append((path, value))
            return []
    elif isinstance(value, dict) and len(path) < _DEPTH and all(type(key) is str for key in value):
        return {key: _outlined(item, (*path, key), found) for key, item in value.items()}
    return value


def _emptied(outline: Any, path: Iterable[Any]) -> list[Any] | None:
    """The empty list at ``path``, or None."""
    for key in path:
        if not isinstance(outline, dict) or key not in outline:
            return None
        outline = outline[key]
    return outline if outline == [] and isinstance(outline, list) else None


def _lines(chunks: Iterable[bytes]) -> Iterator[Any]:
    """Parse line after line."""
    parts: list[bytes] = []
    number = 0
    for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            number += 1
            parts.append(line)
            yield parse_json(b"".join(parts), f"ndjson, line {number}")
            parts.clear()
        if rest:
            parts.append(rest)
    if parts:
        raise CorruptObjectError(f"ndjson: truncated, line {number + 1} has no end")


def _read(lines: Iterator[Any]) -> Any:
    head = next(lines, None)
    if not isinstance(head, dict) or head.get(_FORMAT) != _VERSION or "outline" not in head:
        raise CorruptObjectError(f"ndjson: the first line is not an outline of format {_VERSION}")
    lists = head.get("lists")
    if not isinstance(lists, list):
        raise CorruptObjectError("ndjson: the outline names no lists")
    capture = head["outline"]
    for index, entry in enumerate(lists):
        path, count = (entry.get("path"), entry.get("count", -1)) if isinstance(entry, dict) else (None, -1)
        place = _emptied(capture, path) if isinstance(path, list) else None
        if place is None:
            raise CorruptObjectError("ndjson: the outline has no empty list where one is announced")
        if count is None and index == len(lists) - 1:
            place.extend(_until_end(lines))
        elif type(count) is int and count >= 0:
            before = len(place)
            place.extend(line for _, line in zip(range(count), lines, strict=False))
            if len(place) - before != count:
                raise CorruptObjectError(f"ndjson: truncated, {len(place)} of {count} lines are there")
        else:
            raise CorruptObjectError("ndjson: a list without a number of lines")
    if next(lines, lines) is not lines:
        raise CorruptObjectError("ndjson: lines after the end")
    return capture


def _until_end(lines: Iterator[Any]) -> list[Any]:
    elements = list(lines)
    closing = elements.pop() if elements else None
    if closing != {_END: len(elements)}:
        raise CorruptObjectError("ndjson: truncated, the closing line is missing or counts otherwise")
    return elements
