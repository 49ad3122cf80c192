"""The requests of one multipart upload through a botocore client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import ObjectInfo, PutResult
from packhorse.stores.botocore_client import BotocoreClient, create_only, headers_of, info_of
from packhorse.stores.botocore_errors import translating
from packhorse.stores.failure import entity_tag, upload_id_of

Put = Callable[[str, bytes, ObjectInfo], PutResult]


class PartSender:
    """A :class:`packhorse.stores.multipart.Sender`; short objects go through ``put``."""

    def __init__(self, client: BotocoreClient, key: str, info: ObjectInfo, put: Put) -> None:
        self._put = put
        self._client = client
        self._key = key
        self._info = info
        self._where = {"Bucket": client.endpoint.bucket, "Key": key}

    def whole(self, body: bytes) -> PutResult:
        """As :meth:`packhorse.stores.multipart.Sender.whole`."""
        return self._put(self._key, body, self._info)

    def begin(self) -> str:
        """As :meth:`packhorse.stores.multipart.Sender.begin`."""
        with self._translating("starting the upload of"):
            headers = headers_of(self._info, self._client.endpoint)
            answer = self._client.sdk.create_multipart_upload(**self._where, **headers)
        return upload_id_of(answer.get("UploadId"), self._key, self._client.endpoint)

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        """As :meth:`packhorse.stores.multipart.Sender.part`."""
        with self._translating(f"part {number} of"):
            answer = self._client.sdk.upload_part(**self._where, UploadId=upload_id, PartNumber=number, Body=body)
        return entity_tag(answer.get("ETag"), f"part {number} of", self._key, self._client.endpoint)

    def finish(self, upload_id: str, etags: list[str]) -> str:
        """As :meth:`packhorse.stores.multipart.Sender.finish`."""
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
        with self._translating("finishing the upload of"):
            answer = self._client.sdk.complete_multipart_upload(
                **self._where,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                **create_only(self._client.endpoint),
            )
        tag = entity_tag(answer.get("ETag"), "finishing the upload of", self._key, self._client.endpoint)
        return tag.strip('"')

    def abort(self, upload_id: str) -> None:
        """As :meth:`packhorse.stores.multipart.Sender.abort`."""
        with self._translating("aborting the upload of"):
            self._client.sdk.abort_multipart_upload(**self._where, UploadId=upload_id)

    def stored(self) -> tuple[str, int, ObjectInfo] | None:
        """As :meth:`packhorse.stores.multipart.LookingSender.stored`."""
        try:
            with self._translating("looking at"):
                answer = self._client.sdk.head_object(**self._where)
        except StoreError as error:
            if error.kind is StoreErrorKind.NOT_FOUND:
                return None
            raise
        return str(answer.get("ETag", "")).strip('"'), int(answer["ContentLength"]), info_of(answer)

    def _translating(self, action: str) -> AbstractContextManager[None]:
        return translating(action, self._key, self._client.endpoint)
