"""Redacting captures that are stored already: those that were uploaded before a rule existed.

Each object is read and redacted. What comes out is stored beside it, read back and compared. Only then it takes the
object's place, in one request, so that there is the old capture or the new one at any moment, never none.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from packhorse import wire
from packhorse.checksum import written
from packhorse.codec import Codec, Tally
from packhorse.errors import CorruptObjectError, PackhorseError, StoreError
from packhorse.fetching import DEFAULT_MAX_BYTES, check_plain
from packhorse.pipeline import Pipeline
from packhorse.redact import Redactor
from packhorse.stores.base import Endpoint
from packhorse.stores.botocore_client import BotocoreClient, info_of
from packhorse.stores.url import parse_s3_url

#: What follows an object's key while its successor is checked.
_BESIDE = ".packhorse-redacting-"
#: Headers that an object keeps beside its metadata, by their names in ``get_object`` and ``put_object``.
_KEPT = (
    *("ContentType", "ContentEncoding", "CacheControl", "ContentDisposition", "ContentLanguage", "Expires"),
    *("StorageClass", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "WebsiteRedirectLocation"),
)
#: What servers answer that know no conditional writes.
_NOT_IMPLEMENTED = 501
#: S3 API reference, PutObject: the most that one request stores.
_MOST_STORED_BYTES = 5 * 1024**3


class Outcome(StrEnum):
    """What became of an object."""

    UNCHANGED = "unchanged"
    FOREIGN = "not a capture of packhorse"
    WOULD_REPLACE = "would be replaced"
    REPLACED = "replaced"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was looked at.

    Attributes:
        key: Its key.
        outcome: What became of it.
        found: Values removed, by rule.
        reason: Why it failed; else empty. Never content.
    """

    key: str
    outcome: Outcome
    found: dict[str, int]
    reason: str = ""


