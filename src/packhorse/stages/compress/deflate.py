"""What zlib and the libraries with zlib's interface (isal, zlib-ng) share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from packhorse.stages.base import CompressesAtOnce
from packhorse.stages.compress.streams import feed, undo

#: ``wbits`` of a zlib stream with a 32 KiB window, and of the same in a gzip member (zlib manual, deflateInit2). The
#: header is then written by the library: no name, mtime 0, so that equal input gives equal bytes.
ZLIB_WBITS = 15
GZIP_WBITS = 31


def gzip_crc32(member: bytes) -> int:
    """The CRC-32 of a gzip member's content, which stands before its last four bytes (RFC 1952)."""
    return int.from_bytes(member[-8:-4], "little")


class BoundedReader:
    """A zlib-like ``decompressobj`` with the interface of ``bz2.BZ2Decompressor``."""

    def __init__(self, decompressobj: Callable[[int], Any], wbits: int) -> None:
        self._inner = decompressobj(wbits)
        self._pending = False

    @property
    def eof(self) -> bool:
        """True once the member has ended and its checksum was right."""
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        """False while more output may come without more input."""
        return not self._pending

    @property
    def unused_data(self) -> bytes:
        """Bytes given after the member's end."""
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take ``data`` in; return at most ``max_length`` bytes."""
        tail = self._inner.unconsumed_tail
        out: bytes = self._inner.decompress(tail + data if tail else data, max_length)
        # A full output buffer may hide more output inside the library, even with no input left over.
        self._pending = not self._inner.eof and (bool(self._inner.unconsumed_tail) or len(out) == max_length)
        return out


class DeflateCodec(CompressesAtOnce):
    """A compressor of a module with zlib's interface. Its state is fresh per capture: the libraries cannot reset one.

    Attributes:
        wire: ``gzip`` (members in a row are one object) or ``zlib`` (one stream, nothing after it).
    """

    def __init__(self, library: Any, level: int, *, wire: str = "gzip") -> None:
        self.wire = wire
        self._library = library
        self._level = level
        self._wbits = GZIP_WBITS if wire == "gzip" else ZLIB_WBITS

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream; an empty capture gives a valid empty member."""
        return feed(self._library.compressobj(self._level, self._library.DEFLATED, self._wbits), chunks)

    def whole(self, plain: bytes) -> tuple[bytes, int | None]:
        """As ``CompressesAtOnce.whole``."""
        packed: bytes = self._library.compress(plain, self._level, self._wbits)
        return packed, gzip_crc32(packed) if self.wire == "gzip" else None

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo what any library wrote in this wire format. Raises CorruptObjectError."""

        def reader() -> BoundedReader:
            return BoundedReader(self._library.decompressobj, self._wbits)

        return undo(reader, chunks, self._library.error, self.wire, members=self.wire == "gzip")
