"""python-rapidjson through its stream interface, entry by entry.

``rapidjson.dump`` pushes into a stream and cannot be paused, so that one call over a whole capture would have to keep
all of the output. It is called per entry instead, and what it pushes is gathered.
"""

from __future__ import annotations

from typing import IO, Any, cast

import rapidjson

from packhorse.stages.encode.entries import JsonEntryEncoder
from packhorse.stages.encode.rapidjson_dumps import STRICT, core_version

__all__ = ["core_version", "make"]


class _Pushed:
    """A stream that keeps what is written to it."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(bytes(data))


def _dumps(value: Any) -> bytes:
    stream = _Pushed()
    rapidjson.dump(value, cast(IO[bytes], stream), allow_nan=False, **STRICT)
    return b"".join(stream.parts)


def make(*, chunk: int) -> JsonEntryEncoder:
    """Make the encoder."""
    return JsonEntryEncoder(_dumps, chunk)
