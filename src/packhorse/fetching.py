"""Reading a capture back: any pipeline is undone from the object's own metadata, streaming and bounded.

What an object expands to is limited in three ways, all checked before anything is put together: by its plain bytes, by
the ratio to what is stored, and by the memory that its values would take. So a hostile object costs its stored size and
:data:`KEPT_PLAIN_BYTES`, and the time until a limit is passed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packhorse import wire
from packhorse.checks import check
from packhorse.checksum import written
from packhorse.codec import Codec, Tally
from packhorse.errors import CorruptObjectError, ExpansionLimitError, InputError, UnavailableError
from packhorse.files import appearing
from packhorse.stages import registry
from packhorse.stages.base import Stage
from packhorse.stages.compress.streams import SELF_CHECKING
from packhorse.stores.base import Endpoint, Store
from packhorse.stores.url import check_url, parse_s3_url
from packhorse.units import MIB, format_bytes

_log = logging.getLogger("packhorse.fetching")

#: The most plain bytes of an object. The largest captures known have 100 MB.
DEFAULT_MAX_BYTES = 1024 * MIB
#: Any object may have so many plain bytes, whatever the ratio.
RATIO_FREE_BYTES = 128 * MIB
#: Plain bytes that are kept while the limits are checked. Larger objects are undone twice, first to check them.
KEPT_PLAIN_BYTES = 32 * MIB
#: CPython 3.11, 64 bit: an empty list with its slot in another one has 64 bytes, a dict likewise 72; a further value 8,
#: if it is a shared one as ``0`` or ``true``. Texts have at least their own length, and the joined text has it again.
_CONTAINER_BYTES, _VALUE_BYTES, _TEXT_COPIES = 72, 8, 2


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What reading an object may cost beside ``max_bytes``.

    Attributes:
        max_ratio: Plain bytes per stored byte, beyond 128 MiB that any object may have. Recorded captures expand 5 to
            60 times; a gzip bomb 1,000 times, one of zstd or brotli 10,000 times and more.
        max_memory_bytes: About the most memory that a capture may take as plain objects, by its brackets and commas.

    Raises:
        InputError: One of them is no whole number above 0.
    """

    max_ratio: int = 100
    max_memory_bytes: int = 1024 * MIB

    def __post_init__(self) -> None:
        check("max_ratio", self.max_ratio, "int")
        check("max_memory_bytes", self.max_memory_bytes, "int")


def fetch(
    url: str,
    *,
    endpoint_url: str | None = None,
    endpoint: Endpoint | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    limits: FetchLimits | None = None,
) -> Any:
    """Download one object and return the capture in it.

    Args:
        url: ``s3://bucket/key``.
        endpoint_url: S3 endpoint; None for the standard AWS chain.
        endpoint: Full endpoint with credentials, in place of ``endpoint_url``; its bucket is taken from ``url``.
        max_bytes: The most bytes the plain capture may have.
        limits: What else it may cost; None: the defaults of :class:`FetchLimits`.

    Returns:
        The capture as plain objects, equal to what was submitted (after redaction).

    Raises:
        InputError: The URL is not ``s3://bucket/key``, ``endpoint_url`` is none, or a limit is no whole number above 0.
        StoreError: The object cannot be read (``kind`` says why).
        CorruptObjectError: Truncated, damaged, or not written by packhorse.
        ExpansionLimitError: It expands past one of the limits. It was not put together.
    """
    allowed = _Allowed.checked(max_bytes, limits)
    with _opened(url, endpoint_url, endpoint) as (codec, source, _):
        return codec.encoder.decode(_checked(codec, source, allowed))


def fetch_to_file(
    url: str,
    path: Path,
    *,
    endpoint_url: str | None = None,
    endpoint: Endpoint | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    limits: FetchLimits | None = None,
) -> int:
    """Download one object and write the capture as JSON text to ``path``, which appears whole or not at all.

    JSON objects are streamed and never whole in memory, so that only ``max_bytes`` and the ratio limit them; the
    other wire formats are decoded first.

    Returns:
        The number of bytes written.

    Raises:
        As :func:`fetch`, and OSError when the file cannot be written.
    """
    allowed = _Allowed.checked(max_bytes, limits)
    with _opened(url, endpoint_url, endpoint) as (codec, source, formats), appearing(path) as target:
        plain = _verified(codec, source, allowed)
        if formats[0] != "json":
            capture = codec.encoder.decode(_checked(codec, source, allowed))
            plain = wire.codec_for(("json", "identity", "raw")).encoder.encode(capture)
        return sum(target.write(chunk) for chunk in plain)


def reading_store(endpoint: Endpoint) -> Store:
    """The first installed synchronous client. Raises UnavailableError when none is installed."""
    order = ("obstore", "boto3")
    rows = [row for row in registry.candidates(Stage.STORE) if row.name in order]
    for row in sorted(rows, key=lambda row: order.index(row.name)):
        if registry.availability(row).available:
            store: Store = registry.make(row, {}, endpoint=endpoint)
            return store
    raise UnavailableError("no S3 client is installed: pip install 'packhorse[store]'")


