"""What is done to each capture, in a thread of the uploader's process or in a worker: the engine's own ``encode``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

from packhorse.codec import Codec
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import load_profile
from packhorse.redact import Redactor
from packhorse.uploader.encoder import Encoder
from packhorse.uploader.job import Job
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.redaction import Redaction as Removal
from packhorse.uploader.ticket import Ticket

Redaction = Literal["off", "hyperscan", "plain"]
#: The same in every process, so that their markers are.
_KEY = b"study of processes"
#: JSON text in one piece, as a capture would be handed over.
TEXT = "orjson:chunk=64MiB | none | raw"


def redactions() -> tuple[Redaction, ...]:
    """Without redaction, and with each scanner that is installed."""
    return ("off", "hyperscan", "plain") if find_spec("hyperscan") else ("off", "plain")


class Encoding:
    """Encodes captures with the packaged profile. For one thread, but for the redactor, which all of them share."""

    def __init__(self, redaction: Redaction, turns: AbstractContextManager[Any] | None = None) -> None:
        """With ``turns``, a lock, of all who have the same only one redacts at a time; they encode side by side."""
        redact: Callable[[Any], Any] | None = None if redaction == "off" else _redactor(redaction).capture
        if redact is not None and turns is not None:
            redact = _in_turn(redact, turns)
        profile = load_profile()
        self._redact = redact
        self._encoder = Encoder(profile, UploaderOptions(), Removal(redact, None, dict))
        self._codec: Codec = profile.pipeline.codec()

    def job(self, capture: Any) -> Job:
        """The capture, a JSON-able object or JSON text, as the job that the engine's uploading threads would get.

        Raises:
            PackhorseError: The capture cannot be redacted or encoded.
        """
        job = Job(Ticket("study", ""), capture, 0, 0.0)
        self._encoder.encode(job)
        return job

    def body(self, capture: Any) -> bytes:
        """The stored form of a capture below ``stream_above_bytes``. Raises as :meth:`job`."""
        body = self.job(capture).body
        if body is None:
            raise ValueError("a capture for this study must be below stream_above_bytes")
        return body

    def plain(self, capture: Any) -> list[bytes]:
        """The first half of :meth:`body`: the capture redacted and written, neither compressed nor hashed."""
        redact = self._redact
        return list(self._codec.encoder.encode(capture if redact is None else redact(capture)))

    def decoded(self, body: bytes) -> Any:
        """What :meth:`body` was made of."""
        return self._codec.decode([body])


def _in_turn(redact: Callable[[Any], Any], turns: AbstractContextManager[Any]) -> Callable[[Any], Any]:
    def redacted(capture: Any) -> Any:
        with turns:
            return redact(capture)

    return redacted


@cache
def _redactor(redaction: Redaction) -> Redactor:
    return Redactor(key=_KEY, scanner="plain" if redaction == "plain" else "hyperscan")


def texts() -> Codec:
    """Writes and reads JSON text in one call each, as a hand-over would."""
    return Pipeline.parse(TEXT).codec()
