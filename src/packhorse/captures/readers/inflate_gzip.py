"""Gzip, several members included, in bounded steps."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from packhorse.captures.readers.limits import READ_BYTES
from packhorse.captures.readers.source import Reader

MAGIC = b"\x1f\x8b"


def inflate(reader: Reader) -> Iterator[bytes]:
    """Yield the plain bytes in chunks of at most :data:`READ_BYTES`.

    Raises:
        ValueError: The data is damaged or ends early; the message says which.
    """
    data = reader.read(READ_BYTES)
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            yield from _member(member, data, reader)
        except zlib.error as error:
            raise ValueError(f"damaged gzip data ({error})") from None
        # Padding with zeros after the last member is what tape tools leave; gzip itself ignores it too.
        data = member.unused_data.lstrip(b"\0")
        while not data and (more := reader.read(READ_BYTES)):
            data = more.lstrip(b"\0")


def _member(member: zlib._Decompress, data: bytes, reader: Reader) -> Iterator[bytes]:
    while True:
        plain = member.decompress(data, READ_BYTES)
        if plain:
            yield plain
        if member.eof:
            return
        # zlib may hold output back without holding input, so it is asked once more with nothing at the end.
        data = member.unconsumed_tail or reader.read(READ_BYTES)
        if not data and not plain:
            raise ValueError("gzip data ends early")
