"""Where damaged files go: out of everybody's way, kept for people to look at, within bounds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from packhorse.uploader.spool.durable import FOLDER_MODE
from packhorse.uploader.spool.quota import QUARANTINE_BYTES, QUARANTINE_FILES, surplus

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
