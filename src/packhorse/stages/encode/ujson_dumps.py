"""ujson.dumps, the whole capture in one call."""

from __future__ import annotations

from typing import Any

import ujson

from packhorse.stages.encode.plain import WholeEncoder


def _dumps(value: Any) -> bytes:
    return ujson.dumps(value, allow_nan=False, escape_forward_slashes=False).encode("ascii")


def make(*, chunk: int) -> WholeEncoder:
    """Make the encoder. NaN is refused by ujson, so that the standard library writes ``null``."""
    return WholeEncoder(_dumps, chunk)


def core_version() -> str | None:
    """None: the encoder is ujson's own C code."""
    return None
