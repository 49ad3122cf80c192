"""Encoders that yield a capture as many small texts: ``iterencode`` of the standard library and of its relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from packhorse.errors import CaptureError
from packhorse.model import EntryStream
from packhorse.position import Path
from packhorse.stages.encode.plain import classified, nulled, plain_json, refuses_nan
from packhorse.stages.encode.read import read_json

Iterencode = Callable[[Any], Iterable[str]]


def around(outline: Any, path: tuple[str, ...], at: Path = ()) -> tuple[bytes, bytes]:
    """JSON before the first and after the last entry of a stream, brackets of the list included.

    Args:
        outline: The capture without the entries or, at ``at`` in it, a part of that.
        path: Keys that lead from ``outline`` to the list.
        at: Where ``outline`` is.

    Raises:
        CaptureError: ``path`` does not lead through ``outline``.
    """
    if not path:
        return b"[", b"]"
    if not isinstance(outline, dict) or path[0] not in outline:
        raise CaptureError(f"the outline has no {path[0]!r} on the path to its entries")
    keys = list(outline)
    place = keys.index(path[0])
    before = plain_json({key: outline[key] for key in keys[:place]}, at)[:-1]
    after = plain_json({key: outline[key] for key in keys[place + 1 :]}, at)[1:]
    inner_before, inner_after = around(outline[path[0]], path[1:], (*at, path[0]))
    name = plain_json({path[0]: 0})[1:-2]
    comma_before, comma_after = (b"," if place else b""), (b"," if place + 1 < len(keys) else b"")
    return before + comma_before + name + inner_before, inner_after + comma_after + after


def gathered(pieces: Iterable[bytes], chunk: int) -> Iterator[bytes]:
    """Join ``pieces`` to chunks of at least ``chunk`` bytes, the last one excepted; 1 hands every piece on as it is."""
    if chunk == 1:
        yield from filter(None, pieces)
        return
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size >= chunk:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if size:
        yield b"".join(parts)


class TextEncoder:
    """Encodes with a function that yields ASCII texts. An ``EntryStream`` is read entry by entry."""

    def __init__(self, iterencode: Iterencode, chunk: int) -> None:
        self._iterencode = iterencode
        self._chunk = chunk

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Yield the capture as JSON. Raises CaptureError."""
        pieces = self._stream(capture) if isinstance(capture, EntryStream) else self._pieces(capture, ())
        return gathered(pieces, self._chunk)

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Read JSON. Raises CorruptObjectError."""
        return read_json(chunks)

    def _stream(self, capture: EntryStream) -> Iterator[bytes]:
        lead, closed = around(capture.outline, capture.path)
        index = -1
        entries = iter(capture.entries)
        while True:
            index += 1
            path: Path = (*capture.path, index)
            try:
                entry = next(entries)
            except StopIteration:
                break
            except MemoryError:
                raise
            except Exception as error:
                raise classified(error, path) from error
            yield lead
            yield from self._pieces(entry, path)
            lead = b","
        yield closed if index else lead + closed

    def _pieces(self, value: Any, path: Path) -> Iterator[bytes]:
        done, whole = 0, False
        try:
            try:
                for done, piece in enumerate(self._iterencode(value), 1):  # noqa: B007 - used where the loop fails
                    yield piece.encode("ascii")
                whole = True
            except ValueError as error:
                if not refuses_nan(error):
                    raise
            if not whole:
                # The same pieces come up to the NaN: begin again over a copy without it, past those handed on.
                for piece in islice(self._iterencode(nulled(value)), done, None):
                    yield piece.encode("ascii")
        except MemoryError:
            raise
        except Exception as error:
            raise classified(error, path, value) from error
