"""Brotli, in bounded steps. It has no magic number: whoever calls this has run out of other ideas."""

from __future__ import annotations

from collections.abc import Iterator

import brotli

from packhorse.captures.readers.limits import READ_BYTES
from packhorse.captures.readers.source import Reader


def inflate(reader: Reader) -> Iterator[bytes]:
    """Yield the plain bytes in chunks of about :data:`READ_BYTES`.

    Raises:
        ValueError: The data is damaged, ends early or goes on after its end; the message says which.
    """
    decoder = brotli.Decompressor()
    data = reader.read(READ_BYTES)
    try:
        while data:
            plain = decoder.process(data, output_buffer_limit=READ_BYTES)
            while plain or not decoder.can_accept_more_data():
                if plain:
                    yield plain
                plain = decoder.process(b"", output_buffer_limit=READ_BYTES)
            data = reader.read(READ_BYTES)
            if decoder.is_finished() and data:
                raise ValueError("bytes after the end of the brotli data")
    except brotli.error as error:
        raise ValueError(f"damaged brotli data ({error})") from None
    if not decoder.is_finished():
        raise ValueError("brotli data ends early")
