"""The standard library's word on values that fast encoders refuse, and errors in packhorse's terms."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from packhorse.errors import CaptureError, PackhorseError
from packhorse.model import materialized

#: One step of the way to a value: a key of an object or an index of a list.
Path = tuple[str | int, ...]
T = TypeVar("T")

_COMPACT = (",", ":")
_ENCODER = json.JSONEncoder(allow_nan=False, separators=_COMPACT)
#: Messages of the standard library that name a type and nothing else.
_NAMES_A_TYPE = re.compile(r"Object of type \S+ is not JSON serializable|keys must be str.* not \S+")
_SHOWN_KEY_CHARACTERS = 40


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


def show(path: Sequence[str | int]) -> str | None:
    """A path in words (``log.entries[7]``), or None at the root. Long keys are cut."""
    steps = "".join(f"[{s}]" if isinstance(s, int) else f".{s[:_SHOWN_KEY_CHARACTERS]}" for s in path)
    return steps.lstrip(".").encode("ascii", "replace").decode() or None


def classified(error: Exception, path: Path = ()) -> PackhorseError:
    """What ``error``, raised while a capture was encoded, means to its owner. No content of the capture is shown."""
    if isinstance(error, PackhorseError):
        return error
    text = str(error)
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply, or contains itself"
    elif isinstance(error, ValueError) and "ircular reference" in text:
        reason = "it contains itself (a circular reference)"
    elif isinstance(error, ValueError) and "integer string conversion" in text:
        reason = "an integer has more digits than Python converts (sys.set_int_max_str_digits)"
    elif isinstance(error, RuntimeError) and "during iteration" in text:
        reason = "it was changed while it was being encoded"
    elif isinstance(error, TypeError) and _NAMES_A_TYPE.fullmatch(text):
        reason = text
    else:
        reason = f"{type(error).__name__} was raised while it was being read"
    return CaptureError(reason, position=show(path))


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
        raise classified(error, path) from error


def whole(capture: Any) -> Any:
    """``capture`` as one plain object.

    Raises:
        CaptureError: The entries of an ``EntryStream`` could not be read, or its path is not in its outline.
    """
    try:
        return materialized(capture)
    except MemoryError:
        raise
    except Exception as error:
        raise classified(error) from error


class WholeEncoder:
    """Encodes a capture in one call of a library, which holds the interpreter for as long as that takes.

    The result is handed on as it is when it fits ``chunk``, otherwise in slices of that size, each of which is a copy.
    What the library refuses is encoded by the standard library, whole.
    """

    def __init__(self, dumps: Callable[[Any], bytes], chunk: int) -> None:
        self._dumps = dumps
        self._chunk = chunk

    def encode(self, capture: Any) -> Any:
        """Yield the encoded capture. Raises CaptureError."""
        value = whole(capture)
        try:
            encoded = self._dumps(value)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever a library calls it: the standard library decides
            encoded = plain_json(value)
        size = self._chunk
        if len(encoded) <= size:
            yield encoded
        else:
            for start in range(0, len(encoded), size):
                yield encoded[start : start + size]

    def decode(self, chunks: Any) -> Any:
        """Read JSON. Raises CorruptObjectError."""
        from packhorse.stages.encode.read import read_json

        return read_json(chunks)
