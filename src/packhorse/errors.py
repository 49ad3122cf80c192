"""Every error packhorse raises, under one root.

Rule: an error names the file, field or option it is about and says what to do. It never carries a credential or the
content of a capture.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'orjson-stream'?`` for a misspelled name, empty when none of ``known`` is near."""
    from difflib import get_close_matches  # no program that spells its names right pays for it

    near = get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class PackhorseError(Exception):
    """Root of every error raised by packhorse itself."""


class InputError(PackhorseError):
    """Something given by the user cannot be used. The command line turns it into exit status 2 and one line."""


class CaptureError(InputError):
    """A capture cannot be read or encoded.

    Attributes:
        source: File name or description of the object, as given by the user.
        position: Where in it: ``byte 1234`` or ``entry 7`` of a file, of an object a path as ``$.log.entries[7].time``,
            in which keys that HAR does not define are ``*``; None when that is not known.
    """

    def __init__(self, reason: str, *, source: str = "capture", position: str | None = None) -> None:
        self.source = source
        self.position = position
        self.reason = reason
        where = f"{source}, {position}" if position else source
        super().__init__(f"{where}: {reason}")


class PipelineError(InputError):
    """A pipeline's text, a candidate's name or a setting is not valid."""


class ProfileError(InputError):
    """A profile file is missing, unreadable or does not follow the schema."""


class RecordError(InputError):
    """A race record is missing, unreadable or does not follow the schema."""


class UnavailableError(InputError):
    """A candidate's library is not installed or does not work here. The message names the extra that brings it."""


class ExpansionLimitError(PackhorseError):
    """An object grows past the allowed size while it is decoded (a decompression bomb, or a limit set too low)."""


class CorruptObjectError(PackhorseError):
    """Stored bytes are truncated, damaged, or not what their metadata says they are."""


class StoreErrorKind(StrEnum):
    """What kind of failure a store met: the uploader decides by this, never by an SDK's own exceptions."""

    THROTTLED = "throttled"  # 429, 503 SlowDown
    SERVER = "server"  # other 5xx
    CONNECTION = "connection"  # refused, reset, DNS, TLS
    TIMEOUT = "timeout"
    DENIED = "denied"  # 401, 403
    NOT_FOUND = "not-found"  # 404: key or bucket
    CONFLICT = "conflict"  # 409, 412
    INVALID = "invalid"  # other 4xx: the request itself is wrong
    CONFIG = "config"  # no credentials, bad endpoint: nothing was sent


RETRYABLE = frozenset(
    {StoreErrorKind.THROTTLED, StoreErrorKind.SERVER, StoreErrorKind.CONNECTION, StoreErrorKind.TIMEOUT}
)


class StoreError(PackhorseError):
    """An S3 client failed. Raised by every module in ``stores/`` in place of the SDK's own exceptions.

    Attributes:
        kind: The class of failure.
        status: HTTP status, or None when no answer came.
        retry_after_s: Seconds to wait at least: the server's ``Retry-After``, a floor where it throttled without one
            (or the client does not tell it), else None.
        code: S3's error code, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        kind: StoreErrorKind,
        status: int | None = None,
        retry_after_s: float | None = None,
        code: str | None = None,
    ) -> None:
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s
        self.code = code
        super().__init__(reason)

    @property
    def retryable(self) -> bool:
        """True when the same request may succeed later."""
        return self.kind in RETRYABLE


class QueueFull(PackhorseError):
    """``submit`` waited its whole timeout and there was still no room within the memory budget."""


class UploaderClosed(PackhorseError):
    """A capture was handed to an uploader after ``close``."""


class UploadFailed(PackhorseError):
    """The capture behind a ticket was not stored. ``fate`` and ``reason`` say what happened to it instead."""

    def __init__(self, fate: str, reason: str) -> None:
        self.fate = fate
        self.reason = reason
        super().__init__(f"{fate}: {reason}")


class RedactionError(PackhorseError):
    """A capture could not be checked for secrets, so it must not be passed on. The message carries no content of it.

    Attributes:
        position: Where in it, as :class:`CaptureError` says it of an object, or None when that is not known.
    """

    def __init__(self, reason: str, *, position: str | None = None) -> None:
        self.position = position
        self.reason = reason
        super().__init__(f"{position}: {reason}" if position else reason)
