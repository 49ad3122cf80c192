"""The entries of a capture, one at a time: ijson reads them, and the exact parser where ijson cannot be trusted."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from packhorse.captures.readers.exact import ExactParser, line_slices, list_slices
from packhorse.captures.readers.limits import READ_BYTES
from packhorse.captures.readers.notes import Notes
from packhorse.captures.readers.scan import ListSpan
from packhorse.captures.readers.source import Reader, Window
from packhorse.captures.readers.text import JSON_SPACE, PlainText
from packhorse.errors import PackhorseError

# Reads the elements of a list from a file; None when ijson, or its C parser, is not installed.
_Items = Callable[[Reader], Iterator[Any]]


def list_entries(text: PlainText, span: ListSpan, parser: ExactParser, *, exact: bool) -> Iterator[Any]:
    """Yield the elements of the list at ``span``.

    Args:
        text: The capture.
        span: Where in it the list is.
        parser: The referee.
        exact: Whether the exact parser has to read all of it.

    Raises:
        CaptureError: An element is not JSON. It names the entry and the byte. Entries before it were good.
    """
    items = None if exact else _ijson_items()
    done = 0
    if items is not None:
        entries = items(Window(text.open(), span.start, span.end))
        while True:
            # ijson raises its own errors, ValueError for text and more. Whether the capture is at fault or ijson is
            # narrower than JSON, the exact parser decides: it goes on from here, or names the byte.
            try:
                entry = next(entries)
            except StopIteration:
                return
            except PackhorseError:
                raise
            except Exception:  # noqa: BLE001
                break
            yield entry
            done += 1
    # ijson hands a value on before it sees what comes after it, as in [1 2]; so the last one is looked at again.
    slices = enumerate(list_slices(Window(text.open(), span.start, span.end)))
    for index, (at, piece) in islice(slices, max(done - 1, 0), None):
        entry = parser.parse(piece, text.offset + span.start + at, index)
        if index >= done:
            yield entry


def line_entries(text: PlainText, parser: ExactParser, notes: Notes) -> Iterator[Any]:
    """Yield the value of every line; blank lines are noted and left out.

    Raises:
        CaptureError: A line is not one JSON value. It names the entry and the byte. Entries before it were good.
    """
    index = 0
    for at, line in line_slices(text.open()):
        if not line.strip(JSON_SPACE):
            notes.add("has blank lines, which are left out", f"byte {text.offset + at}")
            continue
        yield parser.parse(line, text.offset + at, index)
        index += 1


def _ijson_items() -> _Items | None:
    try:
        backend: Any = importlib.import_module("ijson.backends.yajl2_c")
    except ImportError:
        return None
    return lambda reader: iter(backend.items(reader, "item", use_float=True, buf_size=READ_BYTES))
