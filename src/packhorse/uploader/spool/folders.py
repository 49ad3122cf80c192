"""Folders of spooled captures: their names, who owns them, and how much they may hold.

    spool_dir/<bucket>/own-<id>/                        locked (flock) by the process that owns it
    spool_dir/<bucket>/own-<id>/lock                    locked as well: version 0.1 looks at it alone
    spool_dir/<bucket>/own-<id>/<ms>-<number>.capture   one encoded capture
    spool_dir/<bucket>/own-<id>/.tmp-<number>           one being written: never promised, removed by the next owner
    spool_dir/<bucket>/.new-<id>/                       a folder being made, before it is locked
    spool_dir/<bucket>/quarantine/                      damaged files, for people to look at (``quarantine.py``)

``flock`` belongs to the open file and ends with its last descriptor, so that the kernel lets go when a process dies,
however it dies. A forked child holds a copy of the descriptor: it must close it, and never unlock it. The folder itself
is locked, since a file in it can be removed while its owner lives; systemd-tmpfiles passes locked folders over.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packhorse.uploader.spool.files import (
    FILE_MODE,
    FOLDER_MODE,
    DamagedFile,
    Foreign,
    ForeignFile,
    SpooledFile,
    check_own,
    sync_folder,
)

LOCK = "lock"
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

#: Told of what is left alone: where it is, why, and how many captures that are.
Tell = Callable[[Path, Foreign, int], None]


@dataclass(slots=True)
class Owned:
    """A folder that this process has locked, by the descriptors of the folder itself and of its lock file."""

    path: Path
    descriptors: tuple[int, ...]

    def let_go(self) -> None:
        """Give the folder up as it is: the next process may take it. In a forked child: leave it to the parent."""
        descriptors, self.descriptors = self.descriptors, ()
        for descriptor in descriptors:
            os.close(descriptor)

    def is_there(self) -> bool:
        """False when somebody has removed or replaced it."""
        return bool(self.descriptors) and _is(self.path, self.descriptors[0])

    def remove_if_empty(self) -> bool:
        """Remove the folder when it holds nothing, and let it go. False, and nothing changed, otherwise.

        Raises:
            OSError: It cannot be read.
        """
        if self.is_there():
            if not set(os.listdir(self.path)) <= {LOCK}:
                return False
            with contextlib.suppress(OSError):
                (self.path / LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        self.let_go()
        return True


def create(root: Path) -> Owned:
    """A new folder under ``root``, owned before anybody can see it under its name. Raises OSError."""
    token = secrets.token_hex(8)
    new = root / f"{NEW_PREFIX}{token}"
    new.mkdir(mode=FOLDER_MODE)
    owned = _lock(new)
    if owned is None:
        raise FileNotFoundError(f"{new} was removed while it was made")
    try:
        owned.path = new.rename(root / f"{OWNED_PREFIX}{token}")
        sync_folder(root)
    except BaseException:
        owned.let_go()
        raise
    return owned


def adopt(root: Path, prefix: str, tell: Tell) -> Iterator[Owned]:
    """Take over every folder under ``root`` whose owner is dead; what was never finished is removed.

    A living owner, this process included, keeps its lock and is passed over. Raises OSError for ``root`` alone.

    Args:
        root: The bucket's folder.
        prefix: The uploader's; folders of other prefixes and newer versions are left, unlocked, to those.
        tell: Told of what is left alone.
    """
    with os.scandir(root) as found:
        entries = list(found)
    for entry in entries:
        path = Path(entry.path)
        with contextlib.suppress(OSError):  # somebody else was faster, or it is not ours to read
            if not entry.name.startswith((NEW_PREFIX, OWNED_PREFIX)) or not entry.is_dir(follow_symlinks=False):
                continue
            if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                tell(path, Foreign.USER, _count(path))
            elif entry.name.startswith(NEW_PREFIX):
                _remove_unfinished(path)
            elif (owned := _lock(path)) is not None:
                with contextlib.ExitStack() as stack:
                    stack.callback(owned.let_go)
                    foreign = _foreign(path, prefix)
                    if foreign is not None:
                        tell(path, foreign, _count(path))
                        continue
                    _remove_temporary(path)
                    stack.pop_all()
                    yield owned


def _lock(path: Path) -> Owned | None:
    """The folder, locked; None when somebody has it, or it is not there any more."""
    descriptors: list[int] = []
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptors.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | flags))
        fcntl.flock(descriptors[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between our open and our lock another process may have adopted, emptied and removed the folder.
        if _is(path, descriptors[0]):
            descriptors.append(os.open(path / LOCK, os.O_RDWR | os.O_CREAT | flags, FILE_MODE))
            fcntl.flock(descriptors[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Owned(path, tuple(descriptors))
    except OSError:  # it is owned, or gone
        pass
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def _is(path: Path, descriptor: int) -> bool:
    """True when that path leads to what is open as ``descriptor``."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False


