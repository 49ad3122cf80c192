"""Sending: a body as one PUT, a stream as multipart, a spooled file as it was frozen. What comes of it is told."""

from __future__ import annotations

import time
from contextlib import suppress

from packhorse.checksum import written
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import PutResult
from packhorse.uploader.adaptive import OVERLOAD
from packhorse.uploader.core import Core
from packhorse.uploader.job import Job
from packhorse.uploader.part_retry import send_parts
from packhorse.uploader.scheduler import Tried
from packhorse.uploader.spool.files import DamagedFile, ForeignFile, SpooledFile
from packhorse.uploader.spool.spool import Claim, Spool
from packhorse.uploader.ticket import Receipt

#: Errors that the same object will as a rule meet again whenever it is tried.
OWN_FAULT = frozenset({StoreErrorKind.INVALID, StoreErrorKind.CONFLICT})


def send(core: Core, job: Job) -> Receipt:
    """Put the job's body, once: whoever fails waits for another attempt without holding a permit (``scheduler.py``).

    Raises:
        StoreError: It was not stored, or whether it was is not known; also when it was too late to try.
    """
    job.marks.setdefault("upload", time.monotonic())
    if job.late is not None:
        raise job.late
    store = core.client.store()
    core.attempt(job)
    try:
        if job.body is not None:
            return _receipt(job, store.put(job.ticket.key, job.body, job.info))
        return _receipt(job, send_parts(core, store, job))
    except StoreError as error:
        if error.kind in OVERLOAD:
            core.overloaded(job)
        raise


def _receipt(job: Job, result: PutResult) -> Receipt:
    now_s = time.monotonic()
    marks = job.marks
    seconds = {
        "queue": marks["encode"] - job.submitted_s,
        "encode": marks["wait"] - marks["encode"],
        "wait": marks["upload"] - marks["wait"],
        "upload": now_s - marks["upload"],
    }
    return Receipt(
        job.ticket.key,
        job.ticket.url,
        result.etag,
        job.tally.plain_bytes,
        result.bytes_sent,
        job.tally.hexdigest(),
        job.attempts,
        seconds,
        written(job.tally.crc32),
    )


# --- spooled files ----------------------------------------------------------------------------------------------------


def drain(core: Core, claim: Claim) -> None:
    """Upload a spooled file, and remove it. Whatever S3 answers otherwise, it stays; damaged files are set aside."""
    spool = core.spool
    assert spool is not None
    tried, stored_bytes, wait_s = Tried.OUT, 0, 0.0
    try:
        tried, stored_bytes, wait_s = _tried(core, spool, claim)
    except BaseException:
        with suppress(Exception):
            spool.give_back(claim)  # whatever it was: the file stays, and is not kept from the others
        raise
    finally:
        core.drained(claim, stored_bytes, tried=tried, wait_s=wait_s)


def _tried(core: Core, spool: Spool, claim: Claim) -> tuple[Tried, int, float]:
    """What ``Core.drained`` is told: how it went, bytes stored, and how long S3 asked to be left alone."""
    try:
        file = spool.open(claim)
    except FileNotFoundError:
        spool.vanished(claim)
    except DamagedFile:
        spool.quarantine(claim)
    except ForeignFile as error:
        spool.leave(claim, error.why)
    except OSError as error:
        spool.failed("read", error)
        spool.rest(claim)
    else:
        with file:
            return _sent(core, spool, claim, file)
    return Tried.NOT, 0, 0.0


def _sent(core: Core, spool: Spool, claim: Claim, file: SpooledFile) -> tuple[Tried, int, float]:
    try:
        stored_bytes = _send_file(core, file)
    except DamagedFile:
        spool.quarantine(claim)
        return Tried.NOT, 0, 0.0
    except BaseException as error:  # noqa: BLE001  # also an unreadable disk, or a client's panic: the file stays
        if isinstance(error, StoreError) and error.retryable:
            spool.failed_try(claim)
            return Tried.OUT, 0, error.retry_after_s or 0.0
        if isinstance(error, OSError):
            spool.failed("read", error)
        spool.rest(claim, answer(error))
        return Tried.REFUSED, 0, 0.0
    spool.uploaded(claim)
    return Tried.WORKED, stored_bytes, 0.0


def answer(error: BaseException) -> str:
    """What S3 said, in a few words that hold nothing of a capture; nothing when the disk failed."""
    if isinstance(error, StoreError):
        status = "" if error.status is None else f"HTTP {error.status}"
        return f"{status} {error.code or error.kind.value}".strip()
    return "" if isinstance(error, OSError) else type(error).__name__


def _send_file(core: Core, file: SpooledFile) -> int:
    """Its bytes and key as they were frozen, read in bounded memory, checked before S3 has the end."""
    store = core.client.store()
    core.attempt_file()
    key, info = file.header.key, file.header.info
    if file.body_bytes <= core.options.stream_above_bytes:
        return store.put(key, b"".join(file.chunks()), info).bytes_sent
    return store.put_stream(key, file.chunks(), info).bytes_sent
