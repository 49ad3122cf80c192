"""The spool of one process: writes captures, lists them, takes over dead processes' folders, sets damaged files aside.

Files are touched outside the lock, which guards counts and names alone and is re-entrant: a signal handler may look.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packhorse.real_threads import make_lock, make_rlock
from packhorse.uploader.spool.draft import Draft
from packhorse.uploader.spool.files import Header, make_folder, sync_folder, write_durably, write_file
from packhorse.uploader.spool.folders import (
    QUARANTINE,
    Owned,
    Quota,
    adopt,
    capture_name,
    create,
    disk_bytes,
    set_aside,
    temporary_name,
    written_ms,
)

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


class Spool:
    """See the module. Nothing is made on disk before the first capture is written or :meth:`adopt` is called."""

    def __init__(self, root: Path, quota: Quota, *, now_s: Callable[[], float] = time.time) -> None:
        """A spool under ``root``, for one bucket."""
        self.root = root
        self.quota = quota
        self._now_s = now_s
        self._lock = make_rlock()
        self._making = make_lock()
        self._numbers = itertools.count()
        self._index = Index()
        self._own: Owned | None = None
        self._adopted: list[Owned] = []
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    # --- writing ------------------------------------------------------------------------------------------------------

    def has_room(self, size_bytes: int) -> bool:
        """True when a file of about that size fits the quota."""
        with self._lock:
            return self.quota.has_room(self._index.disk_bytes, size_bytes)

    def write(self, header: Header, body: Iterable[bytes]) -> Claim:
        """Write one capture. It is durable, and counted, after :meth:`commit`.

        Raises:
            OSError: The disk refused; nothing is left.
            Exception: Whatever ``body`` raises; likewise.
        """
        temporary, path = self._names()
        return Claim(path, write_durably(temporary, path, lambda file: write_file(file, header, body)))

    def draft(self, header: Header) -> Draft:
        """Begin a file whose body comes in time; once finished it is to be committed. Raises OSError."""
        temporary, path = self._names()
        return Draft(temporary, path, header)

    def _names(self) -> tuple[Path, Path]:
        folder = self._folder()
        number = next(self._numbers)
        return folder / temporary_name(number), folder / capture_name(int(self._now_s() * 1000), number)

    def commit(self, written: list[Claim], *, listed: bool = True) -> None:
        """Make written files durable and count them.

        Args:
            written: What :meth:`write` yielded.
            listed: False keeps them in the caller's hand, as if claimed.

        Raises:
            OSError: Whether they are durable is not known; they have been removed, as far as the disk allows.
        """
        if not written:
            return
        try:
            sync_folder(written[0].path.parent)
        except OSError:
            for claim in written:
                with contextlib.suppress(OSError):
                    claim.path.unlink()
            raise
        with self._lock:
            self._counts["written"] += len(written)
            for claim in written:
                if listed:
                    self._index.add(claim)
                else:
                    self._index.hold(claim)

    def refuse(self, count: int = 1) -> None:
        """Captures could not be taken."""
        with self._lock:
            self._counts["refused"] += count

    def failed(self, what: str, error: OSError) -> None:
        """Count a failure of the disk."""
        with self._lock:
            self._errors[f"{what}: {errno.errorcode.get(error.errno or 0, 'OSError')}"] += 1

    def _folders(self) -> list[Owned]:
        return [*self._adopted, *([] if self._own is None else [self._own])]

    def _folder(self) -> Path:
        with self._making:
            if self._own is None:
                make_folder(self.root)
                self._own = create(self.root)
            return self._own.path

    # --- uploading ----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Files that nobody has in hand."""
        with self._lock:
            return self._index.waiting

    def claim(self) -> Claim | None:
        """The oldest known file, for the caller alone; None when there is none, or none is listed yet."""
        with self._lock:
            return self._index.claim()

    def give_back(self, claim: Claim) -> None:
        """It could not be uploaded now."""
        with self._lock:
            self._index.give_back(claim)

    def uploaded(self, claim: Claim) -> None:
        """It is stored in S3: remove it. A file that cannot be removed is uploaded again by the next process."""
        self._remove(claim, "uploaded")

    def withdraw(self, claim: Claim) -> None:
        """It is not needed: its capture was uploaded from memory after all."""
        self._remove(claim, "written", by=-1)

    def quarantine(self, claim: Claim) -> None:
        """It is damaged: set it aside, so that it takes no room from others."""
        gone = set_aside(claim.path, self.root / QUARANTINE, self.failed)
        with self._lock:
            self._index.remove(claim)
            self._counts["quarantined" if gone else "vanished"] += 1

    def _remove(self, claim: Claim, why: str, *, by: int = 1) -> None:
        stuck = False
        try:
            claim.path.unlink()
        except FileNotFoundError:
            why, by = ("vanished", 1) if why == "expired" else (why, by)
        except OSError as error:
            stuck = True
            self.failed("remove", error)
        with self._lock:
            self._index.remove(claim, stuck=stuck)
            self._counts[why] += by

    # --- keeping ------------------------------------------------------------------------------------------------------

    def adopt(self) -> int:
        """Take over what dead processes left; returns how many captures. Raises OSError."""
        if not self.root.is_dir():
            return 0
        found = 0
        for folder in adopt(self.root):
            self._adopted.append(folder)
            for _, size_bytes in _captures(folder.path):
                found += 1
                with self._lock:
                    self._index.count(size_bytes)
                    self._counts["adopted"] += 1
        return found

    def list(self) -> None:
        """Learn the names of the oldest files when none is known. Raises OSError."""
        with self._lock:
            if not self._index.needs_listing():
                return
            written = self._counts["written"]
            in_hand = self._index.in_hand()
        names = ((path.name, path, size) for folder in self._folders() for path, size in _captures(folder.path))
        # More than needed, since some of the oldest may be in somebody's hand.
        oldest = heapq.nsmallest(MOST_LISTED, names)
        with self._lock:
            # Those in hand may have been removed while we looked.
            self._index.list(Claim(path, size) for _, path, size in oldest if path not in in_hand)
            # All that can be seen is in somebody's hand, and nothing was written while we looked.
            if self._index.needs_listing() and written == self._counts["written"]:
                self._counts["vanished"] += self._index.forget_unlisted()

    def expire(self) -> int:
        """Remove what is older than the quota allows; returns how many. The oldest are listed first."""
        removed = 0
        while (claim := self.claim()) is not None:
            written = written_ms(claim.path.name)
            if written is None or not self.quota.expired(written, int(self._now_s() * 1000)):
                self.give_back(claim)
                break
            self._remove(claim, "expired")
            removed += 1
        return removed

    def tidy(self) -> None:
        """Remove adopted folders that are empty. Raises OSError."""
        self._adopted = [folder for folder in self._adopted if not folder.remove_if_empty()]

    def look(self) -> SpoolStats:
        """An immutable copy of the account."""
        with self._lock:
            return SpoolStats(
                files=self._index.files,
                disk_bytes=self._index.disk_bytes,
                errors=tuple(sorted(self._errors.items())),
                **{name: self._counts[name] for name in _COUNTED},
            )

    def close(self) -> None:
        """Give up all folders; the next process takes what is in them. Empty ones are removed."""
        for folder in self._folders():
            try:
                folder.remove_if_empty()
            except OSError as error:
                self.failed("close", error)
            folder.let_go()
        self._adopted, self._own = [], None

    def disown(self) -> None:
        """In a forked child: the parent's locks stay the parent's."""
        for folder in self._folders():
            folder.let_go()


_COUNTED = ("written", "adopted", "uploaded", "expired", "quarantined", "vanished", "refused")


def _captures(folder: Path) -> Iterator[tuple[Path, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if written_ms(entry.name) is not None:
                try:
                    yield Path(entry.path), entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:  # uploaded meanwhile
                    continue
