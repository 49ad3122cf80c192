"""aiobotocore's ``put_object``, and its multipart requests for streams.

``pool`` is aiohttp's connection limit (``max_pool_connections``), and a real cap: with more requests in flight than
connections, the rest wait (counted as in :mod:`packhorse.stores.boto3_put`: 8 opened, 8 at most, 8 kept). The client
is made by the first request, which is when its event loop is known; loading botocore's service description takes some
50 ms and is done in a thread.

One retry cannot be switched off: aiohttp sends a PUT once more when the connection is lost before an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiobotocore
import botocore
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.handlers import add_expect_header

from packhorse.stores.answers import MAX_ANSWER_BYTES, Writer, run_async
from packhorse.stores.aws import resolve
from packhorse.stores.base import AsyncStore, Endpoint, ObjectInfo, PutResult
from packhorse.stores.botocore_chain import expired_after, note_begin
from packhorse.stores.botocore_client import BotocoreRequests, Parts, client_arguments, settings
from packhorse.stores.botocore_errors import translating
from packhorse.stores.credentials import Source
from packhorse.stores.failure import check_request, closed
from packhorse.stores.multipart import send_stream_async
from packhorse.units import KIB

#: The slowest upload that is not given up, as obstore's here.
SLOWEST_BYTES_PER_S = 64 * KIB


def make(*, endpoint: Endpoint, pool: int) -> AsyncStore:
    """A store whose client is made by its first request.

    Raises:
        StoreError: kind ``config``: no credentials, a broken profile.
    """
    return AiobotocorePut(endpoint, pool)


def core_version() -> str:
    """The version of botocore, which aiobotocore pins tightly."""
    return f"botocore {botocore.__version__} (aiobotocore {aiobotocore.__version__})"


class AiobotocorePut:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        with translating("connecting for", "", endpoint):
            self._plan = resolve(endpoint)
            self.endpoint = self._plan.endpoint
            self._session = AioSession()
            self._session.unregister("before-call.s3", add_expect_header)
            if self._plan.source is not None:
                self._session.register_component("credential_provider", _Resolver(self._plan.source))
        self._pool = pool
        self._opening = asyncio.Lock()
        self._context: Any = None
        self._sdk: Any = None
        self._closed = False
        self.requests = BotocoreRequests(self.endpoint, self.call, asyncio.to_thread)
        self._writer = Writer(self.requests)

    async def sdk(self) -> Any:
        """The client; made when it is first asked for.

        Raises:
            StoreError: kind ``config``: the store is closed.
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
            config = AioConfig(http_session_cls=_Session, **settings(self._plan, self._pool))
            context = self._session.create_client(**client_arguments(self.endpoint, config))
            sdk = await context.__aenter__()
            _watch(sdk.meta.events, self._plan.source)
            self._sdk = sdk
            self._context = context

    async def call(self, action: str, key: str, operation: str, **arguments: Any) -> Any:
        """One request, answer included, in a bounded time; whatever it raises is a StoreError."""
        sdk = self._sdk or await self.sdk()
        end_s = self.endpoint.connect_timeout_s + 2 * self.endpoint.read_timeout_s
        end_s += len(arguments.get("Body", b"")) / SLOWEST_BYTES_PER_S
        with translating(action, key, self.endpoint):
            async with asyncio.timeout(end_s):
                return await getattr(sdk, operation)(**arguments)

    async def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put`."""
        return await run_async(self._writer.put(key, body, info))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.AsyncStore.put_stream`."""
        check_request(key, info)
        await self.sdk()
        return await send_stream_async(_Sender(self, Parts(self._writer, self.requests, key, info), key, info), chunks)

    async def close(self) -> None:
        """As :meth:`packhorse.stores.base.AsyncStore.close`."""
        self._closed = True
        context, self._context, self._sdk = self._context, None, None
        if context is not None:
            await context.__aexit__(None, None, None)


class _Sender:
    """The requests of one multipart upload: a :class:`packhorse.stores.multipart.AsyncSender`."""

    def __init__(self, store: AiobotocorePut, parts: Parts, key: str, info: ObjectInfo) -> None:
        self._store = store
        self._parts = parts
        self._key = key
        self._info = info

    async def whole(self, body: bytes) -> PutResult:
        return await self._store.put(self._key, body, self._info)

    async def begin(self) -> str:
        return await run_async(self._parts.begin())

    async def part(self, upload_id: str, number: int, body: bytes) -> str:
        return await run_async(self._parts.part(upload_id, number, body))

    async def finish(self, upload_id: str, etags: list[str]) -> str:
        return await run_async(self._parts.finish(upload_id, etags))

    async def abort(self, upload_id: str) -> None:
        await run_async(self._parts.abort(upload_id))


class _Session(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """Reads answers that are no objects up to a bound, and follows no redirects, which aiohttp would."""

    async def send(self, request: Any) -> Any:
        """As aiobotocore's."""
        streamed, request.stream_output = request.stream_output, True
        answer = await super().send(request)
        if streamed and answer.status_code < 300:
            return answer
        data = b""
        while len(data) < MAX_ANSWER_BYTES and (piece := await answer.raw.content.read(MAX_ANSWER_BYTES - len(data))):
            data += piece
        if answer.raw.content.at_eof():
            answer.raw.release()
        else:
            answer.raw.close()  # the rest is not wanted
        return AioAWSResponse(answer.url, answer.status_code, answer.headers, _Read(data))

    async def _get_session(self, proxy_url: Any) -> Any:
        return _NoRedirects(await super()._get_session(proxy_url))


class _NoRedirects:
    def __init__(self, session: Any) -> None:
        self._session = session

    def request(self, *args: Any, **options: Any) -> Any:
        return self._session.request(*args, allow_redirects=False, **options)


class _Read:
    """An answer's body that has been read, in the form in which aiobotocore takes one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self) -> bytes:
        return self._data


class _Provided(AioCredentials):  # type: ignore[misc]
    """A source as aiobotocore's credentials: asked whenever a request is signed, off the event loop."""

    def __init__(self, source: Source) -> None:
        self._source = source
        super().__init__("provided", "provided", method="packhorse")

    async def get_frozen_credentials(self) -> Any:
        """As aiobotocore's; raises StoreError when the source has none."""
        held = self._source.ready()
        if held is None:
            held = await asyncio.to_thread(self._source.current)
        return ReadOnlyCredentials(held.access_key, held.secret_key, held.session_token)


class _Resolver:
    """Stands in for aiobotocore's chain of providers."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def load_credentials(self) -> Any:
        """Called once by a session."""
        return _Provided(self._source)


def _watch(events: Any, source: Source | None) -> None:
    """As :func:`packhorse.stores.botocore_chain.watch`."""
    events.register("before-call.s3", note_begin)
    if source is None:
        return

    async def repeat(response: Any, attempts: int, request_dict: dict[str, Any], **_: Any) -> float | None:
        began_s = expired_after(response, attempts, request_dict)
        if began_s is None:
            return None
        return 0.0 if await asyncio.to_thread(source.renewed_since, began_s) else None

    events.register("needs-retry.s3", repeat)
