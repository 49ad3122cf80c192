"""json.JSONEncoder.iterencode: the original design, which hands on every piece, however small."""

from __future__ import annotations

import json

from packhorse.stages.encode.texts import TextEncoder


def make(*, chunk: int) -> TextEncoder:
    """Make the encoder."""
    return TextEncoder(json.JSONEncoder(allow_nan=False, separators=(",", ":")).iterencode, chunk)


def core_version() -> str | None:
    """None: it is part of Python."""
    return None
