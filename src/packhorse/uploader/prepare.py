"""From what a caller submits to what an encoder takes: types, estimated sizes, open files, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from packhorse.errors import CaptureError, CorruptObjectError
from packhorse.model import HAR_ENTRIES, EntryStream, har_stream
from packhorse.stores.base import DEFAULT_PART_BYTES
from packhorse.stores.multipart import PARTS_IN_FLIGHT
from packhorse.units import KIB, MIB
from packhorse.uploader.account import OUTLINE, WHOLE
from packhorse.uploader.first_use import first_use
from packhorse.uploader.weight import ENTRY_OUTLINE_BYTES, next_turn, weigh

#: Elements of each list of what is no HAR document that are looked at for an estimate, and containers in all.
_DRAWN, _MOST_OPENED = 16, 64
#: Entries of a HAR whose bodies are looked at. The rest of an entry (headers, timings) counts as the median entry of
#: browser exports without bodies.
MOST_ENTRIES = 48
#: What a streamed capture holds while it is encoded and sent: a few chunks and the parts of its multipart upload.
STREAM_HELD_BYTES = (PARTS_IN_FLIGHT + 1) * DEFAULT_PART_BYTES + 4 * MIB

#: Estimated JSON text up to which a capture is encoded in one go. The encoder holds the GIL meanwhile: the packaged
#: default's took 0.1 to 1.3 ms/MB on recorded captures, which makes 4 ms (docs/decisions/0004-engine.md).
SHORT_BYTES = 3 * MIB

#: What a capture holds beside its bytes until its fate is final: ticket, job, headers, strings, places in queues, what
#: the allocator adds. Measured as resident bytes per capture that are in no body, 20 B to 100 KB each: 1.5 to 1.7 KB,
#: and 2.1 KB with a callback on its ticket (CPython 3.11, glibc; ``python -m benches.studies.faults.overhead`` measures
#: it again without). In the ten minutes' black hole, while captures come and go, it becomes about 2.7 KB.
JOB_BYTES = 3 * KIB


def read_bytes(capture: Any) -> int | None:
    """What a capture weighs that is no object yet: exactly, or as the buffers that reading and sending it take."""
    if isinstance(capture, (dict, list)):  # most are; asking the abstract classes below takes longer
        return None
    if isinstance(capture, (bytes, bytearray, memoryview)):
        return len(capture)
    return STREAM_HELD_BYTES if isinstance(capture, (EntryStream, str, os.PathLike, Iterator)) else None


def estimate_bytes(capture: Any) -> int:
    """About how many bytes the capture's JSON text has, by whoever is to encode it.

    Bodies of HAR entries are counted, of very many entries a sample that begins elsewhere each time. One that cannot be
    looked at counts nothing: encoding it finds out why.
    """
    read = read_bytes(capture)
    if read is not None:
        return read
    try:
        return _looked_at_bytes(capture)
    except Exception:  # noqa: BLE001  # a type of the application's, or another thread that changes it meanwhile
        return 0


def _looked_at_bytes(capture: Any) -> int:
    entries = _har_entries(capture)
    if entries:
        step = max(1, len(entries) // MOST_ENTRIES)
        looked_at = entries[int(next_turn() * step) :: step]
        return int(sum(map(_entry_bytes, looked_at)) * len(entries) / len(looked_at))
    return _estimate(capture)


def _har_entries(capture: Any) -> list[Any] | None:
    log = capture.get("log") if isinstance(capture, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    return entries if isinstance(entries, list) else None


def _entry_bytes(entry: Any) -> int:
    """An entry's bodies, exactly, plus what the rest of an entry usually has."""
    try:
        size = ENTRY_OUTLINE_BYTES + len(entry["response"]["content"].get("text") or "")
        posted = entry["request"].get("postData")
        return size if posted is None else size + len(posted.get("text") or "")
    except (AttributeError, KeyError, TypeError):  # not a HAR entry after all
        return _estimate(entry)


def _estimate(value: Any) -> int:
    weight = weigh(value, drawn=_DRAWN, most=_MOST_OPENED)
    return int(weight.held_bytes - weight.beside_text_bytes)


def encodable(capture: Any) -> tuple[Any, Any]:
    """What the encoder takes, and what must be closed once it has been read (or None).

    Args:
        capture: A JSON-able object, JSON text as bytes, a path, an ``EntryStream`` or an iterator of HAR entries.

    Raises:
        CaptureError: The path cannot be read, the bytes are not JSON, or the type is none of these. While it is read:
            the iterator gave text.
    """
    if isinstance(capture, (dict, list, tuple, EntryStream)):
        return capture, None
    if isinstance(capture, (bytes, bytearray, memoryview)):
        return _parsed(bytes(capture)), None
    if isinstance(capture, (str, os.PathLike)):
        with first_use():
            from packhorse.captures.read import open_capture

        opened = open_capture(capture)
        return opened.stream, opened
    if hasattr(capture, "read"):
        raise CaptureError("an open file is not a capture: give its path, or what it holds as bytes")
    if isinstance(capture, Iterator):
        return har_stream(_entries(capture)), None
    raise CaptureError(f"a {type(capture).__name__} is not a capture: give an object, bytes, a path or an iterator")


def _entries(iterator: Iterator[Any]) -> Iterator[Any]:
    """Lines or pieces of a text are no entries: redaction could not see what belongs together in them."""
    for number, entry in enumerate(iterator):
        if isinstance(entry, (str, bytes, bytearray, memoryview)):
            raise CaptureError(
                f"an iterator gave text ({type(entry).__name__}) where entries are expected; of a file, give the path",
                position=f"$.log.entries[{number}]",
            )
        yield entry


def _parsed(text: bytes) -> Any:
    with first_use():
        from packhorse.wire import codec_for

        codec = codec_for(("json", "identity", "raw"))
    try:
        return codec.decode([text])
    except CorruptObjectError as error:
        raise CaptureError(f"not JSON text: {error}", source="submitted bytes") from None


# --- with less in it, for when there is no room for all ---------------------------------------------------------------
#
# Response bodies go first, then headers. What stays is the outline, every entry with its method, URL, status, sizes and
# times. Callers' objects stay as they are.

#: Metadata of a reduced object, and what it says by level.
META_DEGRADED = "packhorse-degraded"
SAYS = {1: "no response bodies", 2: "no bodies and headers"}


def degradable(capture: Any) -> bool:
    """Whether something can be left out. True unless it is an object, and no HAR document."""
    return _har_list(capture) is not None if isinstance(capture, (dict, list, tuple)) else True


def degraded(capture: Any, level: int) -> tuple[Any, bool]:
    """``capture`` reduced to ``level``, and whether that could be done.

    Args:
        capture: What an encoder takes.
        level: As :meth:`packhorse.uploader.account.Ladder.level`.
    """
    if level == WHOLE:
        return capture, False
    if isinstance(capture, EntryStream) and capture.path == HAR_ENTRIES:
        return replace(capture, entries=(_entry(entry, level) for entry in capture.entries)), True
    entries = _har_list(capture)
    if entries is None:
        return capture, False
    log = capture[HAR_ENTRIES[0]]
    reduced = [_entry(entry, level) for entry in entries]
    return {**capture, HAR_ENTRIES[0]: {**log, HAR_ENTRIES[1]: reduced}}, True


def _har_list(capture: Any) -> Any:
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
