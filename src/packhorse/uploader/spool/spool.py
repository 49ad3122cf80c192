"""The spool of one process: writes captures, lists them, takes over dead processes' folders, sets damaged files aside.

A capture leaves the disk when S3 has it, or when it is too old and was tried in vain. What S3 refuses *rests*: it stays
and is tried again at a pace, behind all others. What is foreign is left alone.

Files are touched outside the lock, which guards counts and names alone and is re-entrant: a signal handler may look.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from packhorse.real_threads import make_lock, make_rlock
from packhorse.uploader.spool.draft import Draft
from packhorse.uploader.spool.files import (
    Foreign,
    Header,
    SpooledFile,
    make_folder,
    sync_folder,
    write_durably,
    write_file,
)
from packhorse.uploader.spool.folders import (
    Owned,
    Quota,
    adopt,
    capture_name,
    captures,
    create,
    disk_bytes,
    opened,
    temporary_name,
    written_ms,
)
from packhorse.uploader.spool.quarantine import Quarantine

logger = logging.getLogger("packhorse")

#: Files known by name at once: about 1 MB of memory, whatever the spool holds. Others are listed again when these are
#: done.
MOST_LISTED = 4096
#: Resting files that are known by name: about 16 MB. Beyond that they are tried at the pace of an outage.
MOST_RESTING = 32_768
#: Seconds until a capture that S3 has refused is tried again: twice as long each time, up to the second value.
REST_S, MOST_REST_S = 60.0, 3600.0
#: Nothing expires before this process has tried for so many seconds, or for the age limit where that is shorter: a
#: clock that is days ahead, or a network that comes up late after days without power, must not cost a backlog.
PATIENCE_S = 3600.0
#: Seconds between two log lines of one kind.
LOUD_EVERY_S = 60.0
_LEFT_ALONE = {
    Foreign.NEWER: "a newer version of packhorse has written it, and will read it",
    Foreign.USER: "it belongs to another user",
    Foreign.KIND: "it is no regular file",
    Foreign.PREFIX: "it is for another prefix; an uploader of that, or of the whole bucket, takes it",
    Foreign.STUCK: "it is damaged and cannot be moved into the quarantine",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A file in the hands of one thread, or waiting for one.

    Attributes:
        path: Where it is.
        size_bytes: Its size.
        refusals: How often S3 has refused it.
    """

    path: Path
    size_bytes: int
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """An account of its own: ``written + adopted == uploaded + expired + quarantined + vanished + files``.

    Attributes:
        files: Captures on disk that this process owns.
        disk_bytes: What they count for against the quota.
        written: Captures this process wrote; each met the fate ``spooled``.
        adopted: Captures of dead processes that were taken over. This process never counted them as submitted.
        uploaded: Captures, written here or adopted, that were uploaded from disk since and removed there.
        expired: Removed because of their age, after a try in vain.
        quarantined: Set aside because they were damaged.
        vanished: Removed by somebody else.
        refused: Captures that failed since the spool could not take them: no room in the quota, or the disk failed. No
            part of the identity.
        refused_by_s3: Answers of S3 that refused a file. No part of the identity: the file stays.
        resting: Files, among those above, that S3 has refused and that are tried again later.
        left: Files that are left alone where they are, by reason: ``newer-format``, ``another-user``,
            ``no-regular-file``, ``another-prefix``, ``damaged-stuck``. Those of our own are in ``files``.
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
    refused_by_s3: int = 0
    resting: int = 0
    left: tuple[tuple[str, int], ...] = ()
    errors: tuple[tuple[str, int], ...] = ()


class Index:
    """Counts of all files, and the names of the next ones to upload, oldest first."""

    def __init__(self) -> None:
        self.files = 0
        self.disk_bytes = 0
        self._listed: deque[Claim] = deque()
        self._unlisted = 0
        #: Not to be listed: in somebody's hand, resting or left alone; and done with, but not to be removed.
        self._held: dict[Path, int] = {}
        self._stuck: set[Path] = set()
        self._resting: list[tuple[float, Claim]] = []

    @property
    def waiting(self) -> int:
        """Files that may be tried now, and that nobody has in hand."""
        return len(self._listed) + self._unlisted

    @property
    def resting(self) -> int:
        """Files that may be tried later."""
        return len(self._resting)

    def held(self) -> frozenset[Path]:
        """Files that are not to be listed."""
        return frozenset(self._held).union(self._stuck)

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
        self._held[claim.path] = claim.size_bytes

    def list(self, found: Iterable[Claim]) -> None:
        """Take names, oldest first; those that are held are passed over."""
        known = self.held().union(claim.path for claim in self._listed)
        for claim in found:
            if claim.path not in known and self._unlisted > 0:
                self._listed.append(claim)
                self._unlisted -= 1

    def forget_unlisted(self) -> int:
        """Files that were counted and are not there any more; returns how many. None may be listed."""
        gone, self._unlisted = self._unlisted, 0
        self.files -= gone
        self.disk_bytes = sum(map(disk_bytes, self._held.values()))
        return gone

    def claim(self) -> Claim | None:
        """The oldest listed file, now in the caller's hand."""
        if not self._listed:
            return None
        claim = self._listed.popleft()
        self._held[claim.path] = claim.size_bytes
        return claim

    def give_back(self, claim: Claim) -> None:
        """Not done: it is tried again, behind those that were not tried yet. Idempotent."""
        if self._held.pop(claim.path, None) is not None:
            self._listed.append(claim)

    def rest(self, claim: Claim, due_s: float) -> None:
        """A claimed file is not tried again before that moment."""
        self._resting.append((due_s, claim))

    def wake(self, now_s: float) -> None:
        """Files that have rested until now may be tried again."""
        due = [claim for due_s, claim in self._resting if due_s <= now_s]
        self._resting = [(due_s, claim) for due_s, claim in self._resting if due_s > now_s]
        for claim in due:
            self.give_back(claim)

    def remove(self, claim: Claim, *, stuck: bool = False) -> None:
        """A claimed file is done with. ``stuck``: it is still there, and must not be listed again."""
        self._held.pop(claim.path, None)
        if stuck:
            self._stuck.add(claim.path)
        self.files -= 1
        self.disk_bytes -= disk_bytes(claim.size_bytes)


