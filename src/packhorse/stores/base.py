"""The small protocol behind which every S3 client stands.

A store writes whole objects (:meth:`Store.put`) and objects that are still being encoded (:meth:`Store.put_stream`,
multipart). It does not retry: SDK retries are off, retries belong to the uploader. Every SDK exception becomes a
:class:`packhorse.errors.StoreError` here, at the edge, without credentials in its text.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Protocol

from packhorse.checks import KINDS, Kind, check_fields, is_path, shown
from packhorse.errors import InputError
from packhorse.stores.network import without_secrets
from packhorse.stores.url import check_url
from packhorse.units import MIB

#: S3 refuses multipart parts under 5 MiB except the last (S3 user guide, "Multipart upload limits").
MIN_PART_BYTES = 5 * MIB
#: The least, so that sending begins soon after encoding: a 100 MB capture has some 17 MB to send.
DEFAULT_PART_BYTES = MIN_PART_BYTES
#: S3 API reference, ``PutObject``, ``x-amz-server-side-encryption``.
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")

_REGION = re.compile(r"[\x21-\x7e]{1,63}")
#: What the types of an endpoint's fields take.
_KINDS: Mapping[str, Kind] = {
    **KINDS,
    "str | os.PathLike[str]": (is_path, "a file as text or Path"),
    "Callable[[], Credentials]": (callable, "a function that returns Credentials"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of credentials, and until when S3 takes it (with a time zone), or None when that is not known."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where objects go, and as whom.

    Attributes:
        bucket: Bucket name.
        url: Endpoint URL (``http://127.0.0.1:9000``), or None for AWS itself.
        region: Region name, or None to let the standard AWS chain decide (``us-east-1`` for a custom endpoint).
        access_key, secret_key, session_token: Explicit credentials, or None for the standard AWS chain. Never shown
            in ``repr``.
        ca_file: PEM file that TLS endpoints are verified against, or None for the system's. Kept as text.
        connect_timeout_s, read_timeout_s: Bounds on each silence. obstore counts from a request's beginning, and gets
            as much longer as bodies above 128 KiB take at 64 KiB/s.
        credentials: In place of ``access_key`` and ``secret_key``: called for credentials when they are first needed,
            five minutes before they expire, and once when S3 says that they have. It may block; it is called in any
            thread, never twice at once.
        server_side_encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; None: ``AWS_SERVER_SIDE_ENCRYPTION``, or
            the bucket's default.
        kms_key_id: Id, ARN or alias of the KMS key; None: ``AWS_SSE_KMS_KEY_ID``, or AWS's own key.
        bucket_key: Whether a bucket key spares requests to KMS, with ``aws:kms``; None: ``AWS_SSE_BUCKET_KEY_ENABLED``,
            or the bucket's.
        create_only: Send ``If-None-Match: *``, for buckets that demand it: an object that exists is never replaced. The
            412 after one's own lost answer counts as success when what is stored is the same byte for byte, headers
            included; finding out needs ``s3:GetObject``. For the stores ``boto3``, ``obstore`` and ``aiobotocore``.
            Whether a custom endpoint heeds it is tried once for each store, by an empty object of its own beside the
            first key, which is removed again; one that does not is refused.

    Raises:
        InputError: A value of another type than declared, a URL, region or path that can be none, a timeout that is not
            finite and above 0, both kinds of credentials, half a pair of keys, or an encryption that S3 does not have.
    """

    bucket: str
    url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    ca_file: str | os.PathLike[str] | None = None
    connect_timeout_s: float = 5.0
    # S3 answers small requests within a second, and AWS advises to try them again after two ("Performance design
    # patterns for Amazon S3"). What a black hole has swallowed holds a permit for so long: with 6 s an uploader has
    # 90 % of its rate again within ten seconds after one.
    read_timeout_s: float = 6.0
    credentials: Callable[[], Credentials] | None = field(default=None, repr=False)
    server_side_encryption: str | None = None
    kms_key_id: str | None = None
    bucket_key: bool | None = None
    create_only: bool = False

    def __repr__(self) -> str:
        shown = [(each.name, getattr(self, each.name)) for each in fields(self) if each.repr]
        url = {"url": None if self.url is None else without_secrets(self.url)}
        return f"Endpoint({', '.join(f'{name}={url.get(name, value)!r}' for name, value in shown)})"

    def __post_init__(self) -> None:
        check_fields(self, _KINDS)
        check_url("url", self.url)
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise InputError(f"region is {shown(self.region)}; give a region's name, as us-east-1, or None")
        if self.ca_file is not None:
            object.__setattr__(self, "ca_file", os.fspath(self.ca_file))
        if (self.access_key is None) != (self.secret_key is None):
            given, missing = ("access_key", "secret_key") if self.secret_key is None else ("secret_key", "access_key")
            raise InputError(f"{given} was given without {missing}; give both, or neither for the standard AWS chain")
        if self.credentials is not None and self.access_key is not None:
            raise InputError("give access_key and secret_key, or credentials, not both")
        if self.server_side_encryption not in {None, *ENCRYPTIONS}:
            raise InputError(f"server_side_encryption is {self.server_side_encryption!r}; use {', '.join(ENCRYPTIONS)}")
        if self.kms_key_id is not None and self.server_side_encryption == "AES256":
            raise InputError("kms_key_id needs server_side_encryption 'aws:kms' or 'aws:kms:dsse', not 'AES256'")


#: What an :class:`Endpoint` waits that says nothing else.
DEFAULT_READ_TIMEOUT_S = Endpoint("any").read_timeout_s


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What goes into an object's headers beside its body.

    Attributes:
        content_type: MIME type of the decoded content.
        content_encoding: HTTP content coding, or None.
        metadata: User metadata, ASCII, lower-case keys without the ``x-amz-meta-`` prefix.
    """

    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutResult:
    """What the server said: the entity tag without quotes, and the bytes sent as body."""

    etag: str
    bytes_sent: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object being read: its headers, and its body as chunks of at most 1 MiB."""

    info: ObjectInfo
    chunks: Iterator[bytes]


class Store(Protocol):
    """A synchronous S3 client. Thread-safe: many threads may call :meth:`put` at once. Not fork-safe."""

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """Write one object in one request.

        Raises:
            StoreError: Nothing was stored, or whether it was is not known (kind ``connection`` or ``timeout``).
        """
        ...

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """Write one object as multipart while ``chunks`` is still being produced.

        Memory is bounded by a few parts of :data:`DEFAULT_PART_BYTES`. When ``chunks`` raises, that exception passes
        through unchanged. After any failure the multipart upload has been aborted, so no object and no paid-for parts
        are left (where the abort itself fails, the StoreError says so).
        """
        ...

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        """Open an object for reading, streaming; leaving the context frees the connection.

        Raises:
            StoreError: kind ``not-found`` when there is no such key.
        """
        ...

    def close(self) -> None:
        """Close all connections. Idempotent; no background thread outlives it."""
        ...


class AsyncStore(Protocol):
    """An asyncio S3 client, used on one event loop. Same promises as :class:`Store`; cancellation is honoured."""

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`Store.put`."""
        ...

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`Store.put_stream`."""
        ...

    async def close(self) -> None:
        """As :meth:`Store.close`."""
        ...
