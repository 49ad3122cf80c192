"""orjson, entry by entry."""

from __future__ import annotations

import orjson

from packhorse.stages.encode.entries import JsonEntryEncoder
from packhorse.stages.encode.orjson_dumps import core_version

__all__ = ["core_version", "make"]


def make(*, chunk: int) -> JsonEntryEncoder:
    """Make the encoder."""
    return JsonEntryEncoder(orjson.dumps, chunk)
