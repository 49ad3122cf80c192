"""orjson, the whole capture in one call."""

from __future__ import annotations

import orjson

from packhorse.stages.encode.plain import WholeEncoder


def make(*, chunk: int) -> WholeEncoder:
    """Make the encoder."""
    return WholeEncoder(orjson.dumps, chunk)


def core_version() -> str | None:
    """None: the encoder is orjson's own Rust code."""
    return None
