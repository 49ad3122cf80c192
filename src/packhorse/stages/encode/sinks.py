"""Where entry-by-entry encoders write: encoded values gathered until there is a chunk's worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

_COMMA = ord(",")
Batch = list[Any] | tuple[Any, ...] | dict[Any, Any]


class Sink(Protocol):
    """Gathers encoded values. A value that its library refuses raises, and leaves the sink as it was."""

    size: int

    def raw(self, data: bytes) -> None:
        """Add bytes that are encoded already."""
        ...

    def one(self, value: Any) -> None:
        """Encode and add one value."""
        ...

    def many(self, batch: Batch) -> None:
        """Encode a list or object in one call and add what is inside its brackets."""
        ...

    def many_more(self, batch: list[Any] | tuple[Any, ...]) -> None:
        """The same for further elements of a list, the separator before them included."""
        ...

    def take(self) -> bytes:
        """Hand over what was gathered and begin anew."""
        ...


class PartsSink:
    """Keeps the library's own ``bytes`` objects and joins them once per chunk."""

    def __init__(self, dumps: Callable[[Any], bytes]) -> None:
        self.size = 0
        self._dumps = dumps
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> None:
        """Add encoded bytes."""
        self._parts.append(data)
        self.size += len(data)

    def one(self, value: Any) -> None:
        """Encode one value."""
        data = self._dumps(value)
        self._parts.append(data)
        self.size += len(data)

    def many(self, batch: Batch) -> None:
        """Encode a batch, without the brackets of JSON."""
        self.raw(self._dumps(batch)[1:-1])

    def many_more(self, batch: list[Any] | tuple[Any, ...]) -> None:
        """Encode further elements behind one that is cut off up to its comma: that spares a copy of the rest."""
        self.raw(self._dumps([0, *batch])[2:-1])

    def take(self) -> bytes:
        """Join what was gathered."""
        parts = self._parts
        data = b"".join(parts) if len(parts) != 1 else parts[0]
        parts.clear()
        self.size = 0
        return data


class BufferSink:
    """Encodes into one ``bytearray``; a chunk is copied out of it once.

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

    def one(self, value: Any) -> None:
        """Encode one value in place."""
        self._encode_into(value, self._buffer, self.size)
        self.size = len(self._buffer)

    def many(self, batch: Batch) -> None:
        """Encode a batch in place: its opening bracket falls on the byte before, which is then put back."""
        at = self.size - 1
        before = self._buffer[at]
        try:
            self._encode_into(batch, self._buffer, at)
            self.size = len(self._buffer) - 1
        finally:
            self._buffer[at] = before

    def many_more(self, batch: list[Any] | tuple[Any, ...]) -> None:
        """Encode further elements: the opening bracket becomes the comma."""
        at = self.size
        self._encode_into(batch, self._buffer, at)
        self._buffer[at] = _COMMA
        self.size = len(self._buffer) - 1

    def take(self) -> bytes:
        """Copy what was gathered."""
        data = bytes(memoryview(self._buffer)[: self.size])
        self.size = 0
        return data
