"""Gzip members through zlib-ng."""

from __future__ import annotations

from zlib_ng import zlib_ng

from packhorse.stages.compress.deflate import DeflateCodec


def make(*, level: int) -> DeflateCodec:
    """Make the compressor."""
    return DeflateCodec(zlib_ng, level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(zlib_ng.ZLIBNG_RUNTIME_VERSION)
