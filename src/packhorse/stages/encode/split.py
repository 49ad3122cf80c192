"""Encoding entry by entry: long lists and giant strings anywhere in a capture, in calls that stay short.

The capture is walked from its root. Objects near the root are always taken apart (they are few and small), lists are
written element by element, and whatever is heavy (:mod:`.weight`) is taken apart again, down to slices of strings. All
else is encoded in one call each. Runs of small elements go in batches that grow to a few KiB, since a call per number
would cost many times the number.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

from packhorse.errors import CaptureError
from packhorse.model import EntryStream
from packhorse.position import Path
from packhorse.stages.encode.plain import EndlessError, classified, endless, read_entries, show
from packhorse.stages.encode.sinks import Sink
from packhorse.stages.encode.syntax import Syntax
from packhorse.stages.encode.weight import HEAVY_WEIGHT, entry_weight, is_heavy, is_small_har, run_weights, weight

#: Objects down to this depth are taken apart without being weighed: a HAR's long list is at depth 2.
_SPINE_DEPTH = 3
#: Lists and objects near the root that weigh no more than this belong to the outline: no need to look inside.
_OUTLINE_WEIGHT = 2 * 1024
#: Below this depth nothing is taken apart: what is long there is still encoded, only in one call.
_MAX_DEPTH = 32
#: Elements are encoded in runs of about a chunk, at most this much and this many: the latter also bounds a run whose
#: elements are not what they seem.
_RUN_BYTES, _RUN_COUNT_MAX = 256 * 1024, 256
#: An element of this weight is handed on alone: to copy it into a chunk with others costs more than one more chunk.
_ALONE_WEIGHT = 64 * 1024
#: A batch that came out this much larger than it weighed was not what it seemed: from then on all is weighed in full.
_SURPRISE_BYTES = 1024 * 1024

_Object = dict[Any, Any]
_List = list[Any] | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What stands before, between and after the elements of a list."""

    opened: bytes
    separator: bytes
    closed: bytes


