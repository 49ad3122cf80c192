"""Brotli, generic mode, with the library's default window of 4 MiB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import brotli

from packhorse.errors import CorruptObjectError
from packhorse.stages.compress.streams import sliced

#: The library's output buffer grows in steps (32, 64, 256 KiB, ...) and stops growing at the limit, so a call may
#: return up to one step more: 96 KiB here.
_OUTPUT_LIMIT_BYTES = 64 * 1024


class Codec:
    """One Brotli stream per capture. The format has no checksum: damage may show only as wrong content."""

    def __init__(self, level: int) -> None:
        self._level = level

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream."""
        compressor = brotli.Compressor(quality=self._level)
        for chunk in chunks:
            ready: bytes = compressor.process(chunk)
            if ready:
                yield ready
        yield compressor.finish()

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any Brotli stream. Raises CorruptObjectError."""
        decoder = brotli.Decompressor()
        for piece in sliced(chunks):
            if decoder.is_finished():
                raise CorruptObjectError("br: bytes after the end of the compressed data")
            out = _step(decoder, piece)
            while out:
                yield out
                # Output may wait inside although all input is taken: only an empty answer says that there is none.
                out = b"" if decoder.is_finished() else _step(decoder, b"")
        if not decoder.is_finished():
            raise CorruptObjectError("br: truncated, the compressed data ends too early")


def _step(decoder: brotli.Decompressor, data: bytes) -> bytes:
    try:
        return bytes(decoder.process(data, output_buffer_limit=_OUTPUT_LIMIT_BYTES))
    except brotli.error as error:
        raise CorruptObjectError(f"br: damaged, or bytes after the end ({error})") from error


def make(*, level: int) -> Codec:
    """Make the compressor."""
    return Codec(level)


def core_version() -> str | None:
    """Version of the C library, which the binding carries."""
    return str(brotli.version)
