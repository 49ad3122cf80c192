"""Gzip members through the standard library's zlib."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from packhorse.stages.compress.deflate import GZIP_WBITS, BoundedReader
from packhorse.stages.compress.streams import feed, undo


class Codec:
    """A fresh compression state per capture: the library cannot reset one."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream; an empty capture gives a valid empty member."""
        return feed(zlib.compressobj(self._level, zlib.DEFLATED, GZIP_WBITS), chunks)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any gzip. Raises CorruptObjectError."""
        return undo(lambda: BoundedReader(zlib.decompressobj, GZIP_WBITS), chunks, zlib.error, "gzip")


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(zlib.ZLIB_RUNTIME_VERSION)
