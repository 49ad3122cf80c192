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
    """Keeps the library's own ``bytes`` objects and joins them once per chunk.

    Args:
        dumps: Encodes one value.
        separator: Between the elements of a list.
    """

    def __init__(self, dumps: Callable[[Any], bytes], separator: bytes = b",") -> None:
        self.size = 0
        self._dumps = dumps
        self._separator = separator
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> None:
        """Add encoded bytes."""
        self._parts.append(data)
        self.size += len(data)

    def one(self, value: Any, lead: bytes = b"") -> None:
        """Encode one value."""
        data = self._dumps(value)
        self._parts += (lead, data)
        self.size += len(data) + 1

    def many(self, run: Run, *, first: bool) -> None:
        """Encode elements in a loop that runs in C; nothing is copied before the chunk is joined."""
        encoded = list(map(self._dumps, run))
        parts = [self._separator] * (2 * len(encoded))
        parts[1::2] = encoded
        if first:
            parts[0] = b""
        self._parts += parts
        self.size += sum(map(len, encoded)) + len(encoded)

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
        """Encode elements in place, as one list: its opening bracket becomes the separator, the closing one goes."""
        at = self.size - 1 if first else self.size
        before = self._buffer[at] if first else _COMMA
        try:
            self._encode_into(run, self._buffer, at)
        finally:
            self._buffer[at : at + 1] = bytes((before,))
        self.size = len(self._buffer) - 1

    def members(self, batch: dict[Any, Any]) -> None:
        """Encode an object in place: its opening brace falls on the byte before, which is then put back."""
        at = self.size - 1
        before = self._buffer[at]
        try:
            self._encode_into(batch, self._buffer, at)
        finally:
            self._buffer[at] = before
        self.size = len(self._buffer) - 1

    def take(self) -> bytes:
        """Copy what was gathered."""
        data = bytes(memoryview(self._buffer)[: self.size])
        self.size = 0
        return data


_COMMA = ord(",")
