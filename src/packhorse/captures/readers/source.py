"""A capture's bytes, readable from the start as often as needed without holding them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from packhorse.captures.readers.limits import READ_BYTES
from packhorse.errors import CaptureError, ExpansionLimitError
from packhorse.units import format_bytes

#: In place of what was given: it may be a capture's text, which no message repeats.
_NO_PATH = "a str is taken for a path, and there is no such file; pass bytes for JSON text"


class Reader(Protocol):
    """The one method of a binary file that the readers use."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, at least one unless at the end."""
        ...


#: Starts a reading from the first byte. Only one reading of a source is in use at any time.
Opener = Callable[[], Reader]


class ByteSource:
    """A file that is read from its start several times: one handle, rewound for each reading.

    Attributes:
        name: What errors call it.
    """

    def __init__(self, file: BinaryIO, name: str, *, start: int, owned: bool) -> None:
        self.name = name
        self._file = file
        self._start = start
        self._owned = owned

    def open(self) -> Reader:
        """Rewind. What an earlier reading had not read yet is lost to it.

        Raises:
            CaptureError: The file was closed, or cannot be rewound.
        """
        try:
            self._file.seek(self._start)
        except (OSError, ValueError) as error:
            raise CaptureError(f"cannot be read: {_why(error)}", source=self.name) from None
        return _Guarded(self._file, self.name)

    def close(self) -> None:
        """Close what :func:`open_source` opened. A file object given by the caller stays open."""
        if self._owned:
            self._file.close()


class _Guarded:
    """A file whose failures name it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int, /) -> bytes:
        try:
            data: object = self._file.read(size) or b""
        except (OSError, ValueError) as error:
            raise CaptureError(f"cannot be read: {_why(error)}", source=self._name) from None
        if not isinstance(data, bytes):
            raise CaptureError("is open as text; open it in binary mode", source=self._name)
        return data


class ChunkReader:
    """Chunks as a file: at most one chunk is held."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        head, self._rest = self._rest[:size], self._rest[size:]
        return head


class Window:
    """Bytes ``start`` up to ``end`` of a reading. ``end`` None is the end of the file."""

    def __init__(self, reader: Reader, start: int, end: int | None = None) -> None:
        self._reader = reader
        self._left = None if end is None else end - start
        while start:
            skipped = len(reader.read(min(start, READ_BYTES)))
            start = start - skipped if skipped else 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the window's end."""
        if self._left is None:
            return self._reader.read(size)
        data = self._reader.read(min(size, self._left))
        self._left -= len(data)
        return data


def read_all(reader: Reader) -> bytes:
    """Everything that is left. For what is known to be small."""
    return b"".join(iter(lambda: reader.read(READ_BYTES), b""))


def open_source(path: str | os.PathLike[str] | BinaryIO, max_spool_bytes: int) -> ByteSource:
    """Open a path, or take an open binary file from where it stands.

    What cannot be rewound (a pipe, a socket) is copied to an anonymous temporary file first.

    Args:
        path: Path, or a file open for reading bytes; the latter is not closed.
        max_spool_bytes: How much of a pipe is copied before it is given up.

    Raises:
        CaptureError: It cannot be opened or read, or is a directory or a text file.
        ExpansionLimitError: The pipe brings more than ``max_spool_bytes``.
    """
    if isinstance(path, (str, os.PathLike)):
        name = str(os.fspath(path))
        try:
            file: BinaryIO = Path(path).open("rb")  # noqa: SIM115  # the ByteSource closes it
        except (OSError, ValueError) as error:
            if _is_content(name, error):
                raise CaptureError(_NO_PATH) from None
            raise CaptureError(f"cannot be opened: {_why(error)}", source=str(name)) from None
        owned = True
    else:
        file, owned = path, False
        given = getattr(path, "name", None)
        name = given if isinstance(given, str) else "capture file"
    try:
        return _rewindable(file, str(name), max_spool_bytes, owned=owned)
    except BaseException:
        if owned:
            file.close()
        raise


def _is_content(name: str, error: OSError | ValueError) -> bool:
    """True when what names no file may be a capture's text: no message may repeat that."""
    missing = not isinstance(error, OSError) or error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EINVAL}
    too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
    json_like = name.lstrip("\ufeff \t\r\n").startswith(("{", "[", '"')) or "\n" in name
    return too_long or (missing and json_like)


def _rewindable(file: BinaryIO, name: str, max_spool_bytes: int, *, owned: bool) -> ByteSource:
    with suppress(OSError, ValueError, AttributeError):
        if file.seekable():
            start = file.tell()
            return ByteSource(file, name, start=start, owned=owned)
    spool = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # the ByteSource closes it
    try:
        _copy(_Guarded(file, name), spool, name, max_spool_bytes)
    except BaseException:
        spool.close()
        raise
    if owned:
        file.close()
    return ByteSource(spool, name, start=0, owned=True)


def _copy(reader: Reader, spool: BinaryIO, name: str, limit_bytes: int) -> None:
    total = 0
    while data := reader.read(READ_BYTES):
        total += len(data)
        if total > limit_bytes:
            raise ExpansionLimitError(f"{name}: more than {format_bytes(limit_bytes)}; raise max_expanded_bytes")
        spool.write(data)


def _why(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
