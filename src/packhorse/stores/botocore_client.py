"""A botocore S3 client and what all boto3 stores share: opening, reading, closing, single requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.config
import botocore.session
from botocore.handlers import add_expect_header

from packhorse.errors import StoreError
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, StoredObject
from packhorse.stores.botocore_config import client_arguments, no_credentials, resolved, settings
from packhorse.stores.botocore_credentials import FromChain, Resolver, repeat_when_expired
from packhorse.stores.botocore_errors import translating
from packhorse.stores.credentials import Renewing, Source
from packhorse.stores.encryption import encryption_kind
from packhorse.stores.failure import check_request, closed, created_before, entity_tag
from packhorse.units import KIB

#: Bytes per chunk when reading; the protocol allows up to 1 MiB.
READ_CHUNK_BYTES = 256 * KIB
#: Creating clients is not thread-safe (boto3 guide, "Multithreading or multiprocessing with clients").
_CREATING = threading.Lock()


class BotocoreClient:
    """One botocore S3 client for one bucket. Thread-safe; not fork-safe."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        """Create the client; sends nothing, except that the credentials chain may ask a metadata service.

        Raises:
            StoreError: kind ``config``: no credentials, a broken profile, or an endpoint URL that is none.
        """
        with _CREATING, translating("connecting for", "", endpoint):
            self.session = botocore.session.Session()
            # A file-like body would otherwise wait for "100 Continue", up to a second on servers that do not send it.
            self.session.unregister("before-call.s3", add_expect_header)
            self.endpoint = resolved(endpoint, self.session)
            source = _source(endpoint, self.session)
            self.config = botocore.config.Config(**settings(self.endpoint, pool))
            self.sdk: Any = self.session.create_client(**client_arguments(self.endpoint, self.config))
            if source is not None:
                repeat_when_expired(self.sdk.meta.events, source)
        self._closed = False

    def credentials(self) -> Any:
        """The credentials object of botocore, which refreshes itself: the explicit ones, or those of the chain."""
        return self.sdk._get_credentials()  # as boto3's own transfer code does

    def check_open(self) -> None:
        """Raise StoreError (kind ``config``) after :meth:`close`."""
        if self._closed:
            raise closed(self.endpoint)

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`, with ``put_object``."""
        self.check_open()
        check_request(key, info)
        headers = headers_of(info, self.endpoint) | create_only(self.endpoint)
        try:
            with translating("put", key, self.endpoint):
                answer = self.sdk.put_object(Bucket=self.endpoint.bucket, Key=key, Body=body, **headers)
        except StoreError as refused:
            if not created_before(refused, self.endpoint):
                raise
            answer = {"ETag": self._tag_of_same(key, body, info, refused)}
        return PutResult(entity_tag(answer.get("ETag"), "put", key, self.endpoint).strip('"'), len(body))

    def _tag_of_same(self, key: str, body: bytes, info: ObjectInfo, refused: StoreError) -> str:
        """The stored object's entity tag if it is the one that was to be put; else raises ``refused``.

        When that cannot be told now, but perhaps later, raises what kept it from being told: then the put is worth
        trying again.
        """
        try:
            with translating("get", key, self.endpoint):
                answer = self.sdk.get_object(Bucket=self.endpoint.bucket, Key=key)
                with answer["Body"] as stored:
                    same = stored.read(len(body) + 1) == body and info_of(answer) == info
        except StoreError as unseen:
            if unseen.retryable:
                raise unseen from None
            same = False
        if not same:
            raise refused
        return str(answer.get("ETag"))

    @contextmanager
    def open(self, key: str) -> Iterator[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        self.check_open()
        check_request(key, ObjectInfo())
        with translating("get", key, self.endpoint):
            answer = self.sdk.get_object(Bucket=self.endpoint.bucket, Key=key)
        chunks = self._chunks(key, answer["Body"])
        try:
            yield StoredObject(info_of(answer), chunks)
        finally:
            answer["Body"].close()

    def _chunks(self, key: str, body: Any) -> Iterator[bytes]:
        with translating("reading", key, self.endpoint):
            yield from body.iter_chunks(READ_CHUNK_BYTES)

    def close(self) -> None:
        """Close pooled connections. Idempotent."""
        if not self._closed:
            self._closed = True
            self.sdk.close()


def create_only(endpoint: Endpoint) -> dict[str, str]:
    """The argument of ``put_object`` and ``complete_multipart_upload`` that keeps what exists."""
    return {"IfNoneMatch": "*"} if endpoint.create_only else {}


def info_of(answer: Any) -> ObjectInfo:
    """The headers of an object, from the answer to ``get_object`` or ``head_object``."""
    return ObjectInfo(
        answer.get("ContentType", "application/octet-stream"),
        answer.get("ContentEncoding") or None,
        # Header names have no case, and some servers write theirs as "Packhorse-Wire".
        {name.lower(): value for name, value in answer.get("Metadata", {}).items()},
    )


def _source(endpoint: Endpoint, session: Any) -> Source | None:
    """Where credentials come from that can be renewed; None for fixed ones."""
    if endpoint.access_key is not None:
        return None
    if endpoint.credentials is not None:
        source = Renewing(endpoint.credentials, endpoint.bucket)
        session.register_component("credential_provider", Resolver(source))
        return source
    found = session.get_credentials()
    if found is None:
        raise no_credentials(endpoint)
    return FromChain(found, endpoint)


def headers_of(info: ObjectInfo, endpoint: Endpoint) -> dict[str, Any]:
    """``info`` and the encryption as keyword arguments of ``put_object`` and ``create_multipart_upload``."""
    arguments: dict[str, Any] = {"ContentType": info.content_type, "Metadata": dict(info.metadata)}
    if info.content_encoding is not None:
        arguments["ContentEncoding"] = info.content_encoding
    encryption = {
        "ServerSideEncryption": encryption_kind(endpoint),
        "SSEKMSKeyId": endpoint.kms_key_id,
        "BucketKeyEnabled": endpoint.bucket_key,
    }
    return arguments | {name: value for name, value in encryption.items() if value is not None}
