"""What kind of capture it is, from its outline and first entries; and oddities of HAR entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from packhorse.captures.readers.notes import Notes
from packhorse.model import HAR_ENTRIES

#: Entries looked at to name a list or NDJSON. A protocol log may begin with answers, which have no method.
PEEKED_ENTRIES = 8
_PROTOCOL_METHOD = re.compile(r"[A-Z][A-Za-z]*\.[a-z][A-Za-z]*")


def format_of(outline: Any, path: tuple[str, ...], first: Sequence[Any], *, lines: bool) -> str:
    """The format's name: ``har``, ``har-1.1``, ``cassette``, ``netlog``, ``devtools-log``, ``ndjson`` or ``json``.

    Args:
        outline: The capture without its long list.
        path: Keys that lead to that list.
        first: Its first entries, up to :data:`PEEKED_ENTRIES`; not needed for a HAR.
        lines: Whether the file is NDJSON.
    """
    if path == HAR_ENTRIES:
        return "har-1.1" if outline["log"].get("version") == "1.1" else "har"
    if isinstance(outline, dict) and _is_cassette(outline):
        return "cassette"
    if path == ("events",) and "constants" in outline:
        return "netlog"
    if any(_is_protocol_message(entry) for entry in first):
        return "devtools-log"
    return "ndjson" if lines else "json"


def creator_of(outline: Any, path: tuple[str, ...]) -> str:
    """Who wrote a HAR (``WebInspector 537.36``, ``Firefox 45.0``), or who recorded a cassette; empty when not said."""
    if path != HAR_ENTRIES:
        recorder = outline.get("recorded_with") if isinstance(outline, dict) else None
        return recorder if isinstance(recorder, str) else ""
    creator = outline["log"].get("creator")
    if not isinstance(creator, dict):
        return ""
    return " ".join(text for key in ("name", "version") if isinstance(text := creator.get(key), str))


def note_outline(outline: Any, path: tuple[str, ...], notes: Notes) -> None:
    """Note what is odd about a HAR's frame."""
    if path == HAR_ENTRIES:
        log = outline["log"]
        if log.get("version") not in ("1.1", "1.2"):
            said = "not given" if "version" not in log else "neither 1.1 nor 1.2"
            notes.add(f"log.version is {said}; read as HAR 1.2")
        if not isinstance(log.get("creator"), dict):
            notes.add("log.creator is not given")


def noted(entries: Iterable[Any], notes: Notes, *, har: bool) -> Iterator[Any]:
    """Hand the entries on as they are, noting those that readers of HARs stumble over."""
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            notes.add("has entries that are not objects", f"entry {index}")
        elif har:
            _note_har_entry(entry, index, notes)
        yield entry


def _note_har_entry(entry: dict[str, Any], index: int, notes: Notes) -> None:
    for side in ("request", "response"):
        part = entry.get(side)
        if not isinstance(part, dict):
            notes.add(f"has entries without a {side} object", f"entry {index}")
            continue
        for key in ("cookies", "headers"):
            if not isinstance(part.get(key, []), list):
                notes.add(f"has {key} that are not a list", f"entry {index}")


def _is_cassette(outline: dict[str, Any]) -> bool:
    return "http_interactions" in outline or ("interactions" in outline and "version" in outline)


def _is_protocol_message(entry: Any) -> bool:
    """A message of the DevTools protocol, or one as a WebDriver's performance log wraps it."""
    if not isinstance(entry, dict):
        return False
    method = entry.get("method")
    if isinstance(method, str) and "params" in entry:
        return _PROTOCOL_METHOD.fullmatch(method) is not None
    message = entry.get("message")
    if isinstance(message, dict):
        return _is_protocol_message(message)
    return isinstance(message, str) and message.startswith('{"message":{"method":"')
