"""Why captures were dropped, failed or spooled: an enum, and the sentences that are made of it where it is shown."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from packhorse.errors import CaptureError, PackhorseError, StoreError


class Reason(Enum):
    """One class of reasons: the account's words for it, and its label in metrics."""

    NONE = ("", "")
    CLOSED = ("the uploader was closed", "closed")
    NO_ROOM = ("no room in the memory budget", "no-room")
    TOO_LARGE = ("larger than the memory budget", "too-large")
    NO_THREAD = ("no thread can be started", "no-thread")
    INTERRUPTED = ("the wait for room was interrupted", "cancelled")
    CANCELLED = ("the submitting task was cancelled", "cancelled")
    STOPPED = ("stopped before it was uploaded", "stopped")
    UNKNOWN_OUTCOME = ("stopped while it was being sent: whether it is stored is not known", "unknown-outcome")
    EXIT = ("the interpreter exited before close()", "exit")
    DISK = ("the disk refused it", "disk")
    SPOOLED = ("kept on disk; it is uploaded under the same key once S3 takes it", "")
    CAPTURE = ("capture", "capture")
    #: S3's answer; told apart by the error's kind.
    STORE = ("store", "store")
    #: Another error of ours; told apart by its class.
    OURS = ("", "other")
    #: Anything else; told apart by its class.
    UNEXPECTED = ("unexpected", "unexpected")

    @property
    def words(self) -> str:
        """As the account tells it."""
        return self.value[0]

    @property
    def label(self) -> str:
        """As metrics tell it."""
        return self.value[1]


class Why(NamedTuple):
    """A reason with what tells its kinds apart, and with what is told on the ticket alone: free of content."""

    reason: Reason
    kind: str = ""
    detail: str = ""

    @property
    def words(self) -> str:
        """The class of reason, for the account."""
        reason = self.reason
        if reason is Reason.STORE:
            return f"store: {self.kind}"
        if reason is Reason.UNEXPECTED:
            return f"unexpected {self.kind}"
        return self.kind if reason is Reason.OURS else reason.words

    @property
    def sentence(self) -> str:
        """The whole of it, for the ticket."""
        return f"{self.words}: {self.detail}" if self.detail else self.words


NO_REASON = Why(Reason.NONE)


def why(error: BaseException) -> Why:
    """The reason that an error is. Errors that are not ours are told by their class: their text may quote a capture."""
    if isinstance(error, StoreError):
        return Why(Reason.STORE, error.kind.value, str(error))
    if isinstance(error, CaptureError):
        # An object has no name but "capture", which the class of reason says already.
        named = [error.source] if error.source != "capture" else []
        where = ", ".join(named + ([error.position] if error.position else []))
        return Why(Reason.CAPTURE, "", f"{where}: {error.reason}" if where else error.reason)
    if isinstance(error, PackhorseError):
        return Why(Reason.OURS, type(error).__name__, str(error))
    return Why(Reason.UNEXPECTED, type(error).__name__)
