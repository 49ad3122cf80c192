"""Zstandard through compression.zstd of Python 3.14, or backports.zstd, which is that module for earlier ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from packhorse.stages.compress.streams import undo

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Largest window a reader accepts: 128 MiB, the bound of zstd(1) without --long.
_WINDOW_LOG_MAX = 27
_READER_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}


class Codec:
    """Keeps one compression context for all captures of its thread."""

    def __init__(self, level: int, threads: int) -> None:
        parameter = zstd.CompressionParameter
        self._options: dict[int, int] = {parameter.compression_level: level, parameter.checksum_flag: 1}
        if threads:
            self._options[parameter.nb_workers] = threads
        self._idle: zstd.ZstdCompressor | None = None

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream. A capture that comes in one chunk is compressed in one call, its size in the frame."""
        # Taken out while in use: a stream that is closed early leaves its half-written frame to the garbage collector.
        compressor, self._idle = self._idle or zstd.ZstdCompressor(options=self._options), None
        source = iter(chunks)
        chunk = next(source, b"")
        for following in source:
            ready = compressor.compress(chunk)
            if ready:
                yield ready
            chunk = following
        yield compressor.compress(chunk, compressor.FLUSH_FRAME)
        self._idle = compressor

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any zstd frames with windows up to 128 MiB. Raises CorruptObjectError."""
        return undo(lambda: zstd.ZstdDecompressor(options=_READER_OPTIONS), chunks, zstd.ZstdError, "zstd")


def make(*, level: int, threads: int) -> Codec:
    """Make the compressor."""
    return Codec(level, threads)


def core_version() -> str | None:
    """Version of the C library."""
    return str(zstd.zstd_version)
