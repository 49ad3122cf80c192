"""Gzip members through Intel ISA-L, whose levels are 0 to 3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import isal
from isal import isal_zlib

from packhorse.stages.compress.deflate import GZIP_WBITS, BoundedReader
from packhorse.stages.compress.streams import feed, undo

#: The stubs call this class an instance.
_ERROR = cast(type[Exception], isal_zlib.error)


class Codec:
    """A fresh compression state per capture: the library cannot reset one."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream; an empty capture gives a valid empty member."""
        return feed(isal_zlib.compressobj(self._level, isal_zlib.DEFLATED, GZIP_WBITS), chunks)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any gzip. Raises CorruptObjectError."""
        return undo(lambda: BoundedReader(isal_zlib.decompressobj, GZIP_WBITS), chunks, _ERROR, "gzip")


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """Version of the C library in use."""
    return str(isal.ISAL_VERSION)
