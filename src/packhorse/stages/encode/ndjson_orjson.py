"""NDJSON through orjson."""

from __future__ import annotations

import orjson

from packhorse.stages.encode.ndjson import NdjsonEncoder
from packhorse.stages.encode.orjson_dumps import core_version

__all__ = ["core_version", "make"]


def make(*, chunk: int) -> NdjsonEncoder:
    """Make the encoder."""
    return NdjsonEncoder(orjson.dumps, chunk)
