"""Gzip members through Intel ISA-L, whose levels are 0 to 3."""

from __future__ import annotations

import isal
from isal import isal_zlib

from packhorse.stages.compress.deflate import DeflateCodec


def make(*, level: int) -> DeflateCodec:
    """Make the compressor."""
    return DeflateCodec(isal_zlib, level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(isal.ISAL_VERSION)
