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

# A string with the white space and the colon after it (then it is a key) or with anything else after it, a bracket, or
# the quote of a string of which that cannot be said yet. Possessive throughout: a megabyte of escapes must not grow a
# backtracking stack. The groups' numbers are the kinds of token.
_TOKEN = re.compile(rb'(?s:"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+(?:(:)|(?=.))|([\[\]{}])|("))')
_VALUE, _KEY, _BRACKET, _UNFINISHED = 1, 2, 3, 4
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_LONE_SURROGATE = re.compile(
    rb"(?s:(?:[^\\]++|\\(?!u[dD][89a-fA-F]).|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+)"
)
#: A read of nothing but a number: longer than any that Python converts, and ijson would gather all of it.
_FULL_READ_BYTES = READ_BYTES
_ONLY_NUMBER = re.compile(rb"[-+.0-9eE]+")
_OPENING = (b"{", b"[")
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
            position = self._tokens(buffer)
            held = len(buffer) - position
            if held > self._limits.max_string_bytes:
                self._fail(f"a string is longer than {format_bytes(self._limits.max_string_bytes)}", position)
            # Doubling keeps the work linear when one string spans many reads.
            want = min(max(READ_BYTES, held), self._limits.max_string_bytes - held + READ_BYTES)
        self._layout.total_bytes = self._base + len(buffer)
        if self._keys:
            self._truncated(len(buffer))
        return self._layout

    def _tokens(self, buffer: bytes) -> int:  # noqa: C901  # the hot loop: calls in it would double its time
        """Take in the complete tokens; return from where the buffer has to be kept."""
        keys, match = self._keys, None
        outside = 0  # where the text outside of all brackets goes on, while there are none
        for match in _TOKEN.finditer(buffer):
            kind = match.lastindex
            if not keys:
                self._outside(buffer[outside : match.start()], outside)
                if kind != _BRACKET:
                    self._outside(b'"', match.start())
                outside = match.end()
            if kind == _VALUE:
                continue
            if kind == _KEY:
                known, key = keys[-1] if keys else None, match[1]
                if known is None or key in known:
                    self._odd_key(match.start(), known)
                elif len(known) < _MAX_KEYS:
                    known.add(key)
                if not self._list_depth:
                    self._path[-1] = key
            elif kind == _BRACKET:
                self._bracket(match[3], match.start())
                outside = match.end()
            else:
                self._for_exact_parser(buffer, match.start())
                return match.start()
        if not keys:
            self._outside(buffer[outside:], outside)
        end = match.end() if match else 0
        if len(buffer) - end >= _FULL_READ_BYTES and _ONLY_NUMBER.fullmatch(buffer, end):
            self._fail(f"a number is longer than {format_bytes(_FULL_READ_BYTES)}", end)
        self._for_exact_parser(buffer, len(buffer))
        return len(buffer)

    def _for_exact_parser(self, buffer: bytes, end: int) -> None:
        """Look for what ijson's C parser reads otherwise than JSON says."""
        if b"\v" in buffer or b"\f" in buffer:
            self._layout.exact = True  # white space to that parser, an error in JSON wherever it stands
        if _SURROGATE.search(buffer, 0, end):
            clean = _NO_LONE_SURROGATE.match(buffer, 0, end)
            clean_bytes = clean.end() if clean else 0
            if clean_bytes < end:
                self._layout.exact = True
                self._notes.add("has lone surrogates, which are kept", self._where(clean_bytes))

    def _bracket(self, bracket: bytes, at: int) -> None:
        keys = self._keys
        depth = len(keys)
        if bracket not in _OPENING:
            if not keys or (keys[-1] is None) != (bracket == b"]"):
                self._fail(f"is not JSON here: an unexpected {bracket.decode()}", at)
            keys.pop()
            if not self._list_depth or depth <= self._list_depth + 1:
                self._closed(at)
            return
        if depth >= self._limits.max_depth:
            self._fail(f"is nested more than {self._limits.max_depth} deep", at)
        if not keys:
            self._opened_value(bracket, at)
        if self._list_depth:
            if depth == self._list_depth:
                self._entry_start = self._base + at
        elif bracket == b"[":
            self._list_depth, self._list_start, self._whole_entries = depth + 1, self._base + at, 0
        else:
            self._path.append(b"")
        keys.append(None if bracket == b"[" else set())

    def _opened_value(self, bracket: bytes, at: int) -> None:
        self._entry_start = self._base + at
        if self._whole_values:
            self._outside(bracket, at)
        else:
            self._layout.root_is_list = bracket == b"["

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

    def _odd_key(self, at: int, known: set[bytes] | None) -> None:
        if known is None:
            self._fail("is not JSON here: a key outside of any object", at)
        self._notes.add("has duplicate keys, of which the last one counts", self._where(at))

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
