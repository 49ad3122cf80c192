"""The exact parser: slices of the text, each read by ``json.loads``' own rules.

ijson's C parser writes ``?`` for a lone surrogate, refuses integers beyond 64 bits and gives no byte offset. So this
parser reads the captures that hold such things, and is the referee when ijson finds fault.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from packhorse.captures.readers.limits import READ_BYTES, ReadLimits
from packhorse.captures.readers.notes import Notes
from packhorse.captures.readers.source import Reader
from packhorse.captures.readers.text import JSON_SPACE
from packhorse.errors import CaptureError

_TOKEN = re.compile(rb'(?s:"(?:[^"\\]++|\\.)*+"|[\[\]{},]|")')
_NOT_FINITE = re.compile(r'(?s:(?:"(?:[^"\\]++|\\.)*+"|[^"NI])*+(NaN|Infinity))')


class _NotFinite(ValueError):
    """``NaN`` or an infinity stands where JSON allows none."""


class ExactParser:
    """Parses pieces of one text; oddities go to the notes, faults become errors with the byte's offset."""

    def __init__(self, name: str, limits: ReadLimits, notes: Notes) -> None:
        self._name, self._notes, self._allow_nan = name, notes, limits.allow_nan
        self._where = ""
        self._decoder = json.JSONDecoder(parse_float=self._float, parse_constant=self._constant)

    def parse(self, piece: bytes, offset: int, entry: int | None) -> Any:
        """The value that ``piece`` is, as ``json.loads`` would read it.

        Args:
            piece: JSON text of one value.
            offset: Where it begins in the file, in bytes.
            entry: Index of the entry that it is, None for the outline.

        Raises:
            CaptureError: Not JSON, not UTF-8, ``NaN`` where it is not allowed, or a number Python refuses to convert.
        """
        self._where = f"byte {offset}" if entry is None else f"entry {entry}"
        text = ""
        try:
            text = piece.decode()
            return self._decoder.decode(text)
        except UnicodeDecodeError as error:
            self._fail(f"is not UTF-8 ({error.reason})", offset + error.start, entry)
        except json.JSONDecodeError as error:
            self._fail(f"is not JSON here ({error.msg})", offset + len(text[: error.pos].encode()), entry)
        except _NotFinite as error:
            found = _NOT_FINITE.match(text)
            at = len(text[: found.start(1)].encode()) if found else 0
            self._fail(
                f"holds {error}, which is not JSON; in Python, ReadLimits(allow_nan=True) reads it", offset + at, entry
            )
        except RecursionError:
            self._fail("is nested deeper than Python's recursion limit allows here", offset, entry)
        except ValueError:
            self._fail("holds an integer with more digits than Python converts", offset, entry)

    def _float(self, text: str) -> float:
        number = float(text)
        if math.isinf(number):
            self._notes.add("has numbers too large for a double, which are read as infinity", self._where)
        return number

    def _constant(self, text: str) -> float:
        if not self._allow_nan:
            raise _NotFinite(text)
        self._notes.add("has NaN or Infinity, which are not JSON", self._where)
        return float(text)

    def _fail(self, reason: str, at: int, entry: int | None) -> NoReturn:
        where = f"byte {at}" if entry is None else f"entry {entry}, byte {at}"
        raise CaptureError(reason, source=self._name, position=where) from None


def list_slices(reader: Reader) -> Iterator[tuple[int, bytes]]:  # noqa: C901  # one state machine, read in one go
    """Cut a list into its elements without parsing them. Holds the element at hand, and one read.

    Args:
        reader: Begins at the list's opening bracket and ends after the closing one; brackets are balanced.

    Yields:
        Offset from the opening bracket, and the element's bytes with the white space around them. What is not JSON
        between two commas is handed on as it is.
    """
    buffer = reader.read(READ_BYTES)
    base, begin, at, depth, count = 0, 1, 1, 0, 0
    while True:
        for match in _TOKEN.finditer(buffer, at):
            at, token = match.start(), buffer[match.start()]
            if token == _QUOTE:
                if match.end() - at == 1:
                    break
            elif token in b"{[":
                depth += 1
            elif token != _COMMA and depth:
                depth -= 1
            elif not depth:
                piece = buffer[begin:at]
                if token == _COMMA or count or piece.strip(JSON_SPACE):
                    yield base + begin, piece
                if token != _COMMA:
                    return
                begin, count = match.end(), count + 1
            at = match.end()
        else:
            at = len(buffer)
        data = reader.read(max(READ_BYTES, len(buffer) - begin))
        if not data:
            return
        buffer, base, at, begin = buffer[begin:] + data, base + begin, at - begin, 0


def line_slices(reader: Reader) -> Iterator[tuple[int, bytes]]:
    """Cut NDJSON into its lines, without the ends of the lines; a last line without one counts.

    Yields:
        The line's offset from where the reader began, and its bytes. Blank lines too.
    """
    held: list[bytes] = []
    offset = 0
    while data := reader.read(READ_BYTES):
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = b"".join([*held, line])
            held.clear()
            yield offset, whole
            offset += len(whole) + 1
        held.append(rest)
    if any(held):
        yield offset, b"".join(held)


_QUOTE, _COMMA = b'",'
