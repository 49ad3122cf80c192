"""Bodies on their way to disk."""

from __future__ import annotations

from collections.abc import Iterator

from packhorse.uploader.job import Job
from packhorse.uploader.prepare import JOB_BYTES
from packhorse.uploader.spool.quota import disk_bytes

#: About what a file has around its body: key, metadata, checksums.
FRAME_BYTES = 1024


def file_bytes(job: Job) -> int:
    """What a job's file will count for; of a stream, about what it may come to."""
    return disk_bytes(max(job.held_bytes - JOB_BYTES, 0) + FRAME_BYTES)


class Body:
    """The chunks of a job's body or stream; remembers whether they, and not the disk, raised."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        job = self._job
        try:
            if job.body is not None:
                yield job.body
            elif job.stream is not None:
                yield from job.stream
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            raise
