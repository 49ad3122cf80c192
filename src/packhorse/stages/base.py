"""The protocols that every candidate of a stage fulfils, and how a candidate is described.

A stage turns chunks into chunks. Every chunk handed on is an immutable ``bytes`` object that belongs to its receiver,
so that two stages can run in two threads. Stage objects keep contexts for reuse and are not thread-safe: make one per
thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from packhorse.units import KIB

#: Size in bytes that streaming encoders gather before they hand a chunk on. Many tiny chunks cost far more in the
#: compressor than in the encoder (docs/decisions/0002-chunks.md).
DEFAULT_CHUNK_BYTES = 64 * KIB
#: The most one decoding step may hand on at once, so that a decompression bomb is met in small steps.
MAX_DECODED_CHUNK_BYTES = 256 * KIB

SettingValue = int | str | bool


class Stage(StrEnum):
    """The four stages of a pipeline, in the data's order."""

    ENCODE = "encode"
    COMPRESS = "compress"
    BASE64 = "base64"
    STORE = "store"


class Encoder(Protocol):
    """Capture to bytes and back. Made by ``make(**settings)`` of the candidate's module."""

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Yield the encoded capture in chunks.

        Args:
            capture: Any JSON-able object or a :class:`packhorse.model.EntryStream`.

        Raises:
            CaptureError: The object cannot be expressed in the wire format. Chunks already yielded are not valid alone.
        """
        ...

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Read back what any encoder of the same wire format wrote.

        Raises:
            CorruptObjectError: The bytes are truncated or not this wire format.
        """
        ...


class InOneCall:
    """An encoder that can also write a capture in one call of its library, which holds the interpreter meanwhile."""

    def whole(self, capture: Any) -> bytes:
        """The encoded capture. For small ones. Raises CaptureError."""
        raise NotImplementedError


class Transform(Protocol):
    """Bytes to bytes and back: compressors and base64."""

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the transformed chunks; chunk boundaries carry no meaning and empty chunks are never yielded."""
        ...

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo :meth:`forward` of any candidate with the same wire format.

        Yields chunks of at most :data:`MAX_DECODED_CHUNK_BYTES` where the library can be bounded (all listed ones can,
        or are bounded by their format), without reading more input than needed for the next chunk.

        Raises:
            CorruptObjectError: The input is truncated, damaged, or has bytes after its end.
        """
        ...


class CompressesAtOnce:
    """A compressor that can also take a whole capture in one call, which lets go of the interpreter once only."""

    def whole(self, plain: bytes) -> tuple[bytes, int | None]:
        """The compressed capture, and the CRC-32 of the plain one where the format holds it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a candidate: what may be written after ``name:`` in a pipeline.

    Attributes:
        name: The key in ``name:key=value``.
        default: Value used when it is not written. Its type is the setting's type.
        kind: ``int``; ``bytes`` (an int that is written with a unit, ``256KiB``); ``choice``; ``bool``.
        low, high: Inclusive bounds of an int or bytes setting.
        choices: Allowed texts of a choice.
        positional: May be written without its key, first (``zlib:6``). At most one per candidate.
        about: One line for ``packhorse candidates``.
    """

    name: str
    default: SettingValue
    kind: Literal["int", "bytes", "choice", "bool"] = "int"
    low: int = 0
    high: int = 2**31
    choices: tuple[str, ...] = ()
    positional: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registry row: one implementation of one stage.

    Attributes:
        name: As written in a pipeline; unique within its stage.
        stage: Where in a pipeline it may stand.
        module: Dotted module with ``make(**settings)`` and ``core_version()``; imported only when it is used.
        wire: Format of what it writes, for the stages whose output can be read back by others: ``json``, ``ndjson``,
            ``msgpack``; ``identity``, ``zlib``, ``gzip``, ``zstd``, ``br``, ``lz4``, ``snappy``, ``bzip2``, ``xz``;
            ``raw``, ``base64``. Empty for stores.
        dists: PyPI distributions it needs, in order of importance; empty for the standard library.
        extra: The extra of packhorse that installs them.
        streaming: True when memory beyond the capture itself stays bounded whatever the capture's size.
        settings: What can be set.
        about: One line: what it is and why it is here.
        asynchronous: For stores: True when ``make`` returns an ``AsyncStore``.
    """

    name: str
    stage: Stage
    module: str
    about: str
    wire: str = ""
    dists: tuple[str, ...] = ()
    extra: str = ""
    streaming: bool = True
    settings: tuple[Setting, ...] = ()
    asynchronous: bool = False
