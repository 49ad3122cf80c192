"""json.dumps of the standard library, the whole capture in one call, ASCII only as it does by default."""

from __future__ import annotations

from packhorse.stages.encode.plain import WholeEncoder, plain_json


def make(*, chunk: int) -> WholeEncoder:
    """Make the encoder."""
    return WholeEncoder(plain_json, chunk)


def core_version() -> str | None:
    """None: it is part of Python."""
    return None
