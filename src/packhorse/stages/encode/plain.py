"""The standard library's word on values that fast encoders refuse, and errors in packhorse's terms."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from packhorse import position
from packhorse.errors import CaptureError, PackhorseError
from packhorse.model import EntryStream
from packhorse.position import Path
from packhorse.stages.base import InOneCall

T = TypeVar("T")

_COMPACT = (",", ":")
_ENCODER = json.JSONEncoder(allow_nan=False, separators=_COMPACT)
#: Messages of the standard library that name a type and nothing else.
_NAMES_A_TYPE = re.compile(r"Object of type (?P<type>\S+) is not JSON serializable|keys must be str.* not \S+")
_UNKNOWN = "it is nested too deeply, or contains itself"


def refuses_nan(error: Exception) -> bool:
    """True for what the standard library raises on NaN and infinities when told to."""
    return isinstance(error, ValueError) and str(error).startswith("Out of range float")


def nulled(value: Any) -> Any:
    """A copy of ``value`` with None in place of NaN and the infinities."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: nulled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nulled(item) for item in value]
    return value


def show(path: Path) -> str | None:
    """A path for a message, or None at the root."""
    return position.show(path) if path else None


def classified(error: Exception, path: Path = (), value: Any = None) -> PackhorseError:
    """What ``error``, raised while a capture was encoded, means to its owner. No content of the capture is shown.

    Args:
        error: As a library raised it.
        path: Where in the capture ``value`` is, or what could not be had.
        value: What was being encoded; it is searched for the culprit.
    """
    if isinstance(error, PackhorseError):
        return error
    text, found = str(error), None
    if isinstance(error, RecursionError) or (isinstance(error, ValueError) and "ircular reference" in text):
        return endless(value, path)
    if isinstance(error, ValueError) and "integer string conversion" in text:
        reason = "an integer has more digits than Python converts (sys.set_int_max_str_digits)"
        found = position.find(value, position.raising)
    elif isinstance(error, RuntimeError) and "during iteration" in text:
        reason = "it was changed while it was being encoded"
    elif isinstance(error, TypeError) and (named := _NAMES_A_TYPE.fullmatch(text)):
        reason = text
        found = position.find(value, lambda item: _refused(item, named["type"]))
    else:
        reason = f"{type(error).__name__} was raised while it was being read"
        found = position.find(value, position.raising)
    return CaptureError(reason, position=show(path) if found is None else position.show((*path, *found)))


def read_entries(entries: Iterable[Any], at: Path) -> Iterator[Any]:
    """The entries, any error of their source as a CaptureError that says which entry could not be had."""
    index = 0
    try:
        for entry in entries:
            yield entry
            index += 1
    except MemoryError:
        raise
    except Exception as error:
        raise classified(error, (*at, index)) from error


class EndlessError(CaptureError):
    """A part of a capture is nested too deeply, or contains itself. Whoever has the whole can say better where."""


def endless(value: Any, path: Path) -> EndlessError:
    """What is said of ``value``, which is at ``path``, when an encoder came to no end with it."""
    found, depth = position.find_loop(value) or ((), 0)
    too_deep = f"it is nested too deeply ({depth} levels)" if depth else _UNKNOWN
    reason = "it contains itself" if depth is None else too_deep
    return EndlessError(reason, position=show((*path, *found)))


def _refused(value: Any, kind: str | None) -> bool:
    """True for what the standard library refuses: a value of that type or, without one, an object with odd keys."""
    if kind is not None:
        return type(value).__name__ == kind
    return isinstance(value, dict) and not all(key is None or isinstance(key, (str, int, float)) for key in value)


def plain_json(value: Any, path: Path = ()) -> bytes:
    """Compact ASCII JSON by the standard library: slow, and the reference for every odd value.

    Raises:
        CaptureError: ``value`` has no JSON form. ``path`` says where it is.
    """
    try:
        try:
            return _ENCODER.encode(value).encode("ascii")
        except ValueError as error:
            if not refuses_nan(error):
                raise
            return _ENCODER.encode(nulled(value)).encode("ascii")
    except MemoryError:
        raise
    except Exception as error:
        raise classified(error, path, value) from error


def whole(capture: Any) -> Any:
    """``capture`` as one plain object.

    Raises:
        CaptureError: The entries of an ``EntryStream`` could not be read, or its path is not in its outline.
    """
    if not isinstance(capture, EntryStream):
        return capture
    path: Path = ()

    def noted() -> Iterator[Any]:
        nonlocal path
        path = (*capture.path, 0)
        for index, entry in enumerate(capture.entries, 1):
            yield entry
            path = (*capture.path, index)

    try:
        return EntryStream(capture.outline, capture.path, noted()).materialize()
    except MemoryError:
        raise
    except Exception as error:
        raise classified(error, path) from error


class WholeEncoder(InOneCall):
    """Encodes a capture in one call of a library, which holds the interpreter for as long as that takes.

    The result is handed on as it is when it fits ``chunk``, otherwise in slices of that size, each of which is a copy.
    What the library refuses is encoded by the standard library, whole.
    """

    def __init__(self, dumps: Callable[[Any], bytes], chunk: int) -> None:
        self._dumps = dumps
        self._chunk = chunk

    def encode(self, capture: Any) -> Any:
        """Yield the encoded capture. Raises CaptureError."""
        encoded = self.whole(capture)
        size = self._chunk
        if len(encoded) <= size:
            yield encoded
        else:
            for start in range(0, len(encoded), size):
                yield encoded[start : start + size]

    def whole(self, capture: Any) -> bytes:
        """The encoded capture in one piece. Raises CaptureError."""
        value = whole(capture)
        try:
            return self._dumps(value)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever a library calls it: the standard library decides
            return plain_json(value)

    def decode(self, chunks: Any) -> Any:
        """Read JSON. Raises CorruptObjectError."""
        from packhorse.stages.encode.read import read_json

        return read_json(chunks)
