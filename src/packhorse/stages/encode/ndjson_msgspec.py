"""NDJSON through msgspec."""

from __future__ import annotations

import msgspec

from packhorse.stages.encode.msgspec_json import core_version
from packhorse.stages.encode.ndjson import NdjsonEncoder

__all__ = ["core_version", "make"]


def make(*, chunk: int) -> NdjsonEncoder:
    """Make the encoder."""
    return NdjsonEncoder(msgspec.json.Encoder().encode, chunk)
