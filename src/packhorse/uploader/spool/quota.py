"""How much a spool may hold, for how long, and which damaged files are kept. Pure: no clock, no files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packhorse.units import MIB

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
