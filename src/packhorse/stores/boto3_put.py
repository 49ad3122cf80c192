"""boto3's ``put_object``, and its multipart requests for streams.

``pool`` is ``max_pool_connections``: how many connections are *kept*. It does not cap: with more requests in flight,
surplus connections are opened, used once and thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import boto3
import botocore

from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.botocore_client import BotocoreClient, headers_of
from packhorse.stores.botocore_errors import translating
from packhorse.stores.failure import check_request
from packhorse.stores.multipart import send_stream


def make(*, endpoint: Endpoint, pool: int) -> Store:
    """A store on a boto3 client.

    Raises:
        StoreError: kind ``config``.
    """
    return Boto3Put(endpoint, pool)


def core_version() -> str:
    """The version of botocore, which does the work under boto3."""
    return f"botocore {botocore.__version__} (boto3 {boto3.__version__})"


class Boto3Put:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        self._client = BotocoreClient(endpoint, pool)

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`."""
        return self._client.put(key, body, info)

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`."""
        self._client.check_open()
        check_request(key, info)
        return send_stream(_Sender(self._client, key, info), chunks)

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        return self._client.open(key)

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`."""
        self._client.close()


class _Sender:
    """The requests of one multipart upload."""

    def __init__(self, client: BotocoreClient, key: str, info: ObjectInfo) -> None:
        self._client = client
        self._key = key
        self._info = info
        self._where = {"Bucket": client.endpoint.bucket, "Key": key}

    def whole(self, body: bytes) -> PutResult:
        return self._client.put(self._key, body, self._info)

    def begin(self) -> str:
        with self._translating("starting the upload of"):
            return str(self._client.sdk.create_multipart_upload(**self._where, **headers_of(self._info))["UploadId"])

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        with self._translating(f"part {number} of"):
            answer = self._client.sdk.upload_part(**self._where, UploadId=upload_id, PartNumber=number, Body=body)
        return str(answer["ETag"])

    def finish(self, upload_id: str, etags: list[str]) -> str:
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
        with self._translating("finishing the upload of"):
            answer = self._client.sdk.complete_multipart_upload(
                **self._where, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        return str(answer.get("ETag", "")).strip('"')

    def abort(self, upload_id: str) -> None:
        with self._translating("aborting the upload of"):
            self._client.sdk.abort_multipart_upload(**self._where, UploadId=upload_id)

    def _translating(self, action: str) -> AbstractContextManager[None]:
        return translating(action, self._key, self._client.endpoint)
