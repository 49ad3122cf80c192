"""Which captures are on disk: counted all, listed a bounded number at a time. No file is opened here.

Not thread-safe: every call is made under the spool's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packhorse.uploader.spool.quota import disk_bytes

#: Files known by name at once: about 1 MB of memory, whatever the spool holds. Others are listed again when these are
#: done.
MOST_LISTED = 4096


@dataclass(frozen=True, slots=True)
class Claim:
    """A file in the hands of one thread, or waiting for one.

    Attributes:
        path: Where it is.
        size_bytes: Its size.
    """

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """An account of its own: ``written + adopted == uploaded + expired + quarantined + vanished + files``.

    Attributes:
        files: Captures on disk that this process owns.
        disk_bytes: What they count for against the quota.
        written: Captures this process wrote; each met the fate ``spooled``.
        adopted: Captures of dead processes that were taken over. This process never counted them as submitted.
        uploaded: Captures, written here or adopted, that were uploaded from disk since and removed there.
        expired: Removed because of their age.
        quarantined: Set aside because they were damaged.
        vanished: Removed by somebody else.
        refused: Captures that failed since the spool could not take them: no room in the quota, or the disk failed. No
            part of the identity.
        errors: Failures of the disk, by what was tried and the system's name for the error (``write: ENOSPC``).
    """

    files: int = 0
    disk_bytes: int = 0
    written: int = 0
    adopted: int = 0
    uploaded: int = 0
    expired: int = 0
    quarantined: int = 0
    vanished: int = 0
    refused: int = 0
    errors: tuple[tuple[str, int], ...] = ()


class Index:
    """Counts of all files, and the names of the next ones to upload, oldest first."""

    def __init__(self) -> None:
        self.files = 0
        self.disk_bytes = 0
        self._listed: deque[Claim] = deque()
        self._claimed: dict[Path, int] = {}
        self._unlisted = 0

    @property
    def waiting(self) -> int:
        """Files that nobody has in hand."""
        return len(self._listed) + self._unlisted

    def in_hand(self) -> frozenset[Path]:
        """The claimed files."""
        return frozenset(self._claimed)

    def needs_listing(self) -> bool:
        """True when there are files but no names left."""
        return not self._listed and self._unlisted > 0

    def count(self, size_bytes: int) -> None:
        """A file was found or written whose name is not needed yet."""
        self.files += 1
        self.disk_bytes += disk_bytes(size_bytes)
        self._unlisted += 1

    def add(self, claim: Claim) -> None:
        """A file was written: it is listed when that keeps the order, else counted alone."""
        self.count(claim.size_bytes)
        if self._unlisted == 1 and len(self._listed) < MOST_LISTED:
            self._unlisted = 0
            self._listed.append(claim)

    def hold(self, claim: Claim) -> None:
        """A file was written and stays in the writer's hand."""
        self.files += 1
        self.disk_bytes += disk_bytes(claim.size_bytes)
        self._claimed[claim.path] = claim.size_bytes

    def list(self, found: Iterable[Claim]) -> None:
        """Take names, oldest first; those already in somebody's hand are passed over."""
        known = {claim.path for claim in self._listed}
        for claim in found:
            if claim.path not in self._claimed and claim.path not in known and self._unlisted > 0:
                self._listed.append(claim)
                self._unlisted -= 1

    def forget_unlisted(self) -> int:
        """Files that were counted and are not there any more; returns how many. None may be listed."""
        gone, self._unlisted = self._unlisted, 0
        self.files -= gone
        self.disk_bytes = sum(map(disk_bytes, self._claimed.values()))
        return gone

    def claim(self) -> Claim | None:
        """The oldest listed file, now in the caller's hand."""
        if not self._listed:
            return None
        claim = self._listed.popleft()
        self._claimed[claim.path] = claim.size_bytes
        return claim

    def give_back(self, claim: Claim) -> None:
        """Not done: it is the next one again. Idempotent."""
        if self._claimed.pop(claim.path, None) is not None:
            self._listed.appendleft(claim)

    def remove(self, claim: Claim, *, stuck: bool = False) -> None:
        """A claimed file is done with. ``stuck``: it is still there, and must not be listed again."""
        if not stuck:
            self._claimed.pop(claim.path, None)
        self.files -= 1
        self.disk_bytes -= disk_bytes(claim.size_bytes)
