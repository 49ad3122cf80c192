"""xz of the standard library, with the CRC64 that xz(1) writes."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator

from packhorse.stages.compress.streams import feed, undo
from packhorse.units import MIB

#: What a reader may spend: preset 9 needs 65 MiB (xz(1), "-9"); a hostile header could ask for 4 GiB.
_READER_MEMORY_BYTES = 128 * MIB


class Codec:
    """One xz stream per capture."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream."""
        return feed(lzma.LZMACompressor(lzma.FORMAT_XZ, preset=self._level), chunks)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any xz that needs at most 128 MiB. Raises CorruptObjectError."""
        return undo(_reader, chunks, lzma.LZMAError, "xz")


def _reader() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_READER_MEMORY_BYTES)


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """None: the standard library does not tell it."""
    return None
