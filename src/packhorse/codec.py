"""Running a pipeline's CPU stages over one capture: forwards as a stream with bounded memory, and backwards.

One codec serves one thread. Encoding and compression overlap in two threads once a capture has shown itself to be
large; for small ones a second thread costs more than it brings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhorse.checksum import crc32
from packhorse.errors import ExpansionLimitError
from packhorse.model import EntryStream
from packhorse.overlap import ahead
from packhorse.stages.base import CompressesAtOnce, Encoder, InOneCall, Transform
from packhorse.stages.encode.runs import as_entries, scrubbed_runs
from packhorse.stages.encode.texts import gathered
from packhorse.units import MIB, format_bytes

if TYPE_CHECKING:
    from hashlib import _Hash

#: Encoded bytes after which the encoder moves to a thread of its own (docs/decisions/0003-overlap.md).
OVERLAP_AFTER_BYTES = 4 * MIB
#: Chunks the encoder may be ahead of the compressor: with 64 KiB chunks, at most 512 KiB wait.
OVERLAP_CHUNKS = 8


@dataclass(slots=True, eq=False)
class Tally:
    """What went into the compressor: the plain encoded capture's size, its CRC-32 and, if wanted, its SHA-256."""

    plain_bytes: int = 0
    crc32: int = 0
    digest: _Hash | None = None
    frozen: str = ""

    def add(self, chunk: bytes, crc: int | None = None) -> None:
        """Count ``chunk``, which comes next. ``crc``: its CRC-32, where it is known and this is all that comes."""
        self.plain_bytes += len(chunk)
        self.crc32 = crc32(chunk, self.crc32) if crc is None else crc
        if self.digest is not None:
            self.digest.update(chunk)

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass ``chunks`` on, each counted."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def hexdigest(self) -> str:
        """Hex SHA-256 of what has passed so far; empty when none was wanted."""
        return self.digest.hexdigest() if self.digest is not None else self.frozen

    def freeze(self) -> str:
        """As :meth:`hexdigest`, at the end: lets go of the hash's state, which weighs more than what it says."""
        self.frozen, self.digest = self.hexdigest(), None
        return self.frozen


@dataclass(slots=True)
class Codec:
    """The three CPU stages of a pipeline, made once and used for many captures in one thread."""

    encoder: Encoder
    compressor: Transform
    base64: Transform

    def encode(self, capture: Any, *, tally: Tally | None = None, overlap: bool = True) -> Iterator[bytes]:
        """Yield the capture's stored form in chunks.

        Args:
            capture: Any JSON-able object or an ``EntryStream``.
            tally: Filled while the stream is read; complete at its end.
            overlap: Let a large capture be encoded in a second thread. That thread ends with the stream, also when the
                stream is closed early.

        Raises:
            CaptureError: The capture cannot be expressed in the wire format.
        """
        return self.compressed(self.encoder.encode(capture), tally=tally, overlap=overlap)

    def compressed(
        self, plain: Iterator[bytes], *, tally: Tally | None = None, overlap: bool = True, gather_bytes: int = 1
    ) -> Iterator[bytes]:
        """As :meth:`encode`, of a capture whose encoded form comes from elsewhere.

        Args:
            plain: The encoded capture.
            tally: As :meth:`encode`.
            overlap: As :meth:`encode`.
            gather_bytes: Chunks are joined to so many bytes at least before they are handed on: each hand-over, to a
                thread, a hash or a compressor, gives up the GIL and has to wait for it behind others.
        """
        if gather_bytes > 1:
            plain = gathered(plain, gather_bytes)
        if overlap:
            plain = ahead(plain, after_bytes=OVERLAP_AFTER_BYTES, depth=OVERLAP_CHUNKS)
        watched = plain if tally is None else tally.watch(plain)
        try:
            yield from self.base64.forward(self.compressor.forward(watched))
        finally:
            close = getattr(plain, "close", None)
            if close is not None:
                close()

    def encode_whole(self, capture: Any, *, tally: Tally, scrub: Callable[[bytes], bytes] | None = None) -> bytes:
        """The stored form of a small capture, made in as few calls as the stages allow.

        Args:
            capture: Any JSON-able object. Its encoding may hold the interpreter all the while.
            tally: Filled.
            scrub: What is done to the encoded capture before anything else sees it.

        Raises:
            CaptureError: The capture cannot be expressed in the wire format.
        """
        plain = self.plain_whole(capture)
        if scrub is not None:
            plain = scrub(plain)
        if isinstance(self.compressor, CompressesAtOnce):
            packed, crc = self.compressor.whole(plain)
            tally.add(plain, crc)
            return b"".join(self.base64.forward((packed,)))
        tally.add(plain)
        return b"".join(self.base64.forward(self.compressor.forward((plain,))))

    def scrubbed(self, capture: Any, scrub: Callable[[bytes], bytes]) -> Iterator[bytes] | None:
        """The encoded JSON of a large capture in runs of whole elements, each passed through ``scrub``.

        None when the capture is not large by one long list: then it has no such runs.
        """
        entries = capture if isinstance(capture, EntryStream) else as_entries(capture)
        return None if entries is None else scrubbed_runs(self.plain_whole, scrub, entries)

    def plain_whole(self, capture: Any) -> bytes:
        """The encoded capture, not compressed, in one call where the encoder offers that. Raises CaptureError."""
        if isinstance(self.encoder, InOneCall):
            return self.encoder.whole(capture)
        return b"".join(self.encoder.encode(capture))

    def plain(self, chunks: Iterable[bytes], *, limit_bytes: int | None = None) -> Iterator[bytes]:
        """Undo base64 and compression, yielding the plain encoded capture.

        Raises:
            ExpansionLimitError: More than ``limit_bytes`` would come out. At most one chunk beyond it was made.
            CorruptObjectError: The bytes are damaged.
        """
        decoded = self.compressor.backward(self.base64.backward(chunks))
        return decoded if limit_bytes is None else limited(decoded, limit_bytes)

    def decode(self, chunks: Iterable[bytes], *, limit_bytes: int | None = None) -> Any:
        """Undo :meth:`encode`. Raises as :meth:`plain`, and CorruptObjectError for what is not the wire format."""
        return self.encoder.decode(self.plain(chunks, limit_bytes=limit_bytes))


def limited(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    """Pass ``chunks`` on until they exceed ``limit_bytes``, then raise ExpansionLimitError."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit_bytes:
            raise ExpansionLimitError(
                f"the object expands past {format_bytes(limit_bytes)}; raise the limit if it is known to be good"
            )
        yield chunk
