"""Zstandard through python-zstandard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import zstandard

from packhorse.errors import CorruptObjectError
from packhorse.stages.compress.zstd_frames import blocks

#: Largest window a reader accepts: 128 MiB, the bound of zstd(1) without --long.
_WINDOW_BYTES_MAX = 1 << 27


class Codec:
    """Keeps one compression context for all captures of its thread."""

    def __init__(self, level: int, threads: int) -> None:
        self._compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, threads=threads)
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream. A capture that comes in one chunk is compressed in one call, its size in the frame."""
        source = iter(chunks)
        first = next(source, b"")
        second = next(source, None)
        if second is None:
            yield self._compressor.compress(first)
            return
        stream = self._compressor.compressobj()
        compress = stream.compress
        for chunk in (first, second):
            ready = compress(chunk)
            if ready:
                yield ready
        for chunk in source:
            ready = compress(chunk)
            if ready:
                yield ready
        yield stream.flush()

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any zstd frames with windows up to 128 MiB. Raises CorruptObjectError.

        The binding cannot bound the output of one call, so it is fed block by block: a block holds at most 128 KiB
        (RFC 8878, 3.1.1.2.3).
        """
        stream = self._decompressor.decompressobj()
        for frame_start, piece in blocks(chunks):
            if frame_start:
                stream = self._decompressor.decompressobj()
            try:
                out = stream.decompress(piece)
            except zstandard.ZstdError as error:
                raise CorruptObjectError(f"zstd: damaged ({error})") from error
            if out:
                yield out


def make(*, level: int, threads: int) -> Codec:
    """Make the compressor."""
    return Codec(level, threads)


def core_version() -> str | None:
    """Version of the C library."""
    return ".".join(map(str, zstandard.ZSTD_VERSION))
