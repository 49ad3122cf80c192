"""Zlib, of the standard library: the original design."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from packhorse.stages.compress.deflate import ZLIB_WBITS, BoundedReader
from packhorse.stages.compress.streams import feed, undo


class Codec:
    """A fresh compression state per capture: the library cannot reset one."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream; an empty capture gives a valid empty member."""
        return feed(zlib.compressobj(self._level, zlib.DEFLATED, ZLIB_WBITS), chunks)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any zlib. Raises CorruptObjectError."""
        return undo(lambda: BoundedReader(zlib.decompressobj, ZLIB_WBITS), chunks, zlib.error, "zlib", members=False)


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(zlib.ZLIB_RUNTIME_VERSION)
