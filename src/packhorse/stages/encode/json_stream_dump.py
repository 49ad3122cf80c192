"""json-stream: the capture's long lists wrapped as streamable lists, encoded by the standard library's iterencode."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from json_stream.writer import streamable_list

from packhorse.errors import CaptureError
from packhorse.model import EntryStream
from packhorse.position import Path
from packhorse.stages.encode.plain import classified
from packhorse.stages.encode.read import read_json
from packhorse.stages.encode.texts import gathered

_ENCODER = json.JSONEncoder(separators=(",", ":"))
#: How the standard library writes NaN and the infinities; strings end in a quote, so nothing else ends like these.
_NOT_FINITE = ("-Infinity", "Infinity", "NaN")
#: Objects are searched for lists down to this depth.
_DEPTH = 3


class JsonStreamEncoder:
    """Hands the standard library lists that are really iterators. They cannot be read twice, so NaN is met as text."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Yield the capture as JSON, taking entries only as they are needed. Raises CaptureError."""
        return gathered(_pieces(capture), self._chunk)

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Read JSON. Raises CorruptObjectError."""
        return read_json(chunks)


def _pieces(capture: Any) -> Iterator[bytes]:
    path: Path = ()
    begun: Any = capture
    try:
        if isinstance(capture, EntryStream):

            def noted() -> Iterator[Any]:
                nonlocal path, begun
                for index, entry in enumerate(capture.entries):
                    path, begun = (*capture.path, index), entry
                    yield entry

            begun = capture.outline
            wrapped = _placed(capture.outline, capture.path, noted())
        else:
            wrapped = _wrapped(capture, _DEPTH)
        for piece in _ENCODER.iterencode(wrapped):
            if piece[-1] in "Ny":
                yield _finite(piece).encode("ascii")
            else:
                yield piece.encode("ascii")
    except MemoryError:
        raise
    except Exception as error:
        raise classified(error, path, begun) from error


def _finite(piece: str) -> str:
    ending = next((text for text in _NOT_FINITE if piece.endswith(text)), None)
    return piece if ending is None else piece.removesuffix(ending) + "null"


def _wrapped(value: Any, depth: int) -> Any:
    if isinstance(value, list | tuple):
        return streamable_list(iter(value))
    if isinstance(value, dict) and depth:
        return {key: _wrapped(item, depth - 1) for key, item in value.items()}
    return value


def _placed(outline: Any, path: tuple[str, ...], entries: Iterable[Any]) -> Any:
    if not path:
        return streamable_list(iter(entries))
    if not isinstance(outline, dict) or path[0] not in outline:
        raise CaptureError(f"the outline has no {path[0]!r} on the path to its entries")
    return {**outline, path[0]: _placed(outline[path[0]], path[1:], entries)}


def make(*, chunk: int) -> JsonStreamEncoder:
    """Make the encoder."""
    return JsonStreamEncoder(chunk)


def core_version() -> str | None:
    """Version of its Rust tokenizer, which only its reader uses."""
    return version("json-stream-rs-tokenizer")