def _remove_temporary(path: Path) -> None:
    for name in os.listdir(path):
        if name.startswith(TEMPORARY_PREFIX):
            (path / name).unlink()


def _remove_unfinished(path: Path) -> None:
    if time.time() - path.stat().st_mtime > UNFINISHED_S and (owned := _lock(path)) is not None:
        owned.remove_if_empty()
        owned.let_go()


# --- captures in a folder ---------------------------------------------------------------------------------------------

#: Files of a folder that are looked at to find out whose it is.
_LOOKED_AT = 64


def captures(folder: Path, tell: Tell) -> Iterator[tuple[Path, int]]:
    """Path and size of every capture that may be ours; ``tell`` is told of the others. A folder that is gone has none.

    Raises:
        OSError: It cannot be read.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if written_ms(entry.name) is not None:
                try:
                    found = entry.stat(follow_symlinks=False)
                    check_own(found)
                except FileNotFoundError:  # uploaded meanwhile
                    continue
                except ForeignFile as foreign:
                    tell(Path(entry.path), foreign.why, 1)
                    continue
                yield Path(entry.path), found.st_size


def opened(path: Path, prefix: str) -> SpooledFile:
    """Open a capture for an uploader of that prefix. Raises as :class:`SpooledFile`, also where it is for another one.

    A file that does not say for whom it was written is everybody's; an uploader without a prefix takes all.
    """
    file = SpooledFile(path)
    written_for = file.header.prefix
    if not prefix or written_for is None or f"{written_for}/".startswith(f"{prefix}/"):
        return file
    file.close()
    raise ForeignFile(Foreign.PREFIX)


def _foreign(folder: Path, prefix: str) -> Foreign | None:
    """Why all captures looked at are somebody else's, if they are: who that is must find the folder unlocked."""
    why = None
    for path, _ in itertools.islice(captures(folder, _tell_nobody), _LOOKED_AT):
        try:
            opened(path, prefix).close()
        except ForeignFile as foreign:
            why = foreign.why
        except (DamagedFile, OSError):
            return None
        else:
            return None
    return why


def _count(folder: Path) -> int:
    """Captures in a folder; 1 for one that cannot be read."""
    try:
        return sum(written_ms(name) is not None for name in os.listdir(folder))
    except OSError:
        return 1


def _tell_nobody(*_: object) -> None:
    """Who looks at the folder again tells."""


# --- how much may be kept: pure ---------------------------------------------------------------------------------------

#: What a small file takes on common file systems; counting it keeps a million tiny captures within the quota, too.
BLOCK_BYTES = 4096


def disk_bytes(size_bytes: int) -> int:
    """What a file of that size counts for: whole blocks, at least one."""
    return max(1, -(-size_bytes // BLOCK_BYTES)) * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Quota:
    """Bounds on what one process keeps on disk.

    Attributes:
        max_bytes: The most bytes, in whole blocks. Without room new captures are refused; old ones are never removed
            to make room.
        max_age_s: Seconds after which a capture is removed, counted as expired, once it was tried in vain.
    """

    max_bytes: int
    max_age_s: float

    def has_room(self, used_bytes: int, size_bytes: int) -> bool:
        """True when a file of ``size_bytes`` fits beside ``used_bytes``."""
        return used_bytes + disk_bytes(size_bytes) <= self.max_bytes

    def expired(self, written_ms: int, now_ms: int) -> bool:
        """True when a capture written then is too old now."""
        return now_ms - written_ms > self.max_age_s * 1000
