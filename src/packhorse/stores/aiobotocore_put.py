"""aiobotocore's ``put_object``, and its multipart requests for streams.

``pool`` is aiohttp's connection limit (``max_pool_connections``), and a real cap: with more requests in flight than
connections, the rest wait (counted as in :mod:`packhorse.stores.boto3_put`: 8 opened, 8 at most, 8 kept). The client
is made by the first request, which is when its event loop is known; loading botocore's service description takes some
50 ms and is done in a thread.

Two retries cannot be switched off through aiobotocore: aiohttp below it sends a PUT once more when the connection is
lost before an answer, and follows up to ten redirects.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any

import aiobotocore
import botocore
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.handlers import add_expect_header

from packhorse.stores.aiobotocore_credentials import Resolver, repeat_when_expired
from packhorse.stores.base import AsyncStore, Endpoint, ObjectInfo, PutResult
from packhorse.stores.botocore_client import headers_of
from packhorse.stores.botocore_config import client_arguments, no_credentials, resolved, settings
from packhorse.stores.botocore_errors import translating
from packhorse.stores.credentials import Renewing, Source
from packhorse.stores.failure import check_not_create_only, check_request, closed, entity_tag, upload_id_of
from packhorse.stores.multipart import send_stream_async


def make(*, endpoint: Endpoint, pool: int) -> AsyncStore:
    """A store whose client is made by its first request.

    Raises:
        StoreError: kind ``config``: a broken profile. Missing credentials show at the first request.
    """
    return AiobotocorePut(endpoint, pool)


def core_version() -> str:
    """The version of botocore, which aiobotocore pins tightly."""
    return f"botocore {botocore.__version__} (aiobotocore {aiobotocore.__version__})"


class AiobotocorePut:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        check_not_create_only(endpoint, "aiobotocore")
        with translating("connecting for", "", endpoint):
            self._session = AioSession()
            self._session.unregister("before-call.s3", add_expect_header)
            self.endpoint = resolved(endpoint, self._session)
        self._source: Source | None = None
        if endpoint.credentials is not None:
            self._source = Renewing(endpoint.credentials, endpoint.bucket)
            self._session.register_component("credential_provider", Resolver(self._source))
        self._pool = pool
        self._opening = asyncio.Lock()
        self._context: Any = None
        self._sdk: Any = None
        self._closed = False

    async def sdk(self) -> Any:
        """The client; made when it is first asked for.

        Raises:
            StoreError: kind ``config``: no credentials, or the store is closed.
        """
        if self._closed:
            raise closed(self.endpoint)
        if self._sdk is None:
            async with self._opening:
                if self._sdk is None:
                    await self._open()
        return self._sdk

    async def _open(self) -> None:
        with translating("connecting for", "", self.endpoint):
            loader = self._session.get_component("data_loader")
            await asyncio.to_thread(loader.load_service_model, "s3", "service-2")
            if self.endpoint.access_key is None and await self._session.get_credentials() is None:
                raise no_credentials(self.endpoint)
            config = AioConfig(**settings(self.endpoint, self._pool))
            context = self._session.create_client(**client_arguments(self.endpoint, config))
            sdk = await context.__aenter__()
            if self._source is not None:
                repeat_when_expired(sdk.meta.events, self._source)
            self._sdk = sdk
            self._context = context

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put`."""
        check_request(key, info)
        sdk = self._sdk or await self.sdk()
        with translating("put", key, self.endpoint):
            answer = await sdk.put_object(
                Bucket=self.endpoint.bucket, Key=key, Body=body, **headers_of(info, self.endpoint)
            )
        return PutResult(entity_tag(answer.get("ETag"), "put", key, self.endpoint).strip('"'), len(body))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put_stream`."""
        check_request(key, info)
        return await send_stream_async(_Sender(self, await self.sdk(), key, info), chunks)

    async def close(self) -> None:
        """As :meth:`packhorse.stores.base.AsyncStore.close`."""
        self._closed = True
        context, self._context, self._sdk = self._context, None, None
        if context is not None:
            await context.__aexit__(None, None, None)


class _Sender:
    """The requests of one multipart upload."""

    def __init__(self, store: AiobotocorePut, sdk: Any, key: str, info: ObjectInfo) -> None:
        self._store = store
        self._sdk = sdk
        self._key = key
        self._info = info
        self._where = {"Bucket": store.endpoint.bucket, "Key": key}

    async def whole(self, body: bytes) -> PutResult:
        return await self._store.put(self._key, body, self._info)

    async def begin(self) -> str:
        with self._translating("starting the upload of"):
            headers = headers_of(self._info, self._store.endpoint)
            answer = await self._sdk.create_multipart_upload(**self._where, **headers)
        return upload_id_of(answer.get("UploadId"), self._key, self._store.endpoint)

    async def part(self, upload_id: str, number: int, body: bytes) -> str:
        with self._translating(f"part {number} of"):
            answer = await self._sdk.upload_part(**self._where, UploadId=upload_id, PartNumber=number, Body=body)
        return entity_tag(answer.get("ETag"), f"part {number} of", self._key, self._store.endpoint)

    async def finish(self, upload_id: str, etags: list[str]) -> str:
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
        with self._translating("finishing the upload of"):
            answer = await self._sdk.complete_multipart_upload(
                **self._where, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        tag = entity_tag(answer.get("ETag"), "finishing the upload of", self._key, self._store.endpoint)
        return tag.strip('"')

    async def abort(self, upload_id: str) -> None:
        with self._translating("aborting the upload of"):
            await self._sdk.abort_multipart_upload(**self._where, UploadId=upload_id)

    def _translating(self, action: str) -> AbstractContextManager[None]:
        return translating(action, self._key, self._store.endpoint)
