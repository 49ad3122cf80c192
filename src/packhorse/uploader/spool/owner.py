"""Who owns a folder of spooled captures: the process that holds the lock on its file ``lock``.

``flock`` belongs to the open file and ends with its last descriptor, so that the kernel lets go when a process dies,
however it dies. A forked child holds a copy of the descriptor: it must close it, and never unlock it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packhorse.uploader.spool.durable import FILE_MODE, FOLDER_MODE, sync_folder
from packhorse.uploader.spool.naming import LOCK, NEW_PREFIX, OWNED_PREFIX, TEMPORARY_PREFIX

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
