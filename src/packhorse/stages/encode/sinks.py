"""Where entry-by-entry encoders write: encoded values gathered until there is a chunk's worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Run = list[Any] | tuple[Any, ...]


class Sink(Protocol):
    """Gathers encoded values. A value that its library refuses raises, and leaves the sink as it was.

    Attributes:
        size: Bytes gathered, give or take one per value.
    """

    size: int

    def raw(self, data: bytes) -> None:
        """Add bytes that are encoded already."""
        ...

    def one(self, value: Any, lead: bytes = b"") -> None:
        """Encode one value and add ``lead`` and it."""
        ...

    def many(self, run: Run, *, first: bool) -> None:
        """Encode elements of a list and add them with separators, one before them unless they are the ``first``."""
        ...

    def members(self, batch: dict[Any, Any]) -> None:
        """Encode an object and add what is inside its brackets."""
        ...

    def take(self) -> bytes:
        """Hand over what was gathered and begin anew."""
        ...


class PartsSink:
    """Keeps a library's JSON as the ``bytes`` objects that it returns, and joins them once per chunk."""

    def __init__(self, dumps: Callable[[Any], bytes]) -> None:
        self.size = 0
        self._dumps = dumps
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> None:
        """Add encoded bytes."""
        self._parts.append(data)
        self.size += len(data)

    def one(self, value: Any, lead: bytes = b"") -> None:
        """Encode one value."""
        data = self._dumps(value)
        if lead:
            self._parts.append(lead)
        self._parts.append(data)
        self.size += len(data) + 1

    def many(self, run: Run, *, first: bool) -> None:
        """Encode elements as one list, without its brackets; behind a first one that is cut off up to its comma."""
        self.raw(self._dumps(run)[1:-1] if first else self._dumps([0, *run])[2:-1])

    def members(self, batch: dict[Any, Any]) -> None:
        """Encode an object, without its brackets."""
        self.raw(self._dumps(batch)[1:-1])

    def take(self) -> bytes:
        """Join what was gathered."""
        parts = self._parts
        data = b"".join(parts) if len(parts) != 1 else parts[0]
        parts.clear()
        self.size = 0
        return data


class BufferSink:
    """Encodes JSON into one ``bytearray``; a chunk is copied out of it once.

    Args:
        encode_into: ``(value, buffer, offset)``: writes at ``offset`` and cuts the buffer behind what it wrote.
    """

    def __init__(self, encode_into: Callable[[Any, bytearray, int], None]) -> None:
        self.size = 0
        self._encode_into = encode_into
        self._buffer = bytearray()

    def raw(self, data: bytes) -> None:
        """Add encoded bytes."""
        end = self.size + len(data)
        self._buffer[self.size : end] = data
        self.size = end

    def one(self, value: Any, lead: bytes = b"") -> None:
        """Encode one value in place."""
        at = self.size + len(lead)
        self._buffer[self.size : at] = lead
        self._encode_into(value, self._buffer, at)
        self.size = len(self._buffer)

    def many(self, run: Run, *, first: bool) -> None:
        """Encode elements in place, as one list without its brackets; the opening one becomes the separator."""
        if first:
            self._inside(run)
            return
        at = self.size
        self._encode_into(run, self._buffer, at)
        self._buffer[at] = _COMMA
        self.size = len(self._buffer) - 1

    def members(self, batch: dict[Any, Any]) -> None:
        """Encode an object in place, without its braces."""
        self._inside(batch)

    def _inside(self, container: Run | dict[Any, Any]) -> None:
        """Encode so that the opening bracket falls on the byte before, which is then put back."""
        if not self.size:
            self._encode_into(container, self._buffer, 0)
            del self._buffer[0]
        else:
            at = self.size - 1
            before = self._buffer[at]
            try:
                self._encode_into(container, self._buffer, at)
            finally:
                self._buffer[at] = before
        self.size = len(self._buffer) - 1

    def take(self) -> bytes:
        """Copy what was gathered."""
        data = bytes(memoryview(self._buffer)[: self.size])
        self.size = 0
        return data


_COMMA = ord(",")
