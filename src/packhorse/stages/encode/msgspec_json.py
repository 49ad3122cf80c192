"""msgspec.json, the whole capture in one call."""

from __future__ import annotations

import msgspec

from packhorse.stages.encode.plain import WholeEncoder


def make(*, chunk: int) -> WholeEncoder:
    """Make the encoder."""
    return WholeEncoder(msgspec.json.Encoder().encode, chunk)


def core_version() -> str | None:
    """None: the encoder is msgspec's own C code."""
    return None
