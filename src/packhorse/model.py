"""What a capture is: any JSON-able object, or an :class:`EntryStream` whose entries come one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: Path of the list of entries in a HAR document.
HAR_ENTRIES = ("log", "entries")


@dataclass(slots=True)
class EntryStream:
    """A capture that need not exist whole: an outline and the entries of its one long list, as they come.

    Attributes:
        outline: The capture with an empty list at ``path``, which must be the last key at each level of the path when
            byte order matters to the reader (JSON itself does not care).
        path: Keys that lead from the outline to that list; ``()`` when the capture *is* the list.
        entries: The list's elements, each JSON-able. Consumed once.
    """

    outline: Any
    path: tuple[str, ...]
    entries: Iterable[Any]

    def materialize(self) -> Any:
        """Consume the entries and return the capture as one plain object (it is then whole in memory)."""
        return self._fill(self.outline, self.path)

    def _fill(self, outline: Any, path: tuple[str, ...]) -> Any:
        if not path:
            return list(self.entries)
        filled = dict(outline)
        filled[path[0]] = self._fill(outline[path[0]], path[1:])
        return filled


def har_stream(entries: Iterable[Any], *, creator: str = "packhorse") -> EntryStream:
    """Wrap bare HAR entries into a HAR 1.2 document that is encoded as its entries arrive."""
    outline = {"log": {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": []}}
    return EntryStream(outline, HAR_ENTRIES, entries)


def materialized(capture: Any) -> Any:
    """``capture`` as one plain object: an :class:`EntryStream` is consumed, anything else returned as it is."""
    return capture.materialize() if isinstance(capture, EntryStream) else capture
