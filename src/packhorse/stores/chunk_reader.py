"""A stream of chunks as the file-like object that transfer managers want."""

from __future__ import annotations

from collections.abc import Iterator


class ChunkReader:
    """Reads an iterator of chunks as a file that cannot seek.

    Attributes:
        bytes_read: Bytes handed out so far.
        error: What the iterator raised, so that it can be told from the SDK's own exceptions.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = memoryview(b"")
        self.bytes_read = 0
        self.error: BaseException | None = None
        self._abandoned = False

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, less only at the end: s3transfer takes a short read for the end. -1 reads the rest."""
        taken: list[bytes | memoryview] = []
        wanted = size
        while wanted and not self._abandoned:
            if not len(self._held) and not self._next():
                break
            piece = self._held if wanted < 0 else self._held[:wanted]
            self._held = self._held[len(piece) :]
            taken.append(piece)
            wanted -= len(piece) if wanted > 0 else 0
        data = b"".join(taken)
        self.bytes_read += len(data)
        return data

    def abandon(self) -> None:
        """Hand out nothing more: the upload has failed, and producing the rest would be for nothing."""
        self._abandoned = True

    def readable(self) -> bool:
        """Always True."""
        return True

    def seekable(self) -> bool:
        """Always False."""
        return False

    def _next(self) -> bool:
        try:
            for chunk in self._chunks:
                if chunk:
                    self._held = memoryview(chunk)
                    return True
        except BaseException as error:
            self.error = error
            raise
        return False
