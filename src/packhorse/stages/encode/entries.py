"""The JSON encoders that go entry by entry: a sink for their library, and the walk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from packhorse.stages.base import InOneCall
from packhorse.stages.encode.read import read_json
from packhorse.stages.encode.sinks import PartsSink, Sink
from packhorse.stages.encode.split import Splitter
from packhorse.stages.encode.syntax import JsonSyntax


class JsonEntryEncoder(InOneCall):
    """Writes JSON entry by entry.

    Args:
        dumps: A library's encoder for one value; what it refuses is written by the standard library.
        chunk: Bytes to gather before they are handed on.
        sink: Makes the sink of one capture; by default ``dumps`` results are kept and joined.
    """

    def __init__(self, dumps: Callable[[Any], bytes], chunk: int, sink: Callable[[], Sink] | None = None) -> None:
        self._dumps = dumps
        self._syntax = JsonSyntax(dumps)
        self._sink = sink or (lambda: PartsSink(dumps))
        self._chunk = chunk

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Yield the capture as JSON, taking entries only as they are needed. Raises CaptureError."""
        return Splitter(self._sink(), self._syntax, self._chunk).run(capture)

    def whole(self, capture: Any) -> bytes:
        """The capture as JSON, in one call of the library; what it refuses goes entry by entry. Raises CaptureError."""
        try:
            return self._dumps(capture)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - its odd entry is found below
            return b"".join(self.encode(capture))

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Read JSON. Raises CorruptObjectError."""
        return read_json(chunks)
