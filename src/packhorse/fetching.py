"""Reading a capture back: any pipeline is undone from the object's own metadata, streaming and bounded."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from packhorse import wire
from packhorse.checks import check
from packhorse.checksum import written
from packhorse.codec import Codec, Tally
from packhorse.errors import CorruptObjectError, InputError, UnavailableError
from packhorse.files import appearing
from packhorse.stages import registry
from packhorse.stages.base import Stage
from packhorse.stores import obstore_forks
from packhorse.stores.base import Endpoint, Store
from packhorse.stores.url import check_url, parse_s3_url
from packhorse.units import MIB

#: The most an object may expand to. The largest captures known are 100 MB; a bomb gets an error long before the disk
#: or the memory is full.
DEFAULT_MAX_BYTES = 4096 * MIB


def fetch(
    url: str,
    *,
    endpoint_url: str | None = None,
    endpoint: Endpoint | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Any:
    """Download one object and return the capture in it.

    Args:
        url: ``s3://bucket/key``.
        endpoint_url: S3 endpoint; None for the standard AWS chain.
        endpoint: Full endpoint with credentials, in place of ``endpoint_url``; its bucket is taken from ``url``.
        max_bytes: The most bytes the plain capture may have.

    Returns:
        The capture as plain objects, equal to what was submitted (after redaction).

    Raises:
        InputError: The URL is not ``s3://bucket/key``, ``endpoint_url`` is none, or ``max_bytes`` is no whole number
            above 0.
        StoreError: The object cannot be read (``kind`` says why).
        CorruptObjectError: Truncated, damaged, or not written by packhorse.
        ExpansionLimitError: It expands past ``max_bytes``.
    """
    check("max_bytes", max_bytes, "int")
    with _opened(url, endpoint_url, endpoint) as (codec, plain_source, _):
        return codec.encoder.decode(_verified(codec, plain_source, max_bytes))


def fetch_to_file(
    url: str,
    path: Path,
    *,
    endpoint_url: str | None = None,
    endpoint: Endpoint | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> int:
    """Download one object and write the capture as JSON text to ``path``, which appears whole or not at all.

    JSON objects are streamed and never whole in memory; the other wire formats are decoded first.

    Returns:
        The number of bytes written.

    Raises:
        As :func:`fetch`, and OSError when the file cannot be written.
    """
    check("max_bytes", max_bytes, "int")
    with _opened(url, endpoint_url, endpoint) as (codec, source, formats), appearing(path) as target:
        plain = _verified(codec, source, max_bytes)
        if formats[0] != "json":
            capture = codec.encoder.decode(plain)
            plain = wire.codec_for(("json", "identity", "raw")).encoder.encode(capture)
        return sum(target.write(chunk) for chunk in plain)


def reading_store(endpoint: Endpoint) -> Store:
    """The first installed synchronous client that works here. Raises UnavailableError when none is installed."""
    order = {"obstore": 2 if obstore_forks.lost() else 0, "boto3": 1}
    rows = [row for row in registry.candidates(Stage.STORE) if row.name in order]
    for row in sorted(rows, key=lambda row: order[row.name]):
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
            yield wire.codec_for(formats), (stored.chunks, dict(stored.info.metadata), url), formats
    finally:
        store.close()


def _verified(codec: Codec, source: _Source, max_bytes: int) -> Iterator[bytes]:
    """Plain chunks, checked at their end against what the metadata says of them: size, CRC-32, SHA-256."""
    chunks, metadata, url = source
    tally = Tally(digest=hashlib.sha256() if wire.META_PLAIN_SHA256 in metadata else None)
    yield from tally.watch(codec.plain(chunks, limit_bytes=max_bytes))
    expected = metadata.get(wire.META_PLAIN_BYTES, str(tally.plain_bytes))
    if expected != str(tally.plain_bytes):
        raise CorruptObjectError(f"{url}: {tally.plain_bytes} bytes came out where its metadata says {expected}")
    sums = ((wire.META_PLAIN_CRC32, written(tally.crc32)), (wire.META_PLAIN_SHA256, tally.hexdigest()))
    for name, found in sums:
        if metadata.get(name, found) != found:
            raise CorruptObjectError(f"{url}: its content does not match {name} in its metadata")
