"""The first pass over a file: its structure, without its values.

It finds what ijson cannot tell: byte offsets, where the long lists are, nesting, over-long strings, duplicate keys, and
the escapes that ijson's C parser would change. It does not check grammar between brackets; the parsers do that later.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NoReturn

from packhorse.captures.readers.limits import READ_BYTES, ReadLimits
from packhorse.captures.readers.notes import Notes
from packhorse.captures.readers.text import JSON_SPACE, PlainText
from packhorse.errors import CaptureError
from packhorse.units import format_bytes

# A string with the white space and the colon after it (then it is a key), a bracket, or the quote of a string that does
# not end here. Possessive throughout: a megabyte of escapes must not grow a backtracking stack.
_TOKEN = re.compile(rb'(?s:"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+(:)?+|[\[\]{}]|")')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_LONE_SURROGATE = re.compile(
    rb"(?s:(?:[^\\]++|\\(?!u[dD][89a-fA-F]).|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+)"
)
#: A read of nothing but a number: longer than any that Python converts, and ijson would gather all of it.
_FULL_READ_BYTES = READ_BYTES
_ONLY_NUMBER = re.compile(rb"[-+.0-9eE]+")
_QUOTE, _OPEN_LIST, _CLOSE_LIST = b'"[]'
_OPENING = b"{["
#: Keys of one object that are watched for duplicates; more would hold more memory than the object is worth.
_MAX_KEYS = 1 << 20


@dataclass(frozen=True, slots=True)
class ListSpan:
    """A list that object keys alone lead to: its brackets are the bytes ``start`` and ``end - 1`` of the text."""

    path: tuple[str, ...]
    start: int
    end: int


@dataclass(slots=True)
class Layout:
    """What the first pass found.

    Attributes:
        lists: One per path; of several under the same keys the last, which is the one that JSON readers keep.
        total_bytes: Length of the text.
        lines: True when there are several values, so that it can only be NDJSON.
        root_is_list: Whether the (first) value is a list.
        exact: True when ijson's C parser would change something: the exact parser must read it.
    """

    lists: dict[tuple[str, ...], ListSpan] = field(default_factory=dict)
    total_bytes: int = 0
    lines: bool = False
    root_is_list: bool = False
    exact: bool = False


class Scanner:
    """One pass over one text. Holds one read, or the longest string when that is longer."""

    def __init__(self, text: PlainText, limits: ReadLimits, notes: Notes) -> None:
        self._text, self._limits, self._notes = text, limits, notes
        self._layout = Layout()
        self._base = 0  # offset of the buffer's first byte in the text
        self._keys: list[set[bytes] | None] = []  # per open bracket: the object's keys, None for a list
        self._path: list[bytes] = []  # last key of each open object, down to the first list
        self._list_depth = 0  # nesting of the outermost open list that keys lead to, 0 when in none
        self._list_start = 0
        self._entry_start = 0
        self._whole_entries = 0
        self._whole_values = 0
        self._newline = False  # a line has ended since the last value did

    def scan(self) -> Layout:
        """Read to the end.

        Raises:
            CaptureError: Truncated, unbalanced, nested too deep, a string or entry over its limit, or something after
                the end that is not another line of NDJSON. It names the byte.
        """
        reader = self._text.open()
        buffer, position, want, eof = b"", 0, READ_BYTES, False
        while not eof:
            data = reader.read(want)
            eof = not data
            self._base += position
            buffer = buffer[position:]
            buffer += data
            position = self._tokens(buffer, eof=eof)
            held = len(buffer) - position
            if held > self._limits.max_string_bytes:
                self._fail(f"a string is longer than {format_bytes(self._limits.max_string_bytes)}", position)
            # Doubling keeps the work linear when one string spans many reads.
            want = min(max(READ_BYTES, held), self._limits.max_string_bytes - held + READ_BYTES)
        self._layout.total_bytes = self._base + len(buffer)
        if self._keys:
            self._truncated(len(buffer))
        return self._layout

    def _tokens(self, buffer: bytes, *, eof: bool) -> int:
        """Take in the complete tokens; return from where the buffer has to be kept."""
        end = keep = 0
        size = len(buffer)
        for match in _TOKEN.finditer(buffer):
            start, kind = match.start(), match.lastindex
            keep = start
            if not self._keys:
                self._outside(buffer[end:start], end)
            if kind == 1 and match.end() == size and not eof:
                break  # its colon may be in the next read
            if kind == 2:
                self._key(match[1], start)
            elif kind is None:
                if buffer[start] == _QUOTE:
                    break  # a string that ends in a later read
                self._bracket(buffer[start], start)
            elif not self._keys:
                self._outside(b'"', start)
            end = match.end()
        else:
            keep = size
            if not self._keys:
                self._outside(buffer[end:], end)
            if keep - end >= _FULL_READ_BYTES and _ONLY_NUMBER.fullmatch(buffer, end):
                self._fail(f"a number is longer than {format_bytes(_FULL_READ_BYTES)}", end)
        self._surrogates(buffer, keep)
        return keep

    def _surrogates(self, buffer: bytes, end: int) -> None:
        if _SURROGATE.search(buffer, 0, end):
            clean = _NO_LONE_SURROGATE.match(buffer, 0, end)
            clean_bytes = clean.end() if clean else 0
            if clean_bytes < end:
                self._layout.exact = True
                self._notes.add("has lone surrogates, which are kept", self._where(clean_bytes))

    def _bracket(self, bracket: int, at: int) -> None:
        keys = self._keys
        if bracket not in _OPENING:
            if not keys or (keys[-1] is None) != (bracket == _CLOSE_LIST):
                self._fail(f"is not JSON here: an unexpected {chr(bracket)}", at)
            keys.pop()
            self._closed(at)
            return
        if len(keys) >= self._limits.max_depth:
            self._fail(f"is nested more than {self._limits.max_depth} deep", at)
        if not keys:
            self._opened_value(bracket, at)
        if self._list_depth:
            if len(keys) == self._list_depth:
                self._entry_start = self._base + at
        elif bracket == _OPEN_LIST:
            self._list_depth, self._list_start, self._whole_entries = len(keys) + 1, self._base + at, 0
        else:
            self._path.append(b"")
        keys.append(None if bracket == _OPEN_LIST else set())

    def _opened_value(self, bracket: int, at: int) -> None:
        self._entry_start = self._base + at
        if self._whole_values:
            self._outside(b"{", at)
        else:
            self._layout.root_is_list = bracket == _OPEN_LIST

    def _closed(self, at: int) -> None:
        depth = len(self._keys)
        if not self._list_depth:
            self._path.pop()
        elif depth == self._list_depth:
            self._whole_entries += 1
            self._check_entry(at)
        elif depth < self._list_depth:
            self._list_depth = 0
            path = tuple(self._key_text(key, at) for key in self._path)
            self._layout.lists[path] = ListSpan(path, self._list_start, self._base + at + 1)
        if not depth:
            self._whole_values += 1
            self._newline = False
            if self._layout.lines:
                self._check_entry(at)

    def _check_entry(self, at: int) -> None:
        if self._base + at - self._entry_start > self._limits.max_entry_bytes:
            self._fail(f"an entry is longer than {format_bytes(self._limits.max_entry_bytes)}", at)

    def _key(self, key: bytes, at: int) -> None:
        keys = self._keys[-1] if self._keys else None
        if keys is None:
            self._fail("is not JSON here: a key outside of any object", at)
        if key in keys:
            self._notes.add("has duplicate keys, of which the last one counts", self._where(at))
        elif len(keys) < _MAX_KEYS:
            keys.add(key)
        if not self._list_depth:
            self._path[-1] = key

    def _key_text(self, key: bytes, at: int) -> str:
        try:
            return str(json.loads(b'"%b"' % key))
        except ValueError:
            self._fail("a key before this list is not a JSON string in UTF-8", at)

    def _outside(self, gap: bytes, at: int) -> None:
        """Judge what lies outside of all brackets: white space, or the scalar lines of NDJSON."""
        if not self._whole_values:
            return  # check_beginning() has looked at what comes before the first value
        other = gap.lstrip(JSON_SPACE)
        space_bytes = len(gap) - len(other)
        self._newline = self._newline or b"\n" in gap[:space_bytes]
        if other:
            if not self._newline:
                self._fail("goes on after the end of its JSON value", at + space_bytes)
            self._layout.lines = True

    def _truncated(self, at: int) -> NoReturn:
        whole = self._whole_entries if self._list_depth and not self._layout.lines else self._whole_values
        after = f"after entry {whole - 1}" if whole else "before the end of entry 0"
        self._fail(f"is truncated {after}: {len(self._keys)} brackets are still open", at)

    def _where(self, at: int) -> str:
        return f"byte {self._text.offset + self._base + at}"

    def _fail(self, reason: str, at: int) -> NoReturn:
        raise CaptureError(reason, source=self._text.name, position=self._where(at))
