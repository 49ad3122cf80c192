"""How an object says, in its own headers, what it is: written by the uploader, read back by ``fetch``.

The format version and the three wire formats stand in the user metadata, so that any pipeline can be undone by whatever
libraries the reader has. ``Content-Type`` and ``Content-Encoding`` say the same to standard HTTP tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packhorse.checksum import written
from packhorse.codec import Codec
from packhorse.errors import CorruptObjectError, InputError, UnavailableError
from packhorse.pipeline import Pipeline
from packhorse.stages import registry
from packhorse.stages.base import Stage
from packhorse.stores.base import ObjectInfo
from packhorse.stores.url import CheckedMetadata, check_metadata

#: Version of the layout of metadata and bodies. A reader refuses versions it does not know.
FORMAT_VERSION = "1"

META_VERSION = "packhorse-format"
META_WIRE = "packhorse-wire"
META_PIPELINE = "packhorse-pipeline"
META_PROFILE = "packhorse-profile"
META_PLAIN_BYTES = "packhorse-plain-bytes"
META_PLAIN_CRC32 = "packhorse-plain-crc32"
META_PLAIN_SHA256 = "packhorse-plain-sha256"

#: What differs from object to object, as long as it can be.
_LONGEST = {META_PLAIN_BYTES: "9" * 20, META_PLAIN_CRC32: "f" * 8, META_PLAIN_SHA256: "f" * 64}

_CONTENT_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "msgpack": "application/msgpack"}
#: The content codings that HTTP clients undo (IANA's registry). Others are told by the key's ending and the metadata: a
#: client that is told of a coding it does not know gives up, or shows bytes.
_CONTENT_CODINGS = {"zlib": "deflate", "gzip": "gzip", "zstd": "zstd", "br": "br"}
#: What an object is to HTTP whose compression that does not know.
_COMPRESSED_TYPES = {"lz4": "application/x-lz4", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_SUFFIXES = {
    "json": ".json",
    "ndjson": ".ndjson",
    "msgpack": ".msgpack",
    "zlib": ".zz",
    "gzip": ".gz",
    "zstd": ".zst",
    "br": ".br",
    "lz4": ".lz4",
    "snappy": ".sz",
    "bzip2": ".bz2",
    "xz": ".xz",
    "base64": ".b64",
}

Wire = tuple[str, str, str]


def suffix(wire: Wire) -> str:
    """File name suffix of an object with these wire formats (``.json.zst``, ``.json.zz.b64``)."""
    return "".join(_SUFFIXES.get(part, "") for part in wire)


def describe(
    pipeline: Pipeline,
    profile: str,
    *,
    plain_bytes: int | None = None,
    crc32: int | None = None,
    sha256: str | None = None,
) -> ObjectInfo:
    """Headers for an object that ``pipeline`` wrote.

    Args:
        pipeline: What wrote it. Its store stage is not mentioned in the object.
        profile: Name of the profile it came from.
        plain_bytes: Size of the encoded capture before compression; None while it is still being encoded.
        crc32: CRC-32 of those bytes; None likewise.
        sha256: Their SHA-256 in hex; None when it was not asked for, and likewise.
    """
    return Headers(pipeline, profile).of(plain_bytes=plain_bytes, crc32=crc32, sha256=sha256)


def _content(encoding: str, compression: str) -> tuple[str, str | None]:
    """``Content-Type`` and ``Content-Encoding``."""
    if compression in ("identity", *_CONTENT_CODINGS):
        return _CONTENT_TYPES[encoding], _CONTENT_CODINGS.get(compression)
    return _COMPRESSED_TYPES.get(compression, "application/octet-stream"), None


class Headers:
    """The headers of all objects of a pipeline and a profile: what is the same in each is made once."""

    def __init__(self, pipeline: Pipeline, profile: str) -> None:
        encoding, compression, text = pipeline.wire
        self._metadata = {
            META_VERSION: FORMAT_VERSION,
            META_WIRE: " ".join(pipeline.wire),
            META_PIPELINE: str(pipeline.cpu),
            META_PROFILE: profile,
        }
        try:
            check_metadata({**self._metadata, **_LONGEST})
            self._checked: type[dict[str, str]] = CheckedMetadata
        except InputError:  # a profile's name: the store says so, of each capture
            self._checked = dict
        if text == "base64":  # no HTTP client undoes base64, so the object is plain text to them
            self._content: tuple[str, str | None] = ("text/plain; charset=us-ascii", None)
        else:
            self._content = _content(encoding, compression)

    def of(self, *, plain_bytes: int | None, crc32: int | None, sha256: str | None) -> ObjectInfo:
        """As :func:`describe`."""
        metadata = self._checked(self._metadata)
        if plain_bytes is not None:
            metadata[META_PLAIN_BYTES] = str(plain_bytes)
        if crc32 is not None:
            metadata[META_PLAIN_CRC32] = written(crc32)
        if sha256 is not None:
            metadata[META_PLAIN_SHA256] = sha256
        return ObjectInfo(*self._content, metadata)


def read_wire(metadata: Mapping[str, str], key: str) -> Wire:
    """The wire formats that an object's metadata names.

    Raises:
        CorruptObjectError: It was not written by packhorse, or by a version that this one does not know.
    """
    version = metadata.get(META_VERSION)
    if version is None:
        raise CorruptObjectError(f"{key}: no {META_VERSION!r} metadata: this object was not written by packhorse")
    if version != FORMAT_VERSION:
        raise CorruptObjectError(f"{key}: format version {version!r} is not known here; upgrade packhorse")
    parts = metadata.get(META_WIRE, "").split()
    if len(parts) != 3:
        raise CorruptObjectError(f"{key}: {META_WIRE!r} metadata does not name three wire formats")
    return (parts[0], parts[1], parts[2])


def codec_for(wire: Wire) -> Codec:
    """A codec that undoes ``wire``, made of the first candidates of those formats whose libraries are installed.

    Raises:
        CorruptObjectError: No candidate has ever had such a wire format.
        UnavailableError: None of those that have it is installed; the message names what to install.
    """
    encoder, compressor, base64 = (
        _reader(stage, name) for stage, name in zip((Stage.ENCODE, Stage.COMPRESS, Stage.BASE64), wire, strict=True)
    )
    return Codec(encoder, compressor, base64)


def _reader(stage: Stage, wire: str) -> Any:
    rows = [row for row in registry.candidates(stage) if row.wire == wire]
    if not rows:
        raise CorruptObjectError(f"unknown {stage} wire format {wire!r}")
    reasons = []
    for row in rows:
        state = registry.availability(row)
        if state.available:
            return registry.make(row, {})
        reasons.append(f"{row.name}: {state.reason}")
    raise UnavailableError(f"nothing here reads {wire!r}; " + "; ".join(reasons))
