"""Turning a capture into a body, or into a stream when it is large and its coding shows damage by itself.

Two ways. The *short* one is for captures whose encoding holds the GIL for a few milliseconds: redacted, hashed and
compressed in one go by one thread. The long one goes in chunks, in bounded memory; a second thread may encode ahead.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from itertools import chain, count
from typing import Any

from packhorse.codec import Codec, Tally
from packhorse.errors import CaptureError, PackhorseError
from packhorse.profiles.loading import Profile
from packhorse.stages.compress.streams import SELF_CHECKING
from packhorse.units import KIB
from packhorse.uploader.first_use import first_use
from packhorse.uploader.job import Job, Stream
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.prepare import META_DEGRADED, SAYS, SHORT_BYTES, degraded, encodable, estimate_bytes
from packhorse.uploader.redaction import NO_REDACTION, Redaction
from packhorse.uploader.weight import weigh
from packhorse.wire import Headers

#: Containers that are opened to see what a capture's objects take beside its text: as many as an entry of a HAR has.
MOST_OPENED = 16
#: One in so many is looked into: on objects that no cache holds it takes 100 to 200 µs.
WEIGHED_EVERY = 8
#: A guess that is this many times below the limit is trusted.
SURE_TIMES = 4
#: Bytes of a large capture that are hashed and compressed at a time.
GATHER_BYTES = 256 * KIB
#: A capture that came out this many times larger than what the short way is for was not what it seemed: as many as this
#: many captures after it are not trusted.
SURPRISE_TIMES, WARY_CAPTURES = 3, 256
#: A capture without content, of the shape that most have.
_EMPTY = {"log": {"version": "1.2", "entries": [{"request": {"headers": []}, "response": {"content": {}}, "time": 0}]}}


class OutOfTime(PackhorseError):
    """The deadline passed while a capture was being encoded."""


def _no_bound(_job: Job, _size_bytes: int) -> bool:
    return True


class Encoder:
    """Encodes with contexts that are used by one thread at a time: there are as many as there were threads at once.

    Args:
        profile: Whose pipeline encodes.
        options: The uploader's.
        redaction: What captures lose.
        may_buffer: Asked when a large body has to be kept whole: whether the job may hold so many bytes of it.
    """

    def __init__(
        self,
        profile: Profile,
        options: UploaderOptions,
        redaction: Redaction = NO_REDACTION,
        may_buffer: Callable[[Job, int], bool] = _no_bound,
    ) -> None:
        self._may_buffer = may_buffer
        self._profile = profile
        self._options = options
        self._redaction = redaction
        self._headers = Headers(profile.pipeline, profile.name)
        self._idle: list[Codec] = []
        self._warm = False
        self._wary = 0
        self._turns = count()
        self._beside_per_byte = 0.0
        self._short_bytes = min(SHORT_BYTES, options.stream_above_bytes)
        self._json = profile.pipeline.wire[0] == "json"
        #: A stream's metadata goes before its content, so that its digest cannot be there.
        self._streams = profile.pipeline.wire[1] in SELF_CHECKING

    def encode(self, job: Job, *, overlap: bool = True, end_s: float = math.inf) -> bool:
        """Give ``job`` its body or its stream, and its headers. Its capture is let go with the body.

        Args:
            job: What is to be encoded.
            overlap: False never starts a thread for a large capture: one that encodes ahead brings nothing where other
                captures wait for the same cores.
            end_s: Engine clock by which a body that has to be kept whole must be there.

        Returns:
            True when it has been reduced for want of room.
        """
        job.marks = {"encode": time.monotonic()}
        if not self._warm:
            self._warm_up()
        try:
            codec = self._idle.pop()
        except IndexError:
            codec = self._profile.pipeline.codec()
        # What fails leaves its contexts in the midst of a capture: they are not used again. Nor are those of a stream
        # that is still running.
        reduced = self._encode(codec, job, overlap=overlap, end_s=end_s)
        if job.stream is None:
            self._idle.append(codec)
        job.marks["wait"] = time.monotonic()
        return reduced

    def _encode(self, codec: Codec, job: Job, *, overlap: bool, end_s: float) -> bool:
        weight = None
        if job.guessed_bytes and next(self._turns) % WEIGHED_EVERY == 0:
            weight = weigh(job.capture, drawn=1, most=MOST_OPENED)
        capture, closing = encodable(job.capture)
        reduced = False
        if job.level:
            capture, reduced = degraded(capture, job.level)
        job.tally = Tally(digest=sha256() if self._options.plain_sha256 else None)
        if closing is None and self._is_short(job, capture) and not (self._wary and self._is_wary()):
            job.body = self._in_one_go(codec, capture, job.tally)
        else:
            self._in_chunks(codec, job, (capture, closing), overlap=overlap, end_s=end_s)
            if job.stream is not None:
                self._describe(job, reduced=reduced)
                return reduced
        plain_bytes = max(1, job.tally.plain_bytes)
        if weight is not None and not reduced:
            self._beside_per_byte = weight.beside_text_bytes / plain_bytes
        job.beside_bytes = self._beside_per_byte * plain_bytes
        job.capture = None
        self._describe(job, reduced=reduced)
        return reduced

    def _in_chunks(self, codec: Codec, job: Job, opened: tuple[Any, Any], *, overlap: bool, end_s: float) -> None:
        """Encode what may be large, and what was opened to be read, as far as a body may go; from there on a stream."""
        capture, closing = opened
        most_bytes = self._options.stream_above_bytes
        with ExitStack() as stack:
            if closing is not None:
                stack.callback(closing.close)
            plain = self._plain(codec, capture)
            chunks = codec.compressed(plain, tally=job.tally, overlap=overlap, gather_bytes=GATHER_BYTES)
            head: list[bytes] = []
            size_bytes = 0
            for chunk in chunks:
                head.append(chunk)
                size_bytes += len(chunk)
                if size_bytes > most_bytes and self._streams:
                    job.stream = Stream(head, chunks, stack.pop_all())
                    return
                if size_bytes > most_bytes:
                    job.body = self._kept_whole(job, chain(head, chunks), end_s)
                    return
            job.body = head[0] if len(head) == 1 else b"".join(head)

    def _kept_whole(self, job: Job, chunks: Iterable[bytes], end_s: float) -> bytes:
        """The body of a large capture whose coding has no checksum: its digest must be known before it is sent.

        Raises:
            CaptureError: There is no room for it.
            OutOfTime: It is too late.
        """
        whole = io.BytesIO()  # which gives its bytes away without a copy
        for chunk in chunks:
            whole.write(chunk)
            if time.monotonic() > end_s:
                raise OutOfTime("the deadline passed while it was being encoded")
            if not self._may_buffer(job, whole.tell()):
                raise CaptureError(
                    f"{whole.tell()} bytes and more of it find no room in memory_budget_bytes; "
                    f"{self._profile.pipeline.wire[1]} has no checksum, so that objects are kept whole until they are "
                    "sent: raise the budget, or use a profile with gzip or zstd"
                )
        return whole.getvalue()

    def _in_one_go(self, codec: Codec, capture: Any, tally: Tally) -> bytes:
        scrub = None
        if self._redaction.capture is not None:
            scrub = self._redaction.encoded if self._json else None
            if scrub is None:
                capture = self._redaction.capture(capture)
        body = codec.encode_whole(capture, tally=tally, scrub=scrub)
        if tally.plain_bytes > SURPRISE_TIMES * SHORT_BYTES:
            self._wary = WARY_CAPTURES
        return body

    def _is_short(self, job: Job, capture: Any) -> bool:
        """Whether a capture is encoded in one go. A closer look is for those that the submitter's guess leaves open."""
        if 0 < job.guessed_bytes * SURE_TIMES < self._short_bytes:
            return True
        return estimate_bytes(capture) <= self._short_bytes

    def _is_wary(self) -> bool:
        if self._wary:
            self._wary -= 1
            return True
        return False

    def _plain(self, codec: Codec, capture: Any) -> Iterator[bytes]:
        """The encoded capture in chunks, redacted."""
        redaction = self._redaction
        if redaction.capture is None:
            return codec.encoder.encode(capture)
        if self._json and redaction.encoded is not None:
            scrubbed = codec.scrubbed(capture, redaction.encoded)
            if scrubbed is not None:
                return scrubbed
        return codec.encoder.encode(redaction.capture(capture))

    def _describe(self, job: Job, *, reduced: bool) -> None:
        """Headers. Of a stream size and digest are not known yet, and the metadata goes before the content."""
        tally, sha256_hex = job.tally, None
        if job.stream is not None:
            job.info = self._headers.of(plain_bytes=None, crc32=None, sha256=None)
        else:
            if tally.digest is not None:
                sha256_hex = tally.freeze()  # while it waits, a capture is what it weighs
            job.info = self._headers.of(plain_bytes=tally.plain_bytes, crc32=tally.crc32, sha256=sha256_hex)
        if reduced:
            job.info = replace(job.info, metadata={**job.info.metadata, META_DEGRADED: SAYS[job.level]})

    def _warm_up(self) -> None:
        """Import and compile what encoding needs, by encoding an empty capture, while no fork happens.

        What fails, fails again with a real one. A redactor of the caller's own may do anything: it is not called here.
        """
        with first_use():
            if self._warm:
                return
            self._warm = True
            try:
                from packhorse.redact import Redactor

                redactor = getattr(self._redaction.capture, "__self__", None)
                scrub = redactor.encoded if isinstance(redactor, Redactor) and self._json else None
                if isinstance(redactor, Redactor) and not self._json:
                    redactor.capture(_EMPTY)
                codec = self._profile.pipeline.codec()
                codec.encode_whole(_EMPTY, tally=Tally(), scrub=scrub)
            except Exception:  # noqa: BLE001
                return
            self._idle.append(codec)


def limited(job: Job, end_s: float) -> None:
    """Let a stream fail once ``end_s`` has passed."""

    def until(chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if time.monotonic() > end_s:
                raise OutOfTime("the deadline passed while it was being encoded")
            yield chunk

    if job.stream is not None:
        job.stream.limit(until)
