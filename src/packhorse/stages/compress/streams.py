"""What the compressors share: feeding a library's streaming compressor, and undoing in small, strict steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from packhorse.errors import CorruptObjectError
from packhorse.stages.base import MAX_DECODED_CHUNK_BYTES

#: Wire formats in which every flipped bit and every cut shows by the format's own checksum over the whole content. The
#: others need a digest in the object's metadata: brotli and no compression have none, and snappy marks no end.
SELF_CHECKING = frozenset({"gzip", "zlib", "zstd", "lz4", "bzip2", "xz"})
#: Input is undone in slices of this size. When a member ends, the library copies what is left of the slice, so an
#: object made of very many tiny members would otherwise cost the square of its size.
INPUT_SLICE_BYTES = 64 * 1024


class Compressor(Protocol):
    """What zlib, bz2, lzma and their likes offer for compressing a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take ``data`` in; return what is ready."""
        ...

    def flush(self) -> bytes:
        """End the stream; return the rest."""
        ...


class Decompressor(Protocol):
    """The interface of ``bz2.BZ2Decompressor``, which lzma, lz4 and backports.zstd follow."""

    @property
    def eof(self) -> bool:
        """True once the member has ended, its checksum included."""
        ...

    @property
    def needs_input(self) -> bool:
        """False while more output can be had without more input."""
        ...

    @property
    def unused_data(self) -> bytes | None:
        """Bytes given after the member's end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take ``data`` in; return at most ``max_length`` bytes."""
        ...


def feed(compressor: Compressor, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Compress ``chunks`` one by one as they come, handing on what the library has ready."""
    compress = compressor.compress
    for chunk in chunks:
        ready = compress(chunk)
        if ready:
            yield ready
    rest = compressor.flush()
    if rest:
        yield rest


def sliced(chunks: Iterable[bytes], size_bytes: int = INPUT_SLICE_BYTES) -> Iterator[bytes]:
    """Pass ``chunks`` on, the long ones cut to ``size_bytes``; empty ones are dropped."""
    for chunk in chunks:
        if len(chunk) <= size_bytes:
            if chunk:
                yield chunk
        else:
            for start in range(0, len(chunk), size_bytes):
                yield chunk[start : start + size_bytes]


def undo(
    make: Callable[[], Decompressor],
    chunks: Iterable[bytes],
    errors: type[Exception] | tuple[type[Exception], ...],
    wire: str,
    *,
    members: bool = True,
) -> Iterator[bytes]:
    """Decompress ``chunks`` in steps of at most :data:`MAX_DECODED_CHUNK_BYTES`.

    Args:
        make: Makes a decompressor for one member (gzip member, zstd frame, xz stream).
        chunks: The compressed object.
        errors: What the library raises on damaged input.
        wire: The wire format, for messages.
        members: Several members in a row are one object, as gzip(1), zstd(1), bzip2(1) and xz(1) have it.

    Raises:
        CorruptObjectError: Truncated, damaged, or bytes after the end.
    """
    decoder: Decompressor | None = None
    complete = False
    for piece in sliced(chunks):
        data = piece
        while data or (decoder is not None and not decoder.needs_input):
            if decoder is None:
                if complete and not members:
                    raise CorruptObjectError(f"{wire}: bytes after the end of the compressed data")
                decoder, complete = make(), False
            try:
                out = decoder.decompress(data, MAX_DECODED_CHUNK_BYTES)
            except errors as error:
                raise CorruptObjectError(f"{wire}: damaged, or bytes after the end ({error})") from error
            data = b""
            if out:
                yield out
            if decoder.eof:
                data, decoder, complete = decoder.unused_data or b"", None, True
    if not complete:
        raise CorruptObjectError(f"{wire}: truncated, the compressed data ends too early")
