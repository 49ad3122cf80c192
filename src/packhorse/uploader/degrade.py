"""Captures with less in them, for when there is no room for all: response bodies go first, then headers. Pure.

What stays is the outline, every entry with its method, URL, status, sizes and times.
Callers' objects stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from packhorse.model import HAR_ENTRIES, EntryStream
from packhorse.uploader.ladder import OUTLINE, WHOLE

#: Metadata of a reduced object, and what it says by level.
META_DEGRADED = "packhorse-degraded"
SAYS = {1: "no response bodies", 2: "no bodies and headers"}


def degradable(capture: Any) -> bool:
    """False when it can be told at once that there is nothing to leave out: an object that is no HAR document."""
    return _entries(capture) is not None if isinstance(capture, (dict, list, tuple)) else True


def degraded(capture: Any, level: int) -> tuple[Any, bool]:
    """``capture`` reduced to ``level``, and whether that could be done.

    Args:
        capture: What an encoder takes.
        level: As :meth:`packhorse.uploader.ladder.Ladder.level`.
    """
    if level == WHOLE:
        return capture, False
    if isinstance(capture, EntryStream) and capture.path == HAR_ENTRIES:
        return replace(capture, entries=(_entry(entry, level) for entry in capture.entries)), True
    entries = _entries(capture)
    if entries is None:
        return capture, False
    log = capture[HAR_ENTRIES[0]]
    reduced = [_entry(entry, level) for entry in entries]
    return {**capture, HAR_ENTRIES[0]: {**log, HAR_ENTRIES[1]: reduced}}, True


def _entries(capture: Any) -> Any:
    log = capture.get(HAR_ENTRIES[0]) if isinstance(capture, dict) else None
    entries = log.get(HAR_ENTRIES[1]) if isinstance(log, dict) else None
    return entries if isinstance(entries, list) else None


#: Keys of a request or a response that each level leaves out; everything of ``_`` keys of an entry goes with bodies,
#: as DevTools keeps WebSocket messages and initiators' stacks there.
_HEADERS = frozenset({"headers", "cookies"})


def _entry(entry: Any, level: int) -> Any:
    if not isinstance(entry, dict):
        return entry
    reduced = {key: value for key, value in entry.items() if not (isinstance(key, str) and key.startswith("_"))}
    for side in ("request", "response"):
        if isinstance(message := reduced.get(side), dict):
            reduced[side] = dict(_message(message, level))
    return reduced


def _message(message: dict[Any, Any], level: int) -> Iterator[tuple[Any, Any]]:
    for key, value in message.items():
        if level >= OUTLINE and key in _HEADERS:
            yield key, []
        elif (key == "content" or (level >= OUTLINE and key == "postData")) and isinstance(value, dict):
            yield key, {inner: kept for inner, kept in value.items() if inner not in {"text", "encoding", "params"}}
        else:
            yield key, value
