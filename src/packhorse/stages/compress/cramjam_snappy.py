"""Framed Snappy through cramjam (the Rust crate snap)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cramjam import DecompressionError, snappy

from packhorse.errors import CorruptObjectError
from packhorse.stages.compress.streams import sliced

#: Stream identifier chunk (Snappy framing format, section 4.1).
_IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
#: Compressed and plain data; 0x80 and up may be skipped; 0x02 to 0x7f must not be (sections 4.2 to 4.6).
_DATA_KINDS = (0x00, 0x01)
_SKIPPABLE_FROM = 0x80
#: A data chunk holds at most 64 KiB; compressed by a poor encoder it may be a little longer (section 4.2).
_CHUNK_BYTES_MAX = 76_490 + 4
#: The compressor's buffer is emptied after this much input, so that memory stays flat.
_FLUSH_EVERY_BYTES = 256 * 1024


class Codec:
    """One Snappy stream per capture, a checksum over every 64 KiB."""

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress as a stream."""
        compressor = snappy.Compressor()
        held_bytes = 0
        yield _IDENTIFIER
        identified = False
        for chunk in chunks:
            compressor.compress(chunk)
            held_bytes += len(chunk)
            if held_bytes >= _FLUSH_EVERY_BYTES:
                held_bytes = 0
                ready = bytes(compressor.flush())
                yield ready if identified else ready.removeprefix(_IDENTIFIER)
                identified = True
        rest = bytes(compressor.finish())
        rest = rest if identified else rest.removeprefix(_IDENTIFIER)
        if rest:
            yield rest

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo any framed Snappy, one chunk of at most 64 KiB at a time. Raises CorruptObjectError.

        The format marks no end: an object cut exactly between two chunks can only be seen by the encoder's reader.
        """
        held = bytearray()
        begun = False
        for piece in sliced(chunks):
            held += piece
            while len(held) >= 4:
                kind, size = held[0], int.from_bytes(held[1:4], "little")
                _check_head(kind, size, begun=begun)
                if len(held) < 4 + size:
                    break
                frame = bytes(held[: 4 + size])
                del held[: 4 + size]
                begun = True
                if kind in _DATA_KINDS:
                    yield from _undo_data(frame)
                elif kind == _IDENTIFIER[0] and frame != _IDENTIFIER:
                    raise CorruptObjectError("snappy: damaged stream identifier")
        if held or not begun:
            raise CorruptObjectError("snappy: truncated, the compressed data ends too early")


def _check_head(kind: int, size: int, *, begun: bool) -> None:
    if not begun and kind != _IDENTIFIER[0]:
        raise CorruptObjectError("snappy: the stream identifier is missing")
    if kind in _DATA_KINDS and not 4 <= size <= _CHUNK_BYTES_MAX:
        raise CorruptObjectError("snappy: damaged, a chunk has an impossible length")
    if kind not in _DATA_KINDS and kind < _SKIPPABLE_FROM:
        raise CorruptObjectError(f"snappy: damaged, or bytes after the end (chunk type {kind})")


def _undo_data(frame: bytes) -> Iterator[bytes]:
    try:
        out = bytes(snappy.decompress(_IDENTIFIER + frame))
    except DecompressionError as error:
        raise CorruptObjectError(f"snappy: damaged ({error})") from error
    if out:
        yield out


def make() -> Codec:
    """Make the compressor."""
    return Codec()


def core_version() -> str | None:
    """None: the binding does not tell the crate's version."""
    return None
