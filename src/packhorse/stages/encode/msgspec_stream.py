"""msgspec.json, entry by entry into one buffer."""

from __future__ import annotations

import msgspec

from packhorse.stages.encode.entries import JsonEntryEncoder
from packhorse.stages.encode.sinks import BufferSink


def make(*, chunk: int) -> JsonEntryEncoder:
    """Make the encoder."""
    encoder = msgspec.json.Encoder()
    return JsonEntryEncoder(encoder.encode, chunk, lambda: BufferSink(encoder.encode_into))


def core_version() -> str | None:
    """None: the encoder is msgspec's own C code."""
    return None
