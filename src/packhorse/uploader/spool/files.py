r"""The file of one spooled capture: what to store it as, its frozen bytes, and a checksum over both.

    b"packhorse-spool 1\n" | header's length, CRC-32 (two big-endian u32) | header, JSON | body
    | body's length (big-endian u64) | SHA-256 of header and body | b"whole\n"

The trailer comes last, so that a body of unknown length can be written as it is encoded, and a torn file shows.

What is not a whole capture of ours is gone, damaged (:class:`DamagedFile`), or foreign (:class:`ForeignFile`): a newer
version's, another user's, another uploader's. Foreign files are never touched.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from packhorse.errors import PackhorseError
from packhorse.stores.base import ObjectInfo
from packhorse.units import KIB, MIB

MAGIC = b"packhorse-spool 1\n"
_NEWER_MAGIC = re.compile(rb"packhorse-spool ([2-9]|[1-9][0-9]{1,3})\n")
END = b"whole\n"
_LENGTHS = struct.Struct(">II")
_TRAILER = struct.Struct(f">Q32s{len(END)}s")
#: Bound on what a damaged length can make us read: S3 allows 1 KB of key and 2 KB of metadata.
MAX_HEADER_BYTES = 64 * KIB
READ_BYTES = MIB


class DamagedFile(PackhorseError):
    """A spooled file is torn, changed, or none of ours. The text names the file and never its content."""


class Foreign(StrEnum):
    """Why a file is left alone. Values are labels of metrics and words of log lines."""

    NEWER = "newer-format"
    USER = "another-user"
    KIND = "no-regular-file"
    PREFIX = "another-prefix"
    #: Damaged, and it cannot be moved into the quarantine.
    STUCK = "damaged-stuck"


class ForeignFile(PackhorseError):
    """A file is nobody's business here: it stays as it is, where it is. ``why`` says what makes it foreign."""

    def __init__(self, why: Foreign) -> None:
        self.why = why
        super().__init__(why.value)


@dataclass(frozen=True, slots=True)
class Header:
    """What is needed to store the body, in this process or the next.

    Attributes:
        key: Object key, fixed at submit.
        info: Headers of the object.
        prefix: Prefix of the uploader that wrote it; None when it does not say (format 1 of version 0.1).
    """

    key: str
    info: ObjectInfo
    prefix: str | None = None


class FileWriter:
    """Writes one capture, chunk by chunk; the file is not whole before :meth:`end`. All raise OSError."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        text = json.dumps(asdict(header)).encode()
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
            ForeignFile: It is of a newer version, or no regular file of this user's.
            OSError: It cannot be read.
        """
        self._path = path
        self._file = os.fdopen(_open_own(path), "rb")
        try:
            self._read_frame()
        except BaseException:
            self._file.close()
            raise

    def _read_frame(self) -> None:
        file = self._file
        whole_bytes = os.fstat(file.fileno()).st_size
        start = file.read(len(MAGIC) + _LENGTHS.size)
        if _NEWER_MAGIC.match(start):
            raise ForeignFile(Foreign.NEWER)
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
            return Header(fields["key"], ObjectInfo(**fields["info"]), fields.get("prefix"))
        except (ValueError, TypeError, KeyError):  # its checksum is right: whoever wrote it knows more than we do
            raise ForeignFile(Foreign.NEWER) from None

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

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> SpooledFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_own(path: Path) -> int:
    """Open a regular file of this user's, without following a link or waiting for a FIFO's other end.

    Raises:
        ForeignFile: It is none.
        OSError: It cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link; a socket
            raise ForeignFile(Foreign.KIND) from None
        raise
    try:
        check_own(os.fstat(descriptor))
    except ForeignFile:
        os.close(descriptor)
        raise
    return descriptor


def check_own(found: os.stat_result) -> None:
    """Raise ForeignFile unless it is a regular file of this user's: others must not choose what we upload."""
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFile(Foreign.KIND)
    if found.st_uid != os.geteuid():
        raise ForeignFile(Foreign.USER)


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