class Spool:
    """See the module. Nothing is made on disk before the first capture is written or :meth:`adopt` is called."""

    def __init__(
        self,
        root: Path,
        quota: Quota,
        prefix: str = "",
        *,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """A spool under ``root``, for one bucket, of an uploader with that prefix.

        Args:
            root: The bucket's folder in ``spool_dir``.
            quota: What may be kept.
            prefix: Written into every file: an uploader of another prefix leaves it alone.
            now_s: Seconds since the epoch, for names and ages.
            clock_s: A clock that nobody sets, for pauses.
        """
        self.root = root
        self.prefix = prefix
        self.quota = quota
        self._now_s = now_s
        self._clock_s = clock_s
        self._began_s = clock_s()
        self._quarantine = Quarantine(root, now_s)
        self._lock = make_rlock()
        self._making = make_lock()
        self._numbers = itertools.count()
        self._index = Index()
        self._own: Owned | None = None
        self._adopted: list[Owned] = []
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._left: dict[Path, tuple[Foreign, int]] = {}
        self._told: dict[str, float] = {}
        self._answer = ""

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
        header = replace(header, prefix=self.prefix)
        temporary, path = self._names()
        return Claim(path, write_durably(temporary, path, lambda file: write_file(file, header, body)))

    def draft(self, header: Header) -> Draft:
        """Begin a file whose body comes in time; once finished it is to be committed. Raises OSError."""
        temporary, path = self._names()
        return Draft(temporary, path, replace(header, prefix=self.prefix))

    def _names(self) -> tuple[Path, Path]:
        folder = self._folder()
        number = next(self._numbers)
        return folder / temporary_name(number), folder / capture_name(int(self._now_s() * 1000), number)

    def commit(self, written: list[Claim], *, held: Container[Claim] = ()) -> None:
        """Make written files durable and count them.

        Args:
            written: What :meth:`write` yielded.
            held: Those of them that stay in the caller's hand, as if claimed.

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
                if claim in held:
                    self._index.hold(claim)
                else:
                    self._index.add(claim)

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
            if self._own is not None and not self._own.is_there():  # somebody has removed it
                self._own.let_go()
                self._own = None
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

    def open(self, claim: Claim) -> SpooledFile:
        """Open a claimed file. Raises as :func:`opened`."""
        return opened(claim.path, self.prefix)

    def give_back(self, claim: Claim) -> None:
        """It was not tried."""
        with self._lock:
            self._index.give_back(claim)

    def failed_try(self, claim: Claim) -> None:
        """S3 could not be asked, or asks to try again: so it is, unless it is too old."""
        if not self._expired(claim):
            self.give_back(claim)

    def rest(self, claim: Claim, answer: str = "") -> None:
        """It was refused: it stays, and is tried again after a pause that grows, unless it is too old.

        Args:
            claim: The file.
            answer: What S3 said, for the log, free of content; nothing when the file could not be read.
        """
        if answer and self._expired(claim):
            return
        pause_s = min(MOST_REST_S, REST_S * 2.0 ** min(claim.refusals, 30))
        due_s = self._clock_s() + random.uniform(pause_s / 2, pause_s)
        with self._lock:
            self._index.rest(replace(claim, refusals=claim.refusals + 1), due_s)
            self._counts["refused_by_s3"] += bool(answer)
            self._answer = answer or self._answer
        self.tell()

    def wake(self, *, at_once: bool = False) -> None:
        """Let files be tried again that have rested long enough; ``at_once``: all, since S3 takes things again."""
        with self._lock:
            self._index.wake(float("inf") if at_once else self._clock_s())

    @property
    def crowded(self) -> bool:
        """True when so many rest that no more should come at once: their names are in memory."""
        with self._lock:
            return self._index.resting >= MOST_RESTING

    def leave(self, claim: Claim, why: Foreign) -> None:
        """It is none of our business: it stays, and nobody here touches it again."""
        self._leave(claim.path, why)

    def uploaded(self, claim: Claim) -> None:
        """It is stored in S3: remove it. A file that cannot be removed is uploaded again by the next process."""
        self._remove(claim, "uploaded")

    def vanished(self, claim: Claim) -> None:
        """Somebody has removed it."""
        with self._lock:
            self._index.remove(claim)
            self._counts["vanished"] += 1

    def withdraw(self, claim: Claim) -> None:
        """It is not needed: its capture was uploaded from memory after all."""
        self._remove(claim, "written", by=-1)

    def quarantine(self, claim: Claim) -> None:
        """It is damaged: set it aside, so that it takes no room from others. Where that fails, it stays."""
        try:
            self._quarantine.take(claim.path, claim.size_bytes)
        except FileNotFoundError:
            self.vanished(claim)
        except OSError as error:
            self.failed("quarantine", error)
            self.leave(claim, Foreign.STUCK)
        else:
            with self._lock:
                self._index.remove(claim)
                self._counts["quarantined"] += 1
            self._loud("quarantined", "a spooled capture is damaged and was moved from %s to quarantine/", claim.path)

    def _expired(self, claim: Claim) -> bool:
        """True, and it was removed, when a file that was tried in vain is too old."""
        quota, written = self.quota, written_ms(claim.path.name)
        tried_s = self._clock_s() - self._began_s
        if written is None or tried_s < min(PATIENCE_S, quota.max_age_s):
            return False
        if not quota.expired(written, int(self._now_s() * 1000)):
            return False
        self._remove(claim, "expired")
        age_s = quota.max_age_s
        self._loud("expired", "spooled captures older than %.0f s are removed, S3 not having taken them", age_s)
        return True

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
        with self._lock:  # folders that others have taken since are not ours to count
            self._left = {path: left for path, left in self._left.items() if path.parent != self.root}
        for folder in adopt(self.root, self.prefix, self._leave):
            self._adopted.append(folder)
            for _, size_bytes in captures(folder.path, self._leave):
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
            held = self._index.held()
        found = (each for folder in self._folders() for each in captures(folder.path, self._leave))
        # Those in somebody's hand may have been removed while we looked.
        oldest = heapq.nsmallest(MOST_LISTED, ((path.name, path, size) for path, size in found if path not in held))
        with self._lock:
            self._index.list(Claim(path, size) for _, path, size in oldest)
            # All that can be seen is held, and nothing was written while we looked.
            if self._index.needs_listing() and written == self._counts["written"]:
                self._counts["vanished"] += self._index.forget_unlisted()

    def tidy(self) -> None:
        """Remove adopted folders that are empty, and damaged files that are old. Raises OSError."""
        self._adopted = [folder for folder in self._adopted if not folder.remove_if_empty()]
        if removed := self._quarantine.tend():
            logger.warning("%d damaged captures were removed from the quarantine because of their age", removed)

    def look(self) -> SpoolStats:
        """An immutable copy of the account."""
        left: Counter[str] = Counter()
        with self._lock:
            for why, count in self._left.values():
                left[why.value] += count
            return SpoolStats(
                files=self._index.files,
                disk_bytes=self._index.disk_bytes,
                resting=self._index.resting,
                left=tuple(sorted(left.items())),
                errors=tuple(sorted(self._errors.items())),
                **{name: self._counts[name] for name in _COUNTED},
            )

    def close(self) -> None:
        """Give up all folders; the next process takes what is in them. Empty ones are removed."""
        self.tell(at_end=True)
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

    # --- telling ------------------------------------------------------------------------------------------------------

    def _leave(self, path: Path, why: Foreign, count: int = 1) -> None:
        with self._lock:
            if path in self._left or len(self._left) >= MOST_LISTED:
                return
            self._left[path] = (why, count)
            first = why not in self._told
            self._told.setdefault(why, self._clock_s())
        if first:
            logger.warning("spooled captures are left alone, as %s: %s", path, _LEFT_ALONE[why])

    def tell(self, *, at_end: bool = False) -> None:
        """Log what S3 refuses, if there is news: once in a while, and at the end."""
        with self._lock:
            answer, resting, files = self._answer, self._index.resting, self._index.files
            if not answer or not (self._due("refused") or at_end):
                return
            self._answer = ""
        logger.error(
            "S3 refuses spooled captures (%s): %d of %d in %s rest, and are tried again after %.0f to %.0f s",
            answer,
            resting,
            files,
            self.root,
            REST_S / 2,
            MOST_REST_S,
        )

    def _loud(self, kind: str, text: str, *values: object) -> None:
        with self._lock:
            due = self._due(kind)
        if due:
            logger.warning(text, *values)

    def _due(self, kind: str) -> bool:
        """True, once in a while, when a line of that kind may be logged."""
        now_s = self._clock_s()
        due = now_s >= self._told.get(kind, now_s)
        if due:
            self._told[kind] = now_s + LOUD_EVERY_S
        return due


_COUNTED = ("written", "adopted", "uploaded", "expired", "quarantined", "vanished", "refused", "refused_by_s3")
