"""A capture without its one long list: read whole, and the list chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packhorse.captures.readers.exact import ExactParser
from packhorse.captures.readers.limits import ReadLimits
from packhorse.captures.readers.scan import ListSpan
from packhorse.captures.readers.source import Window, read_all
from packhorse.captures.readers.text import PlainText
from packhorse.errors import CaptureError
from packhorse.model import HAR_ENTRIES
from packhorse.units import format_bytes

#: Keys of which one beside ``log`` says that somebody meant a HAR.
_HAR_KEYS = frozenset({"version", "creator", "browser", "pages", "entries"})


@dataclass(frozen=True, slots=True)
class OutlineReader:
    """Reads a text of ``total_bytes`` without one of its lists."""

    text: PlainText
    total_bytes: int
    limits: ReadLimits
    parser: ExactParser

    def read(self, lists: Mapping[tuple[str, ...], ListSpan]) -> tuple[Any, ListSpan]:
        """Choose the list to stream and read everything else.

        ``log.entries`` when it is there; otherwise the list that takes the most bytes. Lists that are not chosen stay
        in the outline.

        Returns:
            The capture with an empty list in that place, and where the list is in the text.

        Raises:
            CaptureError: No list, a HAR without ``log.entries``, an outline over ``max_entry_bytes``, or not JSON.
        """
        by_size = sorted(lists.values(), key=lambda span: (span.path != HAR_ENTRIES, span.start - span.end))
        for span in by_size:
            outline = self._without(span)
            # A later duplicate of a key on the way may have replaced the list; then the capture does not have it.
            if _at(outline, span.path) == []:
                if span.path != HAR_ENTRIES:
                    _refuse_broken_har(outline, self.text.name)
                return outline, span
        whole = self._bytes(0, self.total_bytes)
        _refuse_broken_har(self.parser.parse(whole, self.text.offset, None), self.text.name)
        raise CaptureError("has no list in it that could be its entries", source=self.text.name)

    def _without(self, span: ListSpan) -> Any:
        before = self._bytes(0, span.start + 1)
        after = self._bytes(span.end - 1, self.total_bytes)
        try:
            return self.parser.parse(before + after, self.text.offset, None)
        except CaptureError as error:
            raise _moved(error, len(before) + self.text.offset, span.end - span.start - 2) from None

    def _bytes(self, start: int, end: int) -> bytes:
        if end - start > self.limits.max_entry_bytes:
            what = f"holds more than {format_bytes(self.limits.max_entry_bytes)} outside of its longest list"
            raise CaptureError(f"{what}, which is read whole; raise max_entry_bytes", source=self.text.name)
        return read_all(Window(self.text.open(), start, end))


def _moved(error: CaptureError, border: int, gap_bytes: int) -> CaptureError:
    """The same error, with an offset in the file in place of one in the joined text."""
    at = int((error.position or "byte 0").removeprefix("byte "))
    return CaptureError(error.reason, source=error.source, position=f"byte {at if at < border else at + gap_bytes}")


def _at(outline: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        outline = outline.get(key) if isinstance(outline, dict) else None
    return outline


def _refuse_broken_har(outline: Any, name: str) -> None:
    log = outline.get("log") if isinstance(outline, dict) else None
    if not isinstance(log, dict) or not (len(outline) == 1 or _HAR_KEYS & log.keys()):
        return
    fault = "is not a list" if "entries" in log else "is missing"
    raise CaptureError(f"looks like a HAR, but log.entries {fault}", source=name)
