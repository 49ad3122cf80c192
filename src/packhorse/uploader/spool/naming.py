"""Names inside a spool directory. Pure.

spool_dir/<bucket>/own-<id>/lock                    held (flock) by the process that owns the folder
spool_dir/<bucket>/own-<id>/<ms>-<number>.capture   one encoded capture
spool_dir/<bucket>/own-<id>/.tmp-<number>           one being written: never promised, removed by the next owner
spool_dir/<bucket>/.new-<id>/                       a folder being made, before its lock is held
spool_dir/<bucket>/quarantine/                      damaged files, for people to look at
"""

from __future__ import annotations

import re

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
