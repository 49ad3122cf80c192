"""The ``redact`` argument as what the engine needs: secrets taken out of objects or of encoded bytes, and counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from packhorse.errors import InputError
from packhorse.uploader.options import shown


@dataclass(frozen=True, slots=True)
class Redaction:
    """How captures are redacted, and what has been removed so far.

    Attributes:
        capture: Redacts an object before it is encoded; None: not at all.
        encoded: Redacts JSON text; None where only objects can be redacted, by a redactor of the caller's own.
        counts: Values removed so far, by rule.
    """

    capture: Callable[[Any], Any] | None
    encoded: Callable[[bytes], bytes] | None
    counts: Callable[[], Mapping[str, int]]


NO_REDACTION = Redaction(None, None, dict)


def redaction(redact: Any) -> Redaction:
    """The argument, read. Raises InputError when it is none."""
    if redact is False:
        return NO_REDACTION
    from packhorse.redact import Redactor

    if redact is True:
        redact = Redactor()
    if not callable(getattr(redact, "capture", None)) or not callable(getattr(redact, "report", None)):
        raise InputError(f"redact is {shown(redact)}; give True, False or a Redactor")
    encoded = redact.encoded if isinstance(redact, Redactor) else None
    return Redaction(redact.capture, encoded, Counts(redact.report))


class Counts:
    """A redactor's counts, also for a signal handler that interrupts its own thread while that asks for them.

    The redactor counts under a lock that is not re-entrant: asking again in the same thread would wait for ever. Such a
    look gets the counts of the look before.
    """

    def __init__(self, report: Callable[[], Mapping[str, int]]) -> None:
        self._report = report
        self._last: Mapping[str, int] = {}
        self._asking: set[int] = set()

    def __call__(self) -> Mapping[str, int]:
        """Values removed so far, by rule."""
        thread = threading.get_ident()
        if thread in self._asking:
            return self._last
        self._asking.add(thread)
        try:
            self._last = self._report()
        finally:
            self._asking.discard(thread)
        return self._last
