r"""The file of one spooled capture: what to store it as, its frozen bytes, and a checksum over both.

    b"packhorse-spool 1\n" | header's length, CRC-32 (two big-endian u32) | header, JSON | body
    | body's length (big-endian u64) | SHA-256 of header and body | b"whole\n"

The trailer comes last, so that a body of unknown length can be written as it is encoded, and a torn file shows.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from packhorse.errors import PackhorseError
from packhorse.stores.base import ObjectInfo
from packhorse.units import KIB, MIB

MAGIC = b"packhorse-spool 1\n"
END = b"whole\n"
_LENGTHS = struct.Struct(">II")
_TRAILER = struct.Struct(f">Q32s{len(END)}s")
#: Bound on what a damaged length can make us read: S3 allows 1 KB of key and 2 KB of metadata.
MAX_HEADER_BYTES = 64 * KIB
READ_BYTES = MIB


class DamagedFile(PackhorseError):
    """A spooled file is torn, changed, or none of ours. The text names the file and never its content."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is needed to store the body, in this process or the next.

    Attributes:
        key: Object key, fixed at submit.
        info: Headers of the object.
    """

    key: str
    info: ObjectInfo


class FileWriter:
    """Writes one capture, chunk by chunk; the file is not whole before :meth:`end`. All raise OSError."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        text = json.dumps({"key": header.key, "info": asdict(header.info)}).encode()
        self._file = file
        self._digest = sha256(text)
        self._size_bytes = 0
        file.write(MAGIC + _LENGTHS.pack(len(text), crc32(text)) + text)

    def add(self, chunk: bytes) -> None:
        """The next of the body."""
        self._digest.update(chunk)
        self._size_bytes += len(chunk)
        self._file.write(chunk)

    def end(self) -> None:
        """The body is complete."""
        self._file.write(_TRAILER.pack(self._size_bytes, self._digest.digest(), END))


def write_file(file: BinaryIO, header: Header, body: Iterable[bytes]) -> None:
    """Write one capture. Raises OSError and whatever ``body`` raises; the file is not whole then."""
    writer = FileWriter(file, header)
    for chunk in body:
        writer.add(chunk)
    writer.end()


class SpooledFile:
    """An open file whose frame has been checked. The body is checked while it is read, before its last chunk is given.

    Attributes:
        header: Where the body belongs.
        body_bytes: Size of the body.
    """

    def __init__(self, path: Path) -> None:
        """Open and check all but the body.

        Raises:
            DamagedFile: It is not whole.
            OSError: It cannot be read.
        """
        self._path = path
        self._file = path.open("rb")
        try:
            self._read_frame()
        except BaseException:
            self._file.close()
            raise

    def _read_frame(self) -> None:
        file = self._file
        whole_bytes = os.fstat(file.fileno()).st_size
        start = file.read(len(MAGIC) + _LENGTHS.size)
        if len(start) < len(MAGIC) + _LENGTHS.size or not start.startswith(MAGIC):
            raise self._damaged("it does not begin as a spooled capture does")
        length, checksum = _LENGTHS.unpack_from(start, len(MAGIC))
        text = file.read(min(length, MAX_HEADER_BYTES))
        if len(text) != length or crc32(text) != checksum:
            raise self._damaged("its header is damaged")
        self.header = self._parsed(text)
        self._start = file.tell()
        self.body_bytes = whole_bytes - self._start - _TRAILER.size
        if self.body_bytes < 0:
            raise self._damaged("it is cut short")
        file.seek(-_TRAILER.size, os.SEEK_END)
        size_bytes, self._digest, end = _TRAILER.unpack(file.read(_TRAILER.size))
        if end != END or size_bytes != self.body_bytes:
            raise self._damaged("it is cut short or its end is damaged")
        self._running = sha256(text)

    def _parsed(self, text: bytes) -> Header:
        try:
            fields: dict[str, Any] = json.loads(text)
            return Header(fields["key"], ObjectInfo(**fields["info"]))
        except (ValueError, TypeError, KeyError):
            raise self._damaged("its header is of another version") from None

    def chunks(self) -> Iterator[bytes]:
        """The body, once, in chunks of at most 1 MiB. The last one comes only when the checksum agrees.

        Raises:
            DamagedFile: It does not. Whoever stores the chunks as they come must abort then.
            OSError: The file cannot be read.
        """
        self._file.seek(self._start)
        left = self.body_bytes
        while True:
            chunk = self._file.read(min(left, READ_BYTES))
            self._running.update(chunk)
            left -= len(chunk)
            if left and not chunk:
                raise self._damaged("it was cut while it was read")
            if left == 0 and self._running.digest() != self._digest:
                raise self._damaged("its checksum does not agree")
            if chunk:
                yield chunk
            if left == 0:
                return

    def _damaged(self, why: str) -> DamagedFile:
        return DamagedFile(f"{self._path}: {why}")

    def __enter__(self) -> SpooledFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


# --- files that survive a power cut once their writing has returned, and show themselves whole or not at all ----------

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def open_new(path: Path) -> int:
    """A descriptor of a new file, for its owner alone. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)


def write_durably(temporary: Path, final: Path, write: Callable[[BinaryIO], None]) -> int:
    """Write, fsync, rename; returns the size in bytes. Durable once :func:`sync_folder` has returned, too.

    Raises:
        OSError: Nothing was left behind, as far as the disk allows.
    """
    descriptor = open_new(temporary)
    try:
        with open(descriptor, "wb", buffering=64 * KIB) as file:
            write(file)
            file.flush()
            size_bytes = file.tell()
            os.fsync(file.fileno())
        temporary.rename(final)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return size_bytes


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, for its owner alone, durably. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        sync_folder(path.parent)
