"""Uploading one spooled file: its bytes and key as they were frozen, read in bounded memory, checked before the end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.uploader.job import Job
from packhorse.uploader.spool.fileformat import DamagedFile, SpooledFile

if TYPE_CHECKING:
    from packhorse.uploader.spool.index import Claim
    from packhorse.uploader.spool.spool import Spool
    from packhorse.uploader.work import Work

#: Errors that the same object will meet again whenever it is tried.
OWN_FAULT = frozenset({StoreErrorKind.INVALID, StoreErrorKind.CONFLICT})


def drain(engine: Work, job: Job) -> None:
    """Upload the file that ``job`` claims, and remove it; damaged files are set aside, others wait for S3."""
    spool, claim = engine.spool, job.claim
    assert spool is not None
    assert claim is not None
    worked: bool | None = False
    wait_s = 0.0
    try:
        worked, wait_s = _tried(engine, spool, job, claim)
    except BaseException:
        with suppress(Exception):
            spool.give_back(claim)  # whatever it was: the file stays, and is not kept from the others
        raise
    finally:
        engine.drained(job, worked=worked, wait_s=wait_s)


def _tried(engine: Work, spool: Spool, job: Job, claim: Claim) -> tuple[bool | None, float]:
    """What ``Work.drained`` is told: how it went, and how long S3 asked to be left alone."""
    try:
        stored_bytes = _send(engine, job, claim.path)
    except (DamagedFile, FileNotFoundError):
        spool.quarantine(claim)
        return None, 0.0
    except StoreError as error:
        if error.kind in OWN_FAULT:
            spool.quarantine(claim)
            return None, 0.0
        spool.give_back(claim)
        return False, error.retry_after_s or 0.0
    except BaseException as error:  # noqa: BLE001  # an unreadable disk or a client's panic: the file stays
        if isinstance(error, OSError):
            spool.failed("read", error)
        spool.give_back(claim)
        return False, 0.0
    spool.uploaded(claim)
    engine.count_stored(stored_bytes)
    return True, 0.0


def _send(engine: Work, job: Job, path: Path) -> int:
    with SpooledFile(path) as file:
        store = engine.store()
        engine.attempt(job)
        key, info = file.header.key, file.header.info
        if file.body_bytes <= engine.options.stream_above_bytes:
            return store.put(key, b"".join(file.chunks()), info).bytes_sent
        return store.put_stream(key, file.chunks(), info).bytes_sent
