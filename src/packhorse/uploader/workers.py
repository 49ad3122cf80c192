"""What the engine's threads do: turn captures into bodies, and bodies into objects. Whatever goes wrong is one fate."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING

from packhorse.codec import Codec, Tally
from packhorse.errors import CaptureError, PackhorseError, StoreError
from packhorse.stores.base import PutResult
from packhorse.uploader.job import Job
from packhorse.uploader.prepare import STREAM_HELD_BYTES, encodable
from packhorse.uploader.retry import pause_s
from packhorse.uploader.ticket import Fate, Receipt
from packhorse.wire import describe

if TYPE_CHECKING:
    from packhorse.uploader.engine import Engine


def encode_loop(engine: Engine) -> None:
    """Run one encoding thread until the engine stops."""
    codec: Codec | None = None
    while (job := engine.next_raw()) is not None:
        job.marks["encode"] = time.monotonic()
        try:
            codec = codec or engine.profile.pipeline.codec()
            if encode(engine, codec, job):
                codec = None  # the stream that is still running owns it now
        except Exception as error:  # noqa: BLE001  # the worker must outlive whatever a capture does to it
            codec = None  # its contexts may have been left in the middle of a capture
            engine.finish(job, Fate.FAILED, _reason(error))
            continue
        job.marks["wait"] = time.monotonic()
        held = STREAM_HELD_BYTES if job.body is None else len(job.body)
        engine.encoded(job, held)


def encode(engine: Engine, codec: Codec, job: Job) -> bool:
    """Encode ``job`` into a body, or into a stream when it is large. True when the stream still uses ``codec``."""
    capture, closing = encodable(job.capture)
    with ExitStack() as stack:
        if closing is not None:
            stack.callback(closing.close)
        if engine.redact is not None:
            capture = engine.redact(capture)
        job.tally = Tally(digest=sha256() if engine.options.plain_sha256 else None)
        chunks = codec.encode(capture, tally=job.tally)
        head: list[bytes] = []
        size = 0
        for chunk in chunks:
            head.append(chunk)
            size += len(chunk)
            if size > engine.options.stream_above_bytes:
                job.stream = _closing(chain(head, chunks), stack.pop_all())
                job.info = describe(engine.profile.pipeline, engine.profile.name)
                return True
    job.body = head[0] if len(head) == 1 else b"".join(head)
    job.capture = None
    job.info = describe(
        engine.profile.pipeline,
        engine.profile.name,
        plain_bytes=job.tally.plain_bytes,
        sha256=job.tally.hexdigest() or None,
    )
    return False


def _closing(chunks: Iterator[bytes], stack: ExitStack) -> Iterator[bytes]:
    with stack:
        yield from chunks


def upload_loop(engine: Engine) -> None:
    """Run one uploading thread until the engine stops."""
    while (job := engine.next_body()) is not None:
        job.marks["upload"] = time.monotonic()
        try:
            result = _send(engine, job)
        except Exception as error:  # noqa: BLE001  # as above: one classified fate, and the worker lives on
            engine.finish(job, Fate.FAILED, _reason(error))
        else:
            engine.finish(job, Fate.UPLOADED, receipt=_receipt(job, result))
        finally:
            engine.sent()


def _send(engine: Engine, job: Job) -> PutResult:
    """Put the job's body, trying again while that may help. A running stream cannot be sent twice."""
    store = engine.store()
    while True:
        engine.attempt(job)
        try:
            if job.body is not None:
                return store.put(job.ticket.key, job.body, job.info)
            assert job.stream is not None  # encode() made one or the other
            return store.put_stream(job.ticket.key, job.stream, job.info)
        except StoreError as error:
            if job.body is None or not error.retryable or not engine.may_retry(job):
                raise
            options = engine.options
            pause = pause_s(
                job.attempts, base_s=options.backoff_base_s, max_s=options.backoff_max_s, uniform=random.uniform
            )
            engine.pause(max(pause, error.retry_after_s or 0.0))


def _receipt(job: Job, result: PutResult) -> Receipt:
    now = time.monotonic()
    marks = job.marks
    seconds = {
        "queue": marks["encode"] - job.submitted_s,
        "encode": marks["wait"] - marks["encode"],
        "wait": marks["upload"] - marks["wait"],
        "upload": now - marks["upload"],
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
    )


def _reason(error: Exception) -> str:
    """A classified reason without content: messages of our own errors are free of it, others give their type."""
    if isinstance(error, StoreError):
        return f"store: {error.kind.value}"
    if isinstance(error, CaptureError):
        return f"capture: {error.reason}"
    if isinstance(error, PackhorseError):
        return f"{type(error).__name__}: {error}"
    return f"unexpected {type(error).__name__}"
