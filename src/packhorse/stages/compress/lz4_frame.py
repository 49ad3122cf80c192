"""LZ4 frames with linked blocks and a checksum over the content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import lz4
import lz4.frame

from packhorse.stages.compress.streams import undo


class Codec:
    """One frame per capture; the context is begun anew for each."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream."""
        compressor = lz4.frame.LZ4FrameCompressor(compression_level=self._level, content_checksum=True)
        ready: bytes = compressor.begin()
        for chunk in chunks:
            # Compressing nothing is an error in this library.
            ready += compressor.compress(chunk) if chunk else b""
            if ready:
                yield ready
                ready = b""
        yield ready + compressor.flush()

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any LZ4 frames. Raises CorruptObjectError."""
        return undo(lz4.frame.LZ4FrameDecompressor, chunks, (RuntimeError, ValueError, EOFError), "lz4")


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """Version of the C library."""
    return str(lz4.library_version_string())