class Splitter:
    """Walks one capture, writing into a sink; every method yields the chunks that became full on its way.

    Args:
        sink: Where encoded values gather.
        syntax: The wire format.
        chunk: Bytes to gather before they are handed on.
    """

    def __init__(self, sink: Sink, syntax: Syntax, chunk: int) -> None:
        self._sink = sink
        self._syntax = syntax
        self._full = chunk
        self._run_bytes = min(chunk, _RUN_BYTES)
        self._weigh: Callable[[Any], int] = entry_weight
        self._last_run = _RUN_COUNT_MAX // 8

    def run(self, capture: Any) -> Iterator[bytes]:
        """Encode a capture. Raises CaptureError."""
        if is_small_har(capture, self._run_bytes):
            try:
                self._sink.one(capture)
            except Exception:  # noqa: BLE001 - its odd entry is found below
                yield from self.root(capture, (), spine=True)
        elif isinstance(capture, EntryStream):
            yield from self.stream(capture.outline, capture.path, capture.entries)
        else:
            yield from self.root(capture, (), spine=True)
        yield from self.rest()

    def root(self, value: Any, path: Path, *, spine: bool = False, heavy: bool = False) -> Iterator[bytes]:
        """As :meth:`value`, for a value from whose beginning on loops are looked for."""
        try:
            yield from self.value(value, path, spine=spine, heavy=heavy)
        except EndlessError as error:
            raise endless(value, path) from error

    def rest(self) -> Iterator[bytes]:
        """Hand on what has gathered."""
        if self._sink.size:
            yield self._sink.take()

    def raw(self, data: bytes) -> Iterator[bytes]:
        """Add encoded bytes."""
        if data:
            self._sink.raw(data)
        if self._sink.size >= self._full:
            yield self._sink.take()

    def stream(self, outline: Any, path: tuple[str, ...], entries: Iterable[Any], at: Path = ()) -> Iterator[bytes]:
        """The outline, with ``entries`` in place of the list at ``path``."""
        if not path:
            yield from self._listed(entries, at)
            return
        if not isinstance(outline, dict) or path[0] not in outline:
            raise CaptureError(f"the outline has no {path[0]!r} on the path to its entries", position=None)
        sink, syntax = self._sink, self._syntax
        lead = syntax.open_object(len(outline))
        for key, value in list(outline.items()):
            sink.raw(lead + syntax.key(key, at))
            if key == path[0]:
                yield from self.stream(value, path[1:], entries, (*at, key))
            else:
                yield from self.root(value, (*at, str(key)), spine=True)
            lead = syntax.separator
        yield from self.raw(syntax.close_object)

    def _listed(self, entries: Iterable[Any], at: Path) -> Iterator[bytes]:
        """Entries as a list of the wire format; where that must be headed by their number, they are gathered first."""
        syntax = self._syntax
        count = 0
        if isinstance(entries, Sized):
            count = len(entries)
        elif syntax.counted:
            yield from self._gathered(entries, at)
            return
        row = Row(syntax.open_list(count), syntax.separator, syntax.close_list)
        if isinstance(entries, list):
            yield from self.elements(entries, at, row)
            return
        written = yield from self.lazily(entries, at, row)
        if syntax.counted and written != count:
            raise CaptureError("its number of entries changed while it was being encoded")

    def _gathered(self, entries: Iterable[Any], at: Path) -> Iterator[bytes]:
        """Encode all entries, one at a time, before the head that needs their number: all of them wait, encoded."""
        sink, syntax = self._sink, self._syntax
        yield from self.rest()
        encoded: list[bytes] = []
        count = 0
        for entry in read_entries(entries, at):
            encoded.extend(self.root(entry, (*at, count)))
            encoded.extend(self.rest())
            count += 1
        sink.raw(syntax.open_list(count))
        for data in encoded:
            yield from self.raw(data)

    def lazily(self, entries: Iterable[Any], at: Path, row: Row) -> Generator[bytes, None, int]:
        """Write entries one at a time, as they come; returns their number."""
        sink, full = self._sink, self._full
        sink.raw(row.opened)
        lead = b""
        count = 0
        for entry in read_entries(entries, at):
            if self._weigh(entry) > HEAVY_WEIGHT:
                sink.raw(lead)
                yield from self.root(entry, (*at, count), heavy=True)
            else:
                self._one(entry, (*at, count), lead)
            lead = row.separator
            if sink.size >= full:
                yield self._take()
            count += 1
        yield from self.raw(row.closed)
        return count

    def value(self, value: Any, path: Path, *, spine: bool = False, heavy: bool = False) -> Iterator[bytes]:
        """Write one value, taken apart if it is heavy."""
        apart = len(path) < _MAX_DEPTH and (heavy or (spine and len(path) < _SPINE_DEPTH) or is_heavy(value))
        if not apart:
            pass
        elif isinstance(value, dict) and self._syntax.divides(value):
            yield from self._items(value, path, spine=spine and len(path) < _SPINE_DEPTH)
            return
        elif isinstance(value, list | tuple):
            value = _as_list(value, path)
            row = Row(self._syntax.open_list(len(value)), self._syntax.separator, self._syntax.close_list)
            yield from self.elements(value, path, row)
            return
        elif type(value) is str and is_heavy(value):
            for piece in self._syntax.text(value):
                yield from self.raw(piece)
            return
        self._one(value, path)
        yield from self.raw(b"")

    def elements(self, elements: _List, path: Path, row: Row) -> Iterator[bytes]:
        """Write the elements of a list that is in memory."""
        sink, full = self._sink, self._full
        sink.raw(row.opened)
        index, total = 0, len(elements)
        while index < total:
            count, weighed = self._light(elements, index, path)
            self._last_run = count
            if count == 1 and weighed >= _ALONE_WEIGHT and full > _ALONE_WEIGHT:
                if index:
                    sink.raw(row.separator)
                yield from self.rest()
                self._one(elements[index], (*path, index))
                yield self._take()
            elif count:
                if weighed >= full:  # a chunk by itself, not to be copied behind what waits
                    yield from self.rest()
                self._run(elements[index : index + count], path, index)
            else:
                sink.raw(row.separator if index else b"")
                yield from self.value(elements[index], (*path, index), heavy=True)
                count = 1
            index += count
            if sink.size >= full:
                yield self._take()
        yield from self.raw(row.closed)

    def _light(self, elements: _List, start: int, path: Path) -> tuple[int, int]:
        """How many elements from ``start`` on make a run, and what they weigh; none when the first is heavy."""
        total = 0
        most, alone = self._run_bytes, min(self._run_bytes, _ALONE_WEIGHT)
        # A few more than made the last run: what is weighed beyond this one's end is weighed again.
        run = elements[start : start + min(_RUN_COUNT_MAX, self._last_run + self._last_run // 4 + 4)]
        if not run:
            raise CaptureError("it was changed while it was being encoded", position=show(path))
        weights = run_weights(run) if self._weigh is entry_weight else list(map(self._weigh, run))
        if max(weights) < alone and (whole := sum(weights)) < most:
            return len(run), whole
        for count, weighed in enumerate(weights):
            if weighed >= alone:
                return (count, total) if count or weighed > HEAVY_WEIGHT else (1, weighed)
            total += weighed
            if total >= most:
                return count + 1, total
        return len(run), total

    def _run(self, run: _List, path: Path, start: int) -> None:
        """Write elements that may be written together or, when the library refuses one, one by one."""
        sink, separator = self._sink, self._syntax.separator
        try:
            sink.many(run, first=not start)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - the elements are tried one by one below, and the culprit is named there
            for index, element in enumerate(run, start):
                self._one(element, (*path, index), separator if index else b"")

    def _take(self) -> bytes:
        """Hand over what has gathered, and draw the lesson when it is far more than it seemed to be."""
        if self._sink.size > _SURPRISE_BYTES:
            self._weigh = weight
        return self._sink.take()

    def _items(self, mapping: _Object, path: Path, *, spine: bool) -> Iterator[bytes]:
        """Write an object key by key, small values in batches."""
        sink, syntax = self._sink, self._syntax
        try:
            items = list(mapping.items())
        except Exception as error:
            raise classified(error, path) from error
        sink.raw(syntax.open_object(len(items)))
        small: _Object = {}
        left = self._run_bytes
        lead = b""
        for key, value in items:
            apart = spine and isinstance(value, dict | list | tuple)
            weighed = weight(value, _OUTLINE_WEIGHT if apart else HEAVY_WEIGHT)
            apart = weighed > (_OUTLINE_WEIGHT if apart else HEAVY_WEIGHT)
            if not apart:
                small[key] = value
                left -= weighed
            if small and (left <= 0 or apart):
                sink.raw(lead)
                self._members(small, path)
                yield from self.raw(b"")
                small, left, lead = {}, self._run_bytes, syntax.separator
            if apart:
                sink.raw(lead + syntax.key(key, path))
                yield from self.value(value, (*path, str(key)), spine=spine, heavy=not spine)
                lead = syntax.separator
        if small:
            sink.raw(lead)
            self._members(small, path)
        yield from self.raw(syntax.close_object)

    def _members(self, batch: _Object, path: Path) -> None:
        """The same for keys and values of an object."""
        sink, syntax = self._sink, self._syntax
        try:
            sink.members(batch)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - as above
            lead = b""
            for key, value in batch.items():
                sink.raw(lead + syntax.key(key, path))
                self._one(value, (*path, str(key)))
                lead = syntax.separator

    def _one(self, value: Any, path: Path, lead: bytes = b"") -> None:
        try:
            self._sink.one(value, lead)
        except Exception:  # noqa: BLE001 - whatever a library calls it: the slow way decides
            self._odd(value, lead, path)

    def _odd(self, value: Any, lead: bytes, path: Path) -> None:
        """Write what the library refused the slow way, which says whether the value has a form at all."""
        self._sink.raw(lead + self._syntax.odd(value, path))


def _as_list(value: _List, path: Path) -> _List:
    """``value`` itself if it is a plain list or tuple; the elements of a subclass, whose methods may do anything."""
    if type(value) in (list, tuple):
        return value
    try:
        return list(value)
    except Exception as error:
        raise classified(error, path) from error
