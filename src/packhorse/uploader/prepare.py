"""From what a caller submits to what an encoder takes: types told apart, sizes estimated, paths opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from packhorse.errors import CaptureError, CorruptObjectError
from packhorse.model import EntryStream, har_stream
from packhorse.units import MIB

#: Elements of a list that are looked at for an estimate, evenly spread. Estimating must cost microseconds: it happens
#: in the submitter's thread.
_SAMPLED = 12
_MAX_DEPTH = 8
#: What a streamed capture holds while it is encoded and sent: a few chunks and the parts of its multipart upload.
STREAM_HELD_BYTES = 24 * MIB


def estimate_bytes(capture: Any) -> int:
    """About how many bytes the capture's JSON text has, in microseconds rather than milliseconds.

    Lists are sampled at evenly spread places, so that a list whose few heavy entries are missed is underestimated.
    Captures that are read as they are encoded count as the buffers that the reading takes.
    """
    if isinstance(capture, (bytes, bytearray, memoryview)):
        return len(capture)
    if isinstance(capture, (EntryStream, str, os.PathLike, Iterator)):
        return STREAM_HELD_BYTES
    return _estimate(capture, _MAX_DEPTH)


def _estimate(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return len(value) + 2
    if depth == 0:
        return 16
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + _estimate(value[key], depth - 1) for key in list(value) if isinstance(key, str))
    if isinstance(value, (list, tuple)):
        return 2 + _estimate_list(value, depth - 1)
    return 6


def _estimate_list(values: Sequence[Any], depth: int) -> int:
    count = len(values)
    if count <= _SAMPLED:
        return sum(_estimate(value, depth) + 1 for value in values)
    step = count / _SAMPLED
    sampled = sum(_estimate(values[int(i * step)], depth) + 1 for i in range(_SAMPLED))
    return int(sampled * step)


def encodable(capture: Any) -> tuple[Any, Any]:
    """What the encoder takes, and what must be closed once it has been read (or None).

    Args:
        capture: A JSON-able object, JSON text as bytes, a path, an ``EntryStream`` or an iterator of HAR entries.

    Raises:
        CaptureError: The path cannot be read, the bytes are not JSON, or the type is none of these.
    """
    if isinstance(capture, (dict, list, tuple, EntryStream)):
        return capture, None
    if isinstance(capture, (bytes, bytearray, memoryview)):
        return _parsed(bytes(capture)), None
    if isinstance(capture, (str, os.PathLike)):
        from packhorse.captures.read import open_capture

        opened = open_capture(capture)
        return opened.stream, opened
    if isinstance(capture, Iterator):
        return har_stream(capture), None
    raise CaptureError(f"a {type(capture).__name__} is not a capture: give an object, bytes, a path or an iterator")


def _parsed(text: bytes) -> Any:
    from packhorse.wire import codec_for

    try:
        return codec_for(("json", "identity", "raw")).decode([text])
    except CorruptObjectError as error:
        raise CaptureError(f"not JSON text: {error}", source="submitted bytes") from None
