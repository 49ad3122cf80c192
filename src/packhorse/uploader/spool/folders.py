"""Folders of spooled captures: their names, who owns them, where damaged files go, and how much all may hold.

    spool_dir/<bucket>/own-<id>/lock                    held (flock) by the process that owns the folder
    spool_dir/<bucket>/own-<id>/<ms>-<number>.capture   one encoded capture
    spool_dir/<bucket>/own-<id>/.tmp-<number>           one being written: never promised, removed by the next owner
    spool_dir/<bucket>/.new-<id>/                       a folder being made, before its lock is held
    spool_dir/<bucket>/quarantine/                      damaged files, for people to look at

``flock`` belongs to the open file and ends with its last descriptor, so that the kernel lets go when a process dies,
however it dies. A forked child holds a copy of the descriptor: it must close it, and never unlock it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packhorse.units import MIB
from packhorse.uploader.spool.files import FILE_MODE, FOLDER_MODE, sync_folder

LOCK = "lock"
QUARANTINE = "quarantine"
OWNED_PREFIX = "own-"
NEW_PREFIX = ".new-"
TEMPORARY_PREFIX = ".tmp-"

_CAPTURE = re.compile(r"(\d{13})-([0-9a-f]{8,})\.capture")


def capture_name(written_ms: int, number: int) -> str:
    """Name of a capture's file: sorts by time, so that a listing is oldest first.

    Args:
        written_ms: Milliseconds since the epoch, UTC.
        number: Unique within the folder.
    """
    return f"{written_ms:013d}-{number:08x}.capture"


def written_ms(name: str) -> int | None:
    """When a file of that name was written, in milliseconds since the epoch; None when it is no capture's name."""
    match = _CAPTURE.fullmatch(name)
    return int(match[1]) if match else None


def temporary_name(number: int) -> str:
    """Name of a file that is not whole yet."""
    return f"{TEMPORARY_PREFIX}{number:08x}"


# --- owners -----------------------------------------------------------------------------------------------------------

#: Age after which a folder that was never finished is removed: making one takes milliseconds.
UNFINISHED_S = 3600.0


