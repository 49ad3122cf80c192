"""How far a capture's compact JSON shrinks, by the two compressors that captures are described with."""

from __future__ import annotations

import zlib

import zstandard


class Ratios:
    """Two compressors fed side by side; what they write is counted, not kept."""

    def __init__(self) -> None:
        self._raw_bytes = self._gzip_bytes = self._zstd_bytes = 0
        self._gzip = zlib.compressobj(6, wbits=31)
        self._zstd = zstandard.ZstdCompressor(level=3).compressobj()

    def write(self, piece: bytes) -> None:
        """Take the next bytes of the text."""
        self._raw_bytes += len(piece)
        self._gzip_bytes += len(self._gzip.compress(piece))
        self._zstd_bytes += len(self._zstd.compress(piece))

    def finish(self) -> dict[str, float]:
        """End both streams: raw bytes over compressed bytes, as ``gzip6`` and ``zstd3``."""
        self._gzip_bytes += len(self._gzip.flush())
        self._zstd_bytes += len(self._zstd.flush())
        return {"gzip6": self._raw_bytes / self._gzip_bytes, "zstd3": self._raw_bytes / self._zstd_bytes}