_Source = tuple[Iterator[bytes], dict[str, str], str]


@contextlib.contextmanager
def _opened(
    url: str, endpoint_url: str | None, endpoint: Endpoint | None
) -> Iterator[tuple[Codec, _Source, wire.Wire]]:
    bucket, key = parse_s3_url(url)
    if not key:
        raise InputError(f"{url!r} names a bucket, not an object: write s3://bucket/key")
    check_url("endpoint_url", endpoint_url)
    where = replace(endpoint, bucket=bucket) if endpoint else Endpoint(bucket, url=endpoint_url)
    store = reading_store(where)
    try:
        with store.open(key) as stored:
            formats = wire.read_wire(stored.info.metadata, url)
            sums = {wire.META_PLAIN_CRC32, wire.META_PLAIN_SHA256}
            if formats[1] not in SELF_CHECKING and sums.isdisjoint(stored.info.metadata):
                _log.warning(
                    "%s: nothing in this object would show damage: it has no checksum, nor has %s",
                    url,
                    formats[1],
                )
            yield wire.codec_for(formats), (stored.chunks, dict(stored.info.metadata), url), formats
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What an object may expand to, checked."""

    max_bytes: int
    more: FetchLimits

    @classmethod
    def checked(cls, max_bytes: int, limits: FetchLimits | None) -> _Allowed:
        check("max_bytes", max_bytes, "int")
        return cls(max_bytes, FetchLimits() if limits is None else limits)

    def check(self, plain_bytes: int, stored_bytes: int) -> None:
        """Raise ExpansionLimitError once a limit is passed; called before what passes it is kept."""
        if plain_bytes > self.max_bytes:
            raise ExpansionLimitError(
                f"the object expands past {format_bytes(self.max_bytes)}; raise max_bytes if it is known to be good"
            )
        if plain_bytes > max(RATIO_FREE_BYTES, self.more.max_ratio * stored_bytes):
            raise ExpansionLimitError(
                f"the object expands past {self.more.max_ratio} times its stored size; raise max_ratio of FetchLimits "
                "if it is known to be good"
            )

    def check_memory(self, memory_bytes: int) -> None:
        """Likewise, of what the capture takes as plain objects."""
        if memory_bytes > self.more.max_memory_bytes:
            raise ExpansionLimitError(
                f"the capture would take more than {format_bytes(self.more.max_memory_bytes)} of memory; use "
                "fetch_to_file, or raise max_memory_bytes of FetchLimits if it is known to be good"
            )


class _Counted:
    """Stored chunks on their way, counted."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            yield chunk


def _checked(codec: Codec, source: _Source, allowed: _Allowed) -> Iterator[bytes]:
    """Plain chunks to be put together: the first comes when the last has been undone and found good.

    Few plain bytes are kept meanwhile; of many the stored ones, which are undone again.
    """
    chunks, metadata, url = source
    stored: list[bytes] = []

    def kept() -> Iterator[bytes]:
        for chunk in chunks:
            stored.append(chunk)
            yield chunk

    plain: list[bytes] = []
    total = memory_bytes = 0
    for chunk in _verified(codec, (kept(), metadata, url), allowed):
        total += len(chunk)
        memory_bytes += _memory_bytes(chunk)
        allowed.check_memory(memory_bytes)
        if total <= KEPT_PLAIN_BYTES:
            plain.append(chunk)
        else:
            plain.clear()
    return iter(plain) if total <= KEPT_PLAIN_BYTES else codec.plain(stored)


def _memory_bytes(chunk: bytes) -> int:
    """About what the values in a piece of JSON take as plain objects."""
    containers = chunk.count(b"{") + chunk.count(b"[")
    return _TEXT_COPIES * len(chunk) + _CONTAINER_BYTES * containers + _VALUE_BYTES * chunk.count(b",")


def _verified(codec: Codec, source: _Source, allowed: _Allowed) -> Iterator[bytes]:
    """Plain chunks within the limits, checked at their end against what the metadata says: size, CRC-32, SHA-256."""
    chunks, metadata, url = source
    counted = _Counted(chunks)
    tally = Tally(digest=hashlib.sha256() if wire.META_PLAIN_SHA256 in metadata else None)
    for chunk in tally.watch(codec.plain(counted)):
        allowed.check(tally.plain_bytes, counted.bytes)
        yield chunk
    check_plain(tally, metadata, url)


def check_plain(tally: Tally, metadata: Mapping[str, str], url: str) -> None:
    """Compare what came out of an object with its metadata: size, CRC-32, SHA-256. Raises CorruptObjectError."""
    expected = metadata.get(wire.META_PLAIN_BYTES, str(tally.plain_bytes))
    if expected != str(tally.plain_bytes):
        raise CorruptObjectError(f"{url}: {tally.plain_bytes} bytes came out where its metadata says {expected}")
    sums = ((wire.META_PLAIN_CRC32, written(tally.crc32)), (wire.META_PLAIN_SHA256, tally.hexdigest()))
    for name, found in sums:
        if metadata.get(name, found) != found:
            raise CorruptObjectError(f"{url}: its content does not match {name} in its metadata")
