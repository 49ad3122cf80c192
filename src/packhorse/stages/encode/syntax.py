"""The two wire formats that are written piece by piece: how lists, objects, keys and long texts look in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from packhorse.position import Path
from packhorse.stages.encode.plain import plain_json

#: Characters of a long text per call: at most 512 KiB of UTF-8 (768 KiB of ``\\u`` escapes, twice that beyond the BMP),
#: so that no encoder holds the interpreter for long over it.
TEXT_SLICE_CHARACTERS = 128 * 1024


class Syntax(Protocol):
    """A wire format, as far as taking values apart needs it.

    Attributes:
        counted: Lists and objects are headed by the number of their elements.
        separator: Between elements.
        close_list, close_object: After the last element.
    """

    counted: bool
    separator: bytes
    close_list: bytes
    close_object: bytes

    def open_list(self, count: int) -> bytes:
        """The head of a list."""
        ...

    def open_object(self, count: int) -> bytes:
        """The head of an object."""
        ...

    def key(self, key: Any, path: Path) -> bytes:
        """A key, with what stands between it and its value. Raises CaptureError."""
        ...

    def divides(self, mapping: dict[Any, Any]) -> bool:
        """True when all keys of an object have a form, so that it can be written key by key."""
        ...

    def text(self, text: str) -> Iterator[bytes]:
        """A long string in slices."""
        ...

    def odd(self, value: Any, path: Path) -> bytes:
        """A value that the library refused. Raises CaptureError when it has no form here either."""
        ...


class JsonSyntax:
    """JSON, with slices of long strings and the common case of keys through a fast library."""

    counted = False
    separator = b","
    close_list = b"]"
    close_object = b"}"

    def __init__(self, dumps: Callable[[Any], bytes]) -> None:
        self._dumps = dumps

    def open_list(self, _count: int) -> bytes:
        """``[``."""
        return b"["

    def open_object(self, _count: int) -> bytes:
        """``{``."""
        return b"{"

    def key(self, key: Any, path: Path) -> bytes:
        """The key and a colon; numbers, booleans and None as the standard library writes them."""
        if type(key) is str:
            try:
                return self._dumps(key) + b":"
            except (TypeError, ValueError):  # lone surrogates
                pass
        return plain_json({key: 0}, path)[1:-2]

    def divides(self, _mapping: dict[Any, Any]) -> bool:
        """Always: a key without a form is an error either way."""
        return True

    def text(self, text: str) -> Iterator[bytes]:
        """Each slice is a string by itself, without its quotes: an escape never spans two characters of a ``str``."""
        yield b'"'
        for start in range(0, len(text), TEXT_SLICE_CHARACTERS):
            part = text[start : start + TEXT_SLICE_CHARACTERS]
            try:
                yield self._dumps(part)[1:-1]
            except (TypeError, ValueError):  # lone surrogates
                yield plain_json(part)[1:-1]
        yield b'"'

    def odd(self, value: Any, path: Path) -> bytes:
        """By the standard library."""
        return plain_json(value, path)
