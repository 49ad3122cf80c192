"""Cutting zstd frames into their blocks, by the format's own lengths (RFC 8878, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packhorse.errors import CorruptObjectError
from packhorse.stages.compress.streams import sliced

_MAGIC = 0xFD2FB528
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_BLOCK_BYTES_MAX = 128 * 1024
_RLE, _RESERVED = 1, 3
_DICT_ID_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)


class _Input:
    """Reads exact numbers of bytes from a stream of chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._source = sliced(chunks)
        self._held = bytearray()

    def at_end(self) -> bool:
        return not self._held and not self._more()

    def _more(self) -> bool:
        chunk = next(self._source, None)
        if chunk is None:
            return False
        self._held += chunk
        return True

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes (here at most 128 KiB: every length is checked by the caller)."""
        while len(self._held) < count:
            if not self._more():
                raise CorruptObjectError("zstd: truncated, the compressed data ends too early")
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def skip(self, count: int) -> None:
        while count:
            step = min(count, _BLOCK_BYTES_MAX)
            self.take(step)
            count -= step


def blocks(chunks: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Yield ``(starts a frame, bytes)``: frame header, then each block, then the checksum, without skippable frames.

    Raises:
        CorruptObjectError: Not zstd, truncated, or bytes after the end.
    """
    data = _Input(chunks)
    if data.at_end():
        raise CorruptObjectError("zstd: truncated, there are no bytes at all")
    while not data.at_end():
        magic_bytes = data.take(4)
        magic = int.from_bytes(magic_bytes, "little")
        if magic in _SKIPPABLE:
            data.skip(int.from_bytes(data.take(4), "little"))
            continue
        if magic != _MAGIC:
            raise CorruptObjectError("zstd: not a zstd frame, or bytes after the end of the last one")
        header, has_checksum = _header(data)
        yield True, magic_bytes + header
        last = False
        while not last:
            last, block = _block(data)
            yield False, block
        if has_checksum:
            yield False, data.take(4)


def _header(data: _Input) -> tuple[bytes, bool]:
    descriptor = data.take(1)
    flags = descriptor[0]
    single_segment = bool(flags & 0x20)
    content_size_bytes = _CONTENT_SIZE_BYTES[flags >> 6] or int(single_segment)
    rest = data.take((not single_segment) + _DICT_ID_BYTES[flags & 3] + content_size_bytes)
    return descriptor + rest, bool(flags & 4)


def _block(data: _Input) -> tuple[bool, bytes]:
    head = data.take(3)
    word = int.from_bytes(head, "little")
    kind, size = (word >> 1) & 3, word >> 3
    if kind == _RESERVED or size > _BLOCK_BYTES_MAX:
        raise CorruptObjectError("zstd: damaged block header")
    return bool(word & 1), head + data.take(1 if kind == _RLE else size)
