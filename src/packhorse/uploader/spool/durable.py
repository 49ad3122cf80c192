"""Files that survive a power cut once their writing has returned, and show themselves whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from packhorse.units import KIB

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def write_durably(temporary: Path, final: Path, write: Callable[[BinaryIO], None]) -> int:
    """Write, fsync, rename; returns the size in bytes. Durable once :func:`sync_folder` has returned, too.

    Raises:
        OSError: Nothing was left behind, as far as the disk allows.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
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
