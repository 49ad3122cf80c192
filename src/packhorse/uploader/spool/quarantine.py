"""Damaged files, for people to look at: moved aside, so that they take no room from others, and kept for a time.

Nothing but age removes a file from here, and nothing but damage brings one here. Without room, or where the folder is
none of ours (a symbolic link, another user's), the damaged file stays where it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from packhorse.units import MIB
from packhorse.uploader.spool.files import FOLDER_MODE
from packhorse.uploader.spool.folders import disk_bytes

NAME = "quarantine"
#: Seconds after which a damaged file is removed.
KEPT_S = 30 * 86_400.0
#: What all of them may hold, in whole blocks. Then no more are moved here.
MOST_BYTES = 256 * MIB


class Quarantine:
    """The folder of one bucket, which all its processes share."""

    def __init__(self, root: Path, now_s: Callable[[], float] = time.time) -> None:
        """Nothing is made on disk before the first file comes."""
        self._folder = root / NAME
        self._now_s = now_s
        self._used_bytes = 0

    def take(self, path: Path, size_bytes: int) -> None:
        """Move a damaged file here. The name of its folder becomes part of its new name.

        Raises:
            FileNotFoundError: It was gone already.
            OSError: It stays where it is.
        """
        size_bytes = disk_bytes(size_bytes)
        self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with self._opened() as descriptor:
            if self._used_bytes + size_bytes > MOST_BYTES:
                raise OSError(errno.EDQUOT, "the quarantine is full")
            name = f"{path.name}.{path.parent.name}"
            with contextlib.suppress(FileNotFoundError):
                os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                raise FileExistsError(errno.EEXIST, "a rename would remove the file of that name")
            os.rename(path, name, dst_dir_fd=descriptor)
        self._used_bytes += size_bytes

    def tend(self) -> int:
        """Remove what is too old, and learn how much is used; returns how many were removed. Raises OSError."""
        used_bytes = removed = 0
        with contextlib.suppress(FileNotFoundError), self._opened() as descriptor:
            for name in os.listdir(descriptor):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                # Moving it here has changed its inode's time, and nothing since.
                if stat.S_ISREG(found.st_mode) and self._now_s() - found.st_ctime > KEPT_S:
                    os.unlink(name, dir_fd=descriptor)
                    removed += 1
                else:
                    used_bytes += disk_bytes(found.st_size)
        self._used_bytes = used_bytes
        return removed

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder itself: where a name leads can change, and what is open does not."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "the quarantine is another user's")
            yield descriptor
        finally:
            os.close(descriptor)