@dataclass(slots=True)
class Owned:
    """A folder whose lock this process holds. ``descriptor`` is closed by :meth:`let_go`."""

    path: Path
    descriptor: int

    def let_go(self) -> None:
        """Give the folder up as it is: the next process may take it. In a forked child: leave it to the parent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove_if_empty(self) -> bool:
        """Remove the folder when it holds no captures, and let it go. False, and nothing changed, otherwise.

        Raises:
            OSError: It cannot be read.
        """
        if os.listdir(self.path) != [LOCK]:
            return False
        with contextlib.suppress(OSError):  # whoever adopts it in this moment has a lock of its own, and removes it
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()
        self.let_go()
        return True


def create(root: Path) -> Owned:
    """A new folder under ``root``, owned before anybody can see it under its name. Raises OSError."""
    token = secrets.token_hex(8)
    new = root / f"{NEW_PREFIX}{token}"
    new.mkdir(mode=FOLDER_MODE)
    descriptor = -1
    try:
        descriptor = os.open(new / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = new.rename(root / f"{OWNED_PREFIX}{token}")
        sync_folder(root)
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        raise
    return Owned(path, descriptor)


def adopt(root: Path) -> Iterator[Owned]:
    """Take over every folder under ``root`` whose owner is dead; what was never finished is removed.

    A living owner, this process included, keeps its lock and is passed over. Raises OSError for ``root`` alone.
    """
    with os.scandir(root) as found:
        entries = list(found)
    for entry in entries:
        with contextlib.suppress(OSError):  # somebody else was faster, or it is not ours to read
            if entry.name.startswith(NEW_PREFIX):
                _remove_unfinished(Path(entry.path))
            elif entry.name.startswith(OWNED_PREFIX) and entry.is_dir(follow_symlinks=False):
                owned = _lock(Path(entry.path))
                if owned is not None:
                    yield owned


def _lock(path: Path) -> Owned | None:
    descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between our open and our lock another process may have adopted, emptied and removed the folder.
        if os.fstat(descriptor).st_ino == (path / LOCK).stat().st_ino:
            for name in os.listdir(path):
                if name.startswith(TEMPORARY_PREFIX):
                    (path / name).unlink()
            return Owned(path, descriptor)
    except OSError:  # it is owned, or gone
        pass
    os.close(descriptor)
    return None


def _remove_unfinished(path: Path) -> None:
    if time.time() - path.stat().st_mtime > UNFINISHED_S:
        (path / LOCK).unlink(missing_ok=True)
        path.rmdir()


# --- how much may be kept: pure ---------------------------------------------------------------------------------------

#: What a small file takes on common file systems; counting it keeps a million tiny captures within the quota, too.
BLOCK_BYTES = 4096
#: Damaged files are kept for people to look at, not for ever: the newest ones within both bounds.
QUARANTINE_FILES = 100
QUARANTINE_BYTES = 64 * MIB


def disk_bytes(size_bytes: int) -> int:
    """What a file of that size counts for: whole blocks, at least one."""
    return max(1, -(-size_bytes // BLOCK_BYTES)) * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Quota:
    """Bounds on what one process keeps on disk.

    Attributes:
        max_bytes: The most bytes, in whole blocks. Without room new captures are refused; old ones are never removed
            to make room.
        max_age_s: Seconds after which a capture is removed, counted as expired.
    """

    max_bytes: int
    max_age_s: float

    def has_room(self, used_bytes: int, size_bytes: int) -> bool:
        """True when a file of ``size_bytes`` fits beside ``used_bytes``."""
        return used_bytes + disk_bytes(size_bytes) <= self.max_bytes

    def expired(self, written_ms: int, now_ms: int) -> bool:
        """True when a capture written then is too old now."""
        return now_ms - written_ms > self.max_age_s * 1000


def surplus(files: Iterable[tuple[str, int]], *, most_files: int, most_bytes: int) -> list[str]:
    """Names to remove so that the newest files stay within both bounds; names sort by time.

    Args:
        files: Name and size in bytes of each file.
        most_files: The first bound.
        most_bytes: The second. The newest file is removed as well when it alone is larger.
    """
    kept_files = kept_bytes = 0
    removed = []
    for name, size_bytes in sorted(files, reverse=True):
        if kept_files < most_files and kept_bytes + disk_bytes(size_bytes) <= most_bytes:
            kept_files += 1
            kept_bytes += disk_bytes(size_bytes)
        else:
            removed.append(name)
    return removed


# --- damaged files ----------------------------------------------------------------------------------------------------

Report = Callable[[str, OSError], None]


def set_aside(path: Path, quarantine: Path, report: Report) -> bool:
    """Move a damaged file into ``quarantine``, or remove it when that fails. False when it was gone already.

    Args:
        path: The file; the name of its folder becomes part of its new name.
        quarantine: The folder; made when missing.
        report: Told of every failure of the disk.
    """
    try:
        quarantine.mkdir(mode=FOLDER_MODE, exist_ok=True)
        path.rename(quarantine / f"{path.name}.{path.parent.name}")
    except FileNotFoundError:
        return False
    except OSError as error:
        report("quarantine", error)
        try:
            path.unlink()
        except OSError as second:
            report("remove", second)
    trim(quarantine, report)
    return True


def trim(quarantine: Path, report: Report) -> None:
    """Remove the oldest files beyond the bounds."""
    try:
        with os.scandir(quarantine) as entries:
            files = [(entry.name, entry.stat(follow_symlinks=False).st_size) for entry in entries]
        for name in surplus(files, most_files=QUARANTINE_FILES, most_bytes=QUARANTINE_BYTES):
            (quarantine / name).unlink(missing_ok=True)
    except OSError as error:
        report("quarantine", error)
