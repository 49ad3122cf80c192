"""MessagePack of the whole capture, written piece by piece: any reader of the format decodes it as one object.

MessagePack heads lists with their length, so a stream of entries whose length is not known is encoded completely, one
entry at a time, before its head is written: the *encoded* entries wait in memory. Give the entries a ``__len__`` where
that matters.

What MessagePack cannot express (integers beyond 64 bits, lone surrogates) is written as extension type 74 (``J``) with
the value's JSON text. NaN, the infinities and keys that are numbers exist in MessagePack and are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from packhorse.errors import CaptureError, CorruptObjectError
from packhorse.position import Path
from packhorse.stages.encode.plain import classified, plain_json, show
from packhorse.stages.encode.read import parse_json
from packhorse.stages.encode.sinks import PartsSink, Run
from packhorse.stages.encode.split import Splitter
from packhorse.stages.encode.syntax import TEXT_SLICE_CHARACTERS

#: Application-specific extension type of packhorse: JSON text in UTF-8.
JSON_EXTENSION = ord("J")
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_TEXT_BYTES_MAX = 2**32 - 1

Dumps = Callable[[Any], bytes]
MakeExtension = Callable[[int, bytes], Any]


def _head(count: int, fixed: int, code16: int) -> bytes:
    """Head of a list or object (MessagePack specification, "array format family" and "map format family")."""
    if count < 16:
        return bytes((fixed | count,))
    return struct.pack(">BH", code16, count) if count < 2**16 else struct.pack(">BI", code16 + 1, count)


def read_extension(code: int, data: Any) -> Any:
    """Undo :data:`JSON_EXTENSION`. Raises CorruptObjectError for any other extension."""
    if code != JSON_EXTENSION:
        raise CorruptObjectError(f"msgpack: extension type {code} is not known")
    return parse_json(bytes(data), "msgpack")


class _Sink(PartsSink):
    """Strips a head of MessagePack where the base class strips brackets."""

    def many(self, run: Run, *, first: bool) -> None:
        """Encode elements as one list, without its head."""
        self.raw(self._dumps(run)[len(_head(len(run), 0x90, 0xDC)) :])

    def members(self, batch: dict[Any, Any]) -> None:
        """Encode an object, without its head."""
        self.raw(self._dumps(batch)[len(_head(len(batch), 0x80, 0xDE)) :])


class MsgpackSyntax:
    """Heads with counts; nothing between and after elements."""

    counted = True
    separator = close_list = close_object = b""

    def __init__(self, dumps: Dumps, extension: MakeExtension) -> None:
        self._dumps = dumps
        self._extension = extension

    def open_list(self, count: int) -> bytes:
        """An array's head."""
        return _head(count, 0x90, 0xDC)

    def open_object(self, count: int) -> bytes:
        """A map's head."""
        return _head(count, 0x80, 0xDE)

    def key(self, key: Any, path: Path) -> bytes:
        """A key. Raises CaptureError for one that no map of MessagePack can have."""
        try:
            return self._dumps(key)
        except Exception as error:
            raise CaptureError(
                f"a key ({type(key).__name__}) has no form in MessagePack", position=show(path)
            ) from error

    def divides(self, mapping: dict[Any, Any]) -> bool:
        """Not with lone surrogates in a key: such an object is written as its JSON text."""
        return all(_is_unicode(key) for key in mapping if isinstance(key, str))

    def text(self, text: str) -> Iterator[bytes]:
        """A long string: its length in UTF-8, then its slices."""
        try:
            size = sum(map(len, _slices(text)))
        except UnicodeEncodeError:
            yield self.odd(text, ())
            return
        if size > _TEXT_BYTES_MAX:
            raise CaptureError("a string has more than 4 GiB, the most that MessagePack can express")
        yield struct.pack(">BI", 0xDB, size)
        yield from _slices(text)

    def odd(self, value: Any, path: Path) -> bytes:
        """The value with its inexpressible leaves as extensions; failing that, all of it as one."""
        try:
            return self._dumps(self._expressed(value))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever a library calls it: the standard library decides
            encoded = plain_json(value, path)
        try:
            return self._dumps(self._extension(JSON_EXTENSION, encoded))
        except Exception as error:
            raise classified(error, path) from error

    def _expressed(self, value: Any) -> Any:
        if isinstance(value, dict):
            if not self.divides(value):
                return self._extension(JSON_EXTENSION, plain_json(value))
            return {key: self._expressed(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._expressed(item) for item in value]
        foreign = (isinstance(value, str) and not _is_unicode(value)) or (
            isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX
        )
        return self._extension(JSON_EXTENSION, plain_json(value)) if foreign else value


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _slices(text: str) -> Iterator[bytes]:
    for start in range(0, len(text), TEXT_SLICE_CHARACTERS):
        yield text[start : start + TEXT_SLICE_CHARACTERS].encode()


class MsgpackEncoder:
    """Writes MessagePack through a library.

    Args:
        dumps: Encodes one value.
        loads: Decodes one object, extensions through :func:`read_extension`.
        extension: Makes the library's extension object of a code and data.
        chunk: Bytes to gather before they are handed on.
    """

    def __init__(self, dumps: Dumps, loads: Callable[[bytes], Any], extension: MakeExtension, chunk: int) -> None:
        self._dumps = dumps
        self._loads = loads
        self._syntax = MsgpackSyntax(dumps, extension)
        self._chunk = chunk

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Yield the capture as MessagePack. Raises CaptureError."""
        return Splitter(_Sink(self._dumps), self._syntax, self._chunk).run(capture)

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Read one MessagePack object. Raises CorruptObjectError."""
        data = b"".join(chunks)
        try:
            return self._loads(data)
        except (MemoryError, CorruptObjectError):
            raise
        except Exception as error:  # noqa: BLE001 - the libraries' messages may quote keys: only the kind is told
            raise CorruptObjectError(f"msgpack: truncated or damaged ({type(error).__name__})") from None
