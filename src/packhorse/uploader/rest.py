"""Encoding what is left in the closing thread itself, against a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
from packhorse.uploader.job import Job
from packhorse.uploader.workers import encode, fail

if TYPE_CHECKING:
    from packhorse.uploader.work import Work

#: Part of a closing deadline that is kept for spooling, and the most it takes: 256 MiB are written in about 5 s.
SHARE = 0.4
MOST_SHARE_S = 8.0


class OutOfTime(PackhorseError):
    """The deadline passed while a capture was being encoded."""


def share_s(deadline_s: float) -> float:
    """Seconds of a closing deadline that are kept for spooling what could not be uploaded."""
    return min(deadline_s * SHARE, MOST_SHARE_S)


def encode_now(engine: Work, job: Job, end_s: float) -> None:
    """Encode ``job`` in this thread, starting no other, and hand it on; past ``end_s`` it fails."""
    try:
        job.marks = {"encode": time.monotonic()}
        encode(engine, engine.profile.pipeline.codec(), job, overlap=False)
        if job.stream is not None:
            job.stream.limit(lambda chunks: _until(chunks, end_s))
    except BaseException as error:  # noqa: BLE001  # one classified fate, whatever the capture does
        fail(engine, job, error)
        job.release()
        return
    job.marks["wait"] = time.monotonic()
    engine.encoded(job)


def _until(chunks: Iterator[bytes], end_s: float) -> Iterator[bytes]:
    for chunk in chunks:
        if time.monotonic() > end_s:
            raise OutOfTime("the deadline passed while it was being encoded")
        yield chunk
