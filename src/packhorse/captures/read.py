"""Reading captures from files: the format is found by content, and the entries stream.

::

    with open_capture("my.har") as opened:
        for entry in opened.stream.entries:
            ...

Two passes: the first finds the structure, so that the outline (which may go on after the entries) is known before the
first entry is handed on, and a truncated file fails at once. The second parses the entries as they are asked for. What
cannot be rewound is copied to a temporary file. What is read equals ``json.loads`` of the file; nothing is repaired.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from types import TracebackType
from typing import Any, BinaryIO, Self

from packhorse.captures.readers.entries import line_entries, list_entries
from packhorse.captures.readers.exact import ExactParser
from packhorse.captures.readers.expand import expanded
from packhorse.captures.readers.formats import PEEKED_ENTRIES, creator_of, format_of, note_outline, noted
from packhorse.captures.readers.limits import DEFAULT_LIMITS, ReadLimits
from packhorse.captures.readers.notes import Notes
from packhorse.captures.readers.outline import OutlineReader
from packhorse.captures.readers.scan import Scanner
from packhorse.captures.readers.source import ByteSource, open_source
from packhorse.captures.readers.text import check_beginning, plain_text
from packhorse.model import HAR_ENTRIES, EntryStream

CapturePath = str | os.PathLike[str] | BinaryIO


@dataclass(slots=True)
class OpenedCapture:
    """A capture whose entries are read as they are consumed; closing it closes the file.

    Attributes:
        format: ``har``, ``har-1.1``, ``devtools-log``, ``netlog``, ``cassette`` (VCR, betamax, vcrpy), ``ndjson`` or
            ``json``. It names what the capture is; the capture itself is kept as it is.
        stream: The capture. Its entries can be consumed once, and only before :meth:`close`.
        creator: The program that wrote it, where it says so; else empty.
        compression: Layers that were peeled off, outermost first: ``gzip``, ``zstd``, ``brotli``.
    """

    format: str
    stream: EntryStream
    creator: str
    compression: tuple[str, ...]
    _source: ByteSource = field(repr=False)
    _notes: Notes = field(repr=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd in it, one line each. Complete once the entries have been consumed."""
        return self._notes.texts()

    def close(self) -> None:
        """Close the file, unless the caller gave an open one. May be called again."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_capture(path: CapturePath, *, limits: ReadLimits = DEFAULT_LIMITS) -> OpenedCapture:
    """Open a HAR, a recorded list, NDJSON or any JSON object with a list in it, compressed or not.

    The list that streams is ``log.entries`` of a HAR, the whole of a list or of NDJSON, and otherwise the list that
    takes the most bytes among those that object keys alone lead to; other lists stay in the outline. Duplicate keys are
    noted, and the last one counts, as for ``json.loads``.

    Args:
        path: A path, or a file open for reading bytes (read from where it stands, and left open).
        limits: Bounds; see :class:`ReadLimits`.

    Returns:
        The capture; use it as a context manager. Consuming its entries raises ``CaptureError`` (naming entry and byte)
        at the first one that is not JSON.

    Raises:
        CaptureError: Missing, not readable, empty, truncated, not JSON, no list in it, a HAR without ``log.entries``,
            or over a limit. It names the byte where there is one. The file is closed again.
        ExpansionLimitError: It expands past ``limits.max_expanded_bytes``.
        UnavailableError: It may be brotli, and ``packhorse[captures]`` is not installed.
    """
    source = open_source(path, limits.max_expanded_bytes)
    try:
        return _open(source, limits)
    except BaseException:
        source.close()
        raise


def _open(source: ByteSource, limits: ReadLimits) -> OpenedCapture:
    name, notes = source.name, Notes()
    raw, layers = expanded(source.open, name, limits.max_expanded_bytes)
    text = plain_text(raw, name, notes)
    check_beginning(text)
    layout = Scanner(text, limits, notes).scan()
    parser = ExactParser(name, limits, notes)
    outline: Any = []
    path: tuple[str, ...] = ()
    if layout.lines:
        entries = line_entries(text, parser, notes)
    else:
        outline, span = OutlineReader(text, layout.total_bytes, limits, parser).read(layout.lists)
        path = span.path
        entries = list_entries(text, span, parser, exact=layout.exact)
    is_har = path == HAR_ENTRIES
    first = [] if is_har else list(islice(entries, PEEKED_ENTRIES))
    note_outline(outline, path, notes)
    return OpenedCapture(
        format=format_of(outline, path, first, lines=layout.lines),
        stream=EntryStream(outline, path, noted(chain(first, entries), notes, har=is_har)),
        creator=creator_of(outline, path),
        compression=layers,
        _source=source,
        _notes=notes,
    )


def load(path: CapturePath, *, limits: ReadLimits = DEFAULT_LIMITS) -> Any:
    """The whole capture as one plain object, equal to ``json.loads`` of the file (NDJSON: a list of its lines).

    Raises:
        CaptureError, ExpansionLimitError, UnavailableError: As for :func:`open_capture`, and for bad entries.
    """
    with open_capture(path, limits=limits) as opened:
        return opened.stream.materialize()


@contextmanager
def load_stream(path: CapturePath, *, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[EntryStream]:
    """The capture as an :class:`EntryStream`, for ``with``; the file is closed at its end.

    Raises:
        CaptureError, ExpansionLimitError, UnavailableError: As for :func:`open_capture`.
    """
    with open_capture(path, limits=limits) as opened:
        yield opened.stream


def iter_entries(path: CapturePath, *, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[Any]:
    """Yield the entries alone. The file is opened at the first one, and closed after the last or with the generator.

    Raises:
        CaptureError, ExpansionLimitError, UnavailableError: As for :func:`open_capture`, and for bad entries.
    """
    with open_capture(path, limits=limits) as opened:
        yield from opened.stream.entries
