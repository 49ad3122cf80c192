"""bzip2 of the standard library."""

from __future__ import annotations

import bz2
from collections.abc import Iterable, Iterator

from packhorse.stages.compress.streams import feed, undo


class Codec:
    """Blocks of ``level`` × 100 kB."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream."""
        return feed(bz2.BZ2Compressor(self._level), chunks)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any bzip2. Raises CorruptObjectError."""
        return undo(bz2.BZ2Decompressor, chunks, (OSError, ValueError), "bzip2")


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """None: the standard library does not tell it."""
    return None
