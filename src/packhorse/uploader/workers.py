"""What the engine's threads do: turn captures into bodies, and bodies into objects. Whatever goes wrong is one fate."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from packhorse.codec import Codec, Tally
from packhorse.errors import CaptureError, PackhorseError, StoreError
from packhorse.stores.base import PutResult
from packhorse.uploader.adaptive import OVERLOAD
from packhorse.uploader.degrade import META_DEGRADED, SAYS, degraded
from packhorse.uploader.draining import OWN_FAULT, drain
from packhorse.uploader.endurance import Endurance, tell
from packhorse.uploader.forks import warm_up
from packhorse.uploader.job import Job, Stream
from packhorse.uploader.parts import send_parts
from packhorse.uploader.prepare import encodable
from packhorse.uploader.ticket import Fate, Receipt
from packhorse.wire import describe

if TYPE_CHECKING:
    from packhorse.uploader.work import Work


def encode_loop(engine: Work) -> None:
    """Run one encoding thread until the engine stops."""
    codec: Codec | None = None
    endurance = Endurance(engine)
    warm_up(engine)
    while True:
        try:
            job = engine.next_raw()
            if job is None:
                return
            codec = _encode_next(engine, codec, job)
            endurance.worked()
        except BaseException as error:  # noqa: BLE001  # the engine's own: the thread is all captures', not this one's
            codec = None
            if not endurance.outlives(error):
                return


def _encode_next(engine: Work, codec: Codec | None, job: Job) -> Codec | None:
    """Encode one capture and hand it on. Returns the codec while it is this thread's, and fit for another capture."""
    job.marks = {"encode": time.monotonic()}
    try:
        codec = codec or engine.profile.pipeline.codec()
        if encode(engine, codec, job):
            codec = None  # the stream that is still running owns it now
        job.marks["wait"] = time.monotonic()
        engine.encoded(job)
    except BaseException as error:  # noqa: BLE001  # the worker outlives whatever a capture or a library does to it
        _fail_anyhow(engine, job, error)
        _let_go(job)
        return None  # its contexts may have been left in the middle of a capture
    engine.relieve()
    return codec


def encode(engine: Work, codec: Codec, job: Job, *, overlap: bool = True) -> bool:
    """Encode ``job`` into a body, or into a stream when it is large. True when the stream still uses ``codec``.

    Args:
        engine: Whose job it is.
        codec: This thread's own.
        job: Gets its body or its stream, and its headers. Its capture is let go with the body.
        overlap: False never starts a thread for a large capture.
    """
    capture, closing = encodable(job.capture)
    with ExitStack() as stack:
        if closing is not None:
            stack.callback(closing.close)
        capture, reduced = degraded(capture, job.level)
        if engine.redact is not None:
            capture = engine.redact(capture)
        job.tally = Tally(digest=sha256() if engine.options.plain_sha256 else None)
        chunks = codec.encode(capture, tally=job.tally, overlap=overlap)
        head: list[bytes] = []
        size = 0
        for chunk in chunks:
            head.append(chunk)
            size += len(chunk)
            if size > engine.options.stream_above_bytes:
                job.stream = Stream(head, chunks, stack.pop_all())
                job.info = describe(engine.profile.pipeline, engine.profile.name)
                _mark_degraded(engine, job, reduced=reduced)
                return True
    job.body = head[0] if len(head) == 1 else b"".join(head)
    job.capture = None
    plain_sha256 = job.tally.freeze()  # while it waits, a capture is what it weighs
    job.info = describe(
        engine.profile.pipeline,
        engine.profile.name,
        plain_bytes=job.tally.plain_bytes,
        sha256=plain_sha256 or None,
    )
    _mark_degraded(engine, job, reduced=reduced)
    return False


def _mark_degraded(engine: Work, job: Job, *, reduced: bool) -> None:
    if reduced:
        job.info = replace(job.info, metadata={**job.info.metadata, META_DEGRADED: SAYS[job.level]})
        engine.count_degraded()


def upload_loop(engine: Work) -> None:
    """Run one uploading thread until the engine stops."""
    endurance = Endurance(engine)
    while True:
        try:
            job = engine.next_body()
            if job is None:
                return
            if job.claim is not None:
                _drain_next(engine, job)
            else:
                _upload_next(engine, job)
            endurance.worked()
        except BaseException as error:  # noqa: BLE001  # as above
            if not endurance.outlives(error):
                return


def _drain_next(engine: Work, job: Job) -> None:
    try:
        drain(engine, job)
    finally:
        engine.sent()
    engine.relieve()


def _upload_next(engine: Work, job: Job) -> None:
    """Send one capture, and give it its fate, or to those who know what becomes of it."""
    kept = False
    try:
        job.marks.setdefault("upload", time.monotonic())
        receipt = _receipt(job, _send(engine, job))
    except BaseException as error:  # noqa: BLE001  # as above: one classified fate, and the worker lives on
        try:
            kept = isinstance(error, StoreError) and (engine.try_again(job, error) or _rescued(engine, job, error))
        except BaseException as unforeseen:  # noqa: BLE001  # what would kill the thread for all the others
            tell(engine, unforeseen)
            _fail_anyhow(engine, job, unforeseen)
        else:
            if not kept:
                _fail_anyhow(engine, job, error)
    else:
        try:
            engine.finish(job, Fate.UPLOADED, receipt=receipt)
        except BaseException as unforeseen:  # noqa: BLE001  # it is stored all the same
            tell(engine, unforeseen)
            engine.finish_anyhow(job, Fate.UPLOADED, "", receipt)
    finally:
        engine.sent()
        if not kept:
            _let_go(job)
        engine.relieve()


def _rescued(engine: Work, job: Job, error: StoreError) -> bool:
    return error.kind not in OWN_FAULT and engine.rescue(job, *why(error))


def _send(engine: Work, job: Job) -> PutResult:
    """Put the job's body, once: whoever fails waits for another attempt without holding a permit (``trying.py``)."""
    if job.late is not None:
        raise job.late
    store = engine.store()
    engine.attempt(job)
    try:
        if job.body is not None:
            return store.put(job.ticket.key, job.body, job.info)
        return send_parts(engine, store, job)
    except StoreError as error:
        if error.kind in OVERLOAD:
            engine.overloaded(job)
        raise


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


def fail(engine: Work, job: Job, error: BaseException) -> None:
    """Settle as failed."""
    reason, detail = why(error)
    engine.finish(job, Fate.FAILED, reason, detail=detail)


def _fail_anyhow(engine: Work, job: Job, error: BaseException) -> None:
    try:
        fail(engine, job, error)
    except BaseException as unforeseen:  # noqa: BLE001  # the capture is not to blame, and gets its fate nevertheless
        tell(engine, unforeseen)
        engine.finish_anyhow(job, Fate.FAILED, why(error)[0])


def _let_go(job: Job) -> None:
    with suppress(BaseException):  # an iterator that raises when it is closed
        job.release()


def why(error: BaseException) -> tuple[str, str]:
    """A class of reason for the account; for the ticket, our own errors' words, free of content."""
    if isinstance(error, StoreError):
        return f"store: {error.kind.value}", str(error)
    if isinstance(error, CaptureError):
        # An object has no name but "capture", which the class of reason says already.
        named = [error.source] if error.source != "capture" else []
        where = ", ".join(named + ([error.position] if error.position else []))
        return "capture", f"{where}: {error.reason}" if where else error.reason
    if isinstance(error, PackhorseError):
        return type(error).__name__, str(error)
    return f"unexpected {type(error).__name__}", ""
