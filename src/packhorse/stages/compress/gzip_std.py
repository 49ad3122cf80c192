"""Gzip members through the standard library's zlib."""

from __future__ import annotations

import zlib

from packhorse.stages.compress.deflate import DeflateCodec


def make(*, level: int) -> DeflateCodec:
    """Make the compressor."""
    return DeflateCodec(zlib, level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(zlib.ZLIB_RUNTIME_VERSION)
