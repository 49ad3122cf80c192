"""Zstandard, several frames included, in bounded steps."""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

from packhorse.captures.readers.limits import READ_BYTES
from packhorse.captures.readers.source import Reader
from packhorse.units import KIB, MIB

MAGIC = b"\x28\xb5\x2f\xfd"
#: The most a frame's window may ask for; ``zstd --long=27``, the tool's own limit for decoding.
_MAX_WINDOW_BYTES = 128 * MIB
#: Compressed bytes per step. ``stream_reader`` would bound the output, but it takes a truncated frame for a whole one;
#: this object does not, and a block of 128 KiB needs at least 4 bytes, so a step yields at most 32 MiB.
_STEP_BYTES = KIB


def inflate(reader: Reader) -> Iterator[bytes]:
    """Yield the plain bytes in chunks of at most 32 MiB; only a bomb comes near.

    Raises:
        ValueError: The data is damaged or ends early; the message says which.
    """
    context = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    frame = context.decompressobj()
    begun = False
    while data := reader.read(READ_BYTES):
        at = 0
        while at < len(data):
            step = data[at : at + _STEP_BYTES]
            try:
                plain = frame.decompress(step)
            except zstandard.ZstdError as error:
                raise ValueError(f"damaged zstd data ({error})") from None
            begun = True
            at += len(step)
            if plain:
                yield plain
            if frame.eof:
                at -= len(frame.unused_data)
                frame, begun = context.decompressobj(), False
    if begun:
        raise ValueError("zstd data ends early")
