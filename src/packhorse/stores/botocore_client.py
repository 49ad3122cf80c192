"""A botocore S3 client and what all boto3 stores share: opening, reading, closing, single requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.config
import botocore.session
from botocore.handlers import add_expect_header

from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, StoredObject
from packhorse.stores.botocore_config import client_arguments, no_credentials, resolved, settings
from packhorse.stores.botocore_errors import translating
from packhorse.stores.failure import check_request, check_url, closed
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
            check_url(self.endpoint)
            if endpoint.access_key is None and self.session.get_credentials() is None:
                raise no_credentials(endpoint)
            self.config = botocore.config.Config(**settings(self.endpoint, pool))
            self.sdk: Any = self.session.create_client(**client_arguments(self.endpoint, self.config))
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
        with translating("put", key, self.endpoint):
            answer = self.sdk.put_object(Bucket=self.endpoint.bucket, Key=key, Body=body, **headers_of(info))
        return PutResult(str(answer.get("ETag", "")).strip('"'), len(body))

    @contextmanager
    def open(self, key: str) -> Iterator[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        self.check_open()
        check_request(key, ObjectInfo())
        with translating("get", key, self.endpoint):
            answer = self.sdk.get_object(Bucket=self.endpoint.bucket, Key=key)
        info = ObjectInfo(
            answer.get("ContentType", "application/octet-stream"),
            answer.get("ContentEncoding") or None,
            # Header names have no case, and some servers write theirs as "Packhorse-Wire".
            {name.lower(): value for name, value in answer.get("Metadata", {}).items()},
        )
        chunks = self._chunks(key, answer["Body"])
        try:
            yield StoredObject(info, chunks)
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


def headers_of(info: ObjectInfo) -> dict[str, Any]:
    """``info`` as keyword arguments of ``put_object`` and ``create_multipart_upload``."""
    arguments: dict[str, Any] = {"ContentType": info.content_type, "Metadata": dict(info.metadata)}
    if info.content_encoding is not None:
        arguments["ContentEncoding"] = info.content_encoding
    return arguments
