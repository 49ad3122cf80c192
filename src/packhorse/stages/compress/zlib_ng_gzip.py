"""Gzip members through zlib-ng."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from zlib_ng import zlib_ng

from packhorse.stages.compress.deflate import GZIP_WBITS, BoundedReader
from packhorse.stages.compress.streams import feed, undo

#: The stubs call this class an instance.
_ERROR = cast(type[Exception], zlib_ng.error)


class Codec:
    """A fresh compression state per capture: the library cannot reset one."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream; an empty capture gives a valid empty member."""
        return feed(zlib_ng.compressobj(self._level, zlib_ng.DEFLATED, GZIP_WBITS), chunks)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any gzip. Raises CorruptObjectError."""
        return undo(lambda: BoundedReader(zlib_ng.decompressobj, GZIP_WBITS), chunks, _ERROR, "gzip")


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(zlib_ng.ZLIBNG_RUNTIME_VERSION)
