"""A spooled file that is written as its body comes, beside other work, and shows itself only once it is whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from packhorse.units import KIB
from packhorse.uploader.spool.files import FileWriter, Header, open_new


class Draft:
    """Not thread-safe. Whatever becomes of it, one of :meth:`finish` and :meth:`discard` is called.

    Args:
        temporary: Where it is until it is whole; the next owner of the folder removes what is left there.
        final: Where it is then.
        header: What it is stored as.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, temporary: Path, final: Path, header: Header) -> None:
        self._temporary = temporary
        self.final = final
        self._file = os.fdopen(open_new(temporary), "wb", buffering=64 * KIB)
        try:
            self._writer = FileWriter(self._file, header)
        except BaseException:
            self.discard()
            raise

    def add(self, chunk: bytes) -> None:
        """Write the next chunk. Raises OSError."""
        self._writer.add(chunk)

    def finish(self) -> int:
        """Make it whole, but for its folder, as ``write_durably``; its size in bytes. Raises OSError."""
        try:
            self._writer.end()
            self._file.flush()
            size_bytes = self._file.tell()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.rename(self.final)
        except BaseException:
            self.discard()
            raise
        return size_bytes

    def discard(self) -> None:
        """It is not needed, or cannot be written. Idempotent; nothing happens to one that is finished."""
        with contextlib.suppress(OSError):  # what could not be flushed is not wanted any more
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()
