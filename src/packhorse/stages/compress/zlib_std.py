"""Zlib, of the standard library: the original design."""

from __future__ import annotations

import zlib

from packhorse.stages.compress.deflate import DeflateCodec


def make(*, level: int) -> DeflateCodec:
    """Make the compressor."""
    return DeflateCodec(zlib, level, wire="zlib")


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(zlib.ZLIB_RUNTIME_VERSION)