class StoredCaptures:
    """The captures below a prefix. A context manager.

    Args:
        url: ``s3://bucket/prefix``.
        endpoint_url: S3 endpoint; None for the standard AWS chain.
        endpoint: A full endpoint in its place; its bucket is taken from ``url``.
        redactor: Replaces the secrets.
        max_bytes: The most plain bytes of a capture; a larger one fails.

    Raises:
        InputError: The URL is not ``s3://bucket/prefix``.
        StoreError: kind ``config``.
    """

    def __init__(
        self,
        url: str,
        redactor: Redactor,
        *,
        endpoint_url: str | None = None,
        endpoint: Endpoint | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self.bucket, self._prefix = parse_s3_url(url)
        self._redactor = redactor
        self._max_bytes = max_bytes
        where = Endpoint(self.bucket, url=endpoint_url) if endpoint is None else endpoint
        self._client = BotocoreClient(where, pool=2)

    def __enter__(self) -> StoredCaptures:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._client.close()

    def versioned(self) -> bool:
        """Whether the bucket keeps old versions: the secrets stay in them then. True when it does not say."""
        try:
            answer = self._client.call("asking for versions", "", "get_bucket_versioning", Bucket=self.bucket)
        except StoreError:
            return True
        return answer.get("Status") in ("Enabled", "Suspended")

    def each(self, *, apply: bool) -> Iterator[Stored]:
        """Look at each object below the prefix, and replace it with ``apply``; one that fails stays as it is.

        Raises:
            StoreError: The objects cannot be listed.
        """
        for key in self._keys():
            try:
                yield self._one(key, apply=apply)
            except PackhorseError as error:
                yield Stored(key, Outcome.FAILED, {}, str(error))

    def _keys(self) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            answer = self._client.call(
                "listing", self._prefix, "list_objects_v2", Bucket=self.bucket, Prefix=self._prefix, **more
            )
            for row in answer.get("Contents", ()):
                if _BESIDE not in row["Key"]:
                    yield row["Key"]
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def _ask(self, action: str, key: str, operation: str, **arguments: Any) -> Any:
        return self._client.call(action, key, operation, Bucket=self.bucket, Key=key, **arguments)

    def _one(self, key: str, *, apply: bool) -> Stored:
        answer = self._ask("looking at", key, "head_object")
        metadata = dict(info_of(answer).metadata)
        if wire.META_VERSION not in metadata:
            return Stored(key, Outcome.FOREIGN, {})
        answer = self._ask("get", key, "get_object")
        formats = wire.read_wire(metadata, key)
        codec = _codec(metadata, formats)
        plain = self._plain(answer, codec, metadata, key)
        before = dict(self._redactor.report())
        new = self._redacted(plain, codec, formats[0])
        after = self._redactor.report()
        found = {rule: count - before.get(rule, 0) for rule, count in after.items() if count > before.get(rule, 0)}
        if new == plain:
            return Stored(key, Outcome.UNCHANGED, {})
        if not apply:
            return Stored(key, Outcome.WOULD_REPLACE, found)
        body = b"".join(codec.base64.forward(codec.compressor.forward((new,))))
        if len(body) > _MOST_STORED_BYTES:
            raise CorruptObjectError(f"{key}: more than one request can store")
        self._replace(key, answer, body, metadata | _sums(new, metadata))
        return Stored(key, Outcome.REPLACED, found)

    def _plain(self, answer: Any, codec: Codec, metadata: dict[str, str], key: str) -> bytes:
        """The encoded capture, as its metadata says it was."""
        plain = b"".join(codec.plain(iter(lambda: answer["Body"].read(1 << 20), b""), limit_bytes=self._max_bytes))
        check_plain(_tally(plain, metadata), metadata, key)
        return plain

    def _redacted(self, plain: bytes, codec: Codec, encoding: str) -> bytes:
        if encoding in ("json", "ndjson"):
            return self._redactor.encoded(plain)
        capture = codec.encoder.decode((plain,))
        new = self._redactor.capture(capture)
        return plain if new is capture else b"".join(codec.encoder.encode(new))

    def _replace(self, key: str, old: Any, body: bytes, metadata: dict[str, str]) -> None:
        headers = {name: old[name] for name in _KEPT if old.get(name) is not None} | {"Metadata": metadata}
        if old.get("TagCount"):
            tags = self._ask("reading the tags of", key, "get_object_tagging")["TagSet"]
            headers["Tagging"] = "&".join(f"{quote(tag['Key'], '')}={quote(tag['Value'], '')}" for tag in tags)
        beside = f"{key}{_BESIDE}{secrets.token_hex(8)}"
        try:
            self._ask("put", beside, "put_object", Body=body, **headers)
            if not self._is(beside, body, metadata):
                raise CorruptObjectError(f"{key}: its successor reads back differently; it stays as it is")
            self._take_place(key, old["ETag"], body, headers)
        except PackhorseError:
            self._ask("removing", beside, "delete_object")
            raise
        if not self._is(key, body, metadata):
            raise CorruptObjectError(f"{key}: reads back differently from what was written; a good copy is at {beside}")
        self._ask("removing", beside, "delete_object")

    def _take_place(self, key: str, etag: str, body: bytes, headers: dict[str, Any]) -> None:
        """Write the object in the place of the one that was read: another writer's stays."""
        # Some servers ignore conditions without a word (rclone), so the object is looked at first. A write within the
        # moment after that is lost there.
        if self._ask("looking at", key, "head_object")["ETag"] != etag:
            raise CorruptObjectError(f"{key}: was written meanwhile; it stays as it is")
        try:
            self._ask("put", key, "put_object", Body=body, IfMatch=etag, **headers)
        except StoreError as error:
            if error.status != _NOT_IMPLEMENTED:
                raise
            self._ask("put", key, "put_object", Body=body, **headers)

    def _is(self, key: str, body: bytes, metadata: dict[str, str]) -> bool:
        answer = self._ask("get", key, "get_object")
        return answer["Body"].read() == body and dict(info_of(answer).metadata) == metadata


def _codec(metadata: dict[str, str], formats: wire.Wire) -> Codec:
    """The pipeline that wrote the object, with its level, or another one of the same wire formats."""
    try:
        return Pipeline.parse(metadata[wire.META_PIPELINE]).codec()
    except (KeyError, PackhorseError):
        return wire.codec_for(formats)


def _tally(plain: bytes, metadata: dict[str, str]) -> Tally:
    tally = Tally(digest=hashlib.sha256() if wire.META_PLAIN_SHA256 in metadata else None)
    tally.add(plain)
    return tally


def _sums(plain: bytes, metadata: dict[str, str]) -> dict[str, str]:
    """Size and checksums, those that the metadata has."""
    tally = _tally(plain, metadata)
    sums = {
        wire.META_PLAIN_BYTES: str(tally.plain_bytes),
        wire.META_PLAIN_CRC32: written(tally.crc32),
        wire.META_PLAIN_SHA256: tally.hexdigest(),
    }
    return {name: value for name, value in sums.items() if name in metadata}
