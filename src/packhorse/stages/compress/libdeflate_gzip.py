"""gzip members through libdeflate, which knows whole buffers only: the encoded capture is gathered first.

It has no streaming decompressor either, so members are undone by the standard library's zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import deflate

from packhorse.stages.base import CompressesAtOnce
from packhorse.stages.compress.deflate import GZIP_WBITS, BoundedReader, gzip_crc32
from packhorse.stages.compress.streams import undo


class WholeCodec(CompressesAtOnce):
    """Peak memory is the encoded capture, its compressed form, and for a moment a second copy of the former."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Gather, then compress in one call that hands on one chunk."""
        gathered = list(chunks)
        whole = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        del gathered
        yield self.whole(whole)[0]

    def whole(self, plain: bytes) -> tuple[bytes, int | None]:
        """As ``CompressesAtOnce.whole``."""
        # 0.9 and later return a bytearray; a chunk must be immutable.
        packed = bytes(deflate.gzip_compress(plain, self._level))
        return packed, gzip_crc32(packed)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any gzip, through zlib. Raises CorruptObjectError."""
        return undo(lambda: BoundedReader(zlib.decompressobj, GZIP_WBITS), chunks, zlib.error, "gzip")


def make(*, level: int) -> WholeCodec:
    """Make the compressor."""
    return WholeCodec(level)


def core_version() -> str | None:
    """None: the binding does not tell libdeflate's version."""
    return None
