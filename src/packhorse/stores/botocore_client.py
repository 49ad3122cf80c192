"""A botocore S3 client and what all boto3 stores share: settings, opening, reading, closing, single requests, parts.

Decisions shared by boto3, its transfer managers and aiobotocore:

* A custom endpoint gets path-style addresses, unless the AWS configuration says otherwise, and no default CRC trailers,
  which break stores other than AWS. The body's SHA-256 is then part of the signature, so that the store still verifies
  what it received.
* ``total_max_attempts=1``: retries belong to the uploader.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import botocore.config
import botocore.session
from botocore.handlers import add_expect_header

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.answers import (
    Answer,
    Looked,
    Steps,
    Writer,
    is_entity_tag,
    is_md5,
    own_headers,
    run,
    upload_id_of,
)
from packhorse.stores.aws import Plan, encryption_kind, resolve
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, StoredObject
from packhorse.stores.botocore_chain import Resolver, watch
from packhorse.stores.botocore_errors import translating
from packhorse.stores.botocore_http import BoundedSession
from packhorse.stores.failure import check_request, closed, failure
from packhorse.units import KIB

T = TypeVar("T")
#: Bytes per chunk when reading; the protocol allows up to 1 MiB.
READ_CHUNK_BYTES = 256 * KIB
#: Creating clients is not thread-safe (boto3 guide, "Multithreading or multiprocessing with clients").
_CREATING = threading.Lock()
#: One reader of the descriptions of AWS's services for all clients: they take 120 ms to read.
_LOADERS: list[Any] = []


def settings(plan: Plan, pool: int) -> dict[str, Any]:
    """Keyword arguments of ``botocore.config.Config`` for a pool of ``pool`` connections."""
    endpoint = plan.endpoint
    custom = endpoint.url is not None
    chosen: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": pool,
        "connect_timeout": endpoint.connect_timeout_s,
        "read_timeout": endpoint.read_timeout_s,
        "tcp_keepalive": True,
        "proxies": proxies(plan),
    }
    if not plan.settings.virtual:
        chosen["s3"] = {"addressing_style": "path" if custom else "auto"}
    if custom and "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
        chosen["request_checksum_calculation"] = "when_required"
    if custom and "AWS_RESPONSE_CHECKSUM_VALIDATION" not in os.environ:
        chosen["response_checksum_validation"] = "when_required"
    return chosen


def proxies(plan: Plan) -> dict[str, str]:
    """The one proxy on the way, for both schemes; empty: none, whatever the environment says of others."""
    return {} if plan.proxy is None else {"http": plan.proxy, "https": plan.proxy}


def client_arguments(endpoint: Endpoint, config: botocore.config.Config) -> dict[str, Any]:
    """Keyword arguments of ``create_client`` for a resolved endpoint."""
    return {
        "service_name": "s3",
        "region_name": endpoint.region,
        "endpoint_url": endpoint.url,
        "verify": endpoint.ca_file,
        "aws_access_key_id": endpoint.access_key,
        "aws_secret_access_key": endpoint.secret_key,
        "aws_session_token": endpoint.session_token,
        "config": config,
    }


class BotocoreRequests:
    """The requests of a botocore client as :class:`packhorse.stores.answers.Requests`; sync and async ones differ in
    what ``call`` returns.
    """

    def __init__(
        self, endpoint: Endpoint, call: Callable[..., Any], blocking: Callable[[Callable[[], Any]], Any]
    ) -> None:
        """Take what makes the requests.

        Args:
            endpoint: A resolved one.
            call: Called with an action and a key, for errors, the name of an operation and its arguments.
            blocking: As of ``Requests``.
        """
        self.endpoint = endpoint
        self._call = call
        self.blocking = blocking

    def ask(self, action: str, key: str, operation: str, **arguments: Any) -> Steps[Any]:
        """One request about a key."""
        return (yield partial(self._call, action, key, operation, Bucket=self.endpoint.bucket, Key=key, **arguments))

    def put(self, key: str, body: bytes, info: ObjectInfo, *, fresh: bool = False) -> Steps[Answer]:
        """As ``Requests.put``. botocore looks whether a kept connection has been closed before it takes it."""
        headers = headers_of(info, self.endpoint) | create_only(self.endpoint)
        return answer_of((yield from self.ask("put", key, "put_object", Body=body, **headers)))

    def look(self, key: str) -> Steps[Looked | None]:
        """As ``Requests.look``."""
        try:
            answer = yield from self.ask("looking at", key, "head_object")
        except StoreError as error:
            if error.kind is StoreErrorKind.NOT_FOUND:
                return None
            raise
        return Looked(str(answer.get("ETag") or ""), int(answer["ContentLength"]), info_of(answer))

    def read(self, key: str, most_bytes: int) -> Steps[tuple[bytes, Looked]]:
        """As ``Requests.read``."""
        answer = yield from self.ask("get", key, "get_object")
        body = yield partial(_read_body, answer["Body"], most_bytes)
        return body, Looked(str(answer.get("ETag") or ""), len(body), info_of(answer))

    def delete(self, key: str) -> Steps[None]:
        """As ``Requests.delete``."""
        yield from self.ask("removing", key, "delete_object")


def _read_body(body: Any, most_bytes: int) -> Any:
    if hasattr(body, "__aenter__"):
        return _read_body_async(body, most_bytes)
    with body:
        return body.read(most_bytes)


async def _read_body_async(body: Any, most_bytes: int) -> bytes:
    async with body:
        data: bytes = await body.read(most_bytes)
        return data


class Parts:
    """The requests of one multipart upload, as steps; their answers by the rule of :mod:`packhorse.stores.answers`."""

    def __init__(self, writer: Writer, requests: BotocoreRequests, key: str, info: ObjectInfo) -> None:
        self._writer = writer
        self._requests = requests
        self._key = key
        self._info = info
        self._sizes: dict[int, int] = {}

    def begin(self) -> Steps[str]:
        """As :meth:`packhorse.stores.multipart.Sender.begin`."""
        yield from self._writer.ready(self._key)
        headers = headers_of(self._info, self._requests.endpoint)
        answer = yield from self._ask("starting the upload of", "create_multipart_upload", **headers)
        return upload_id_of(answer.get("UploadId"), self._key, self._requests.endpoint)

    def part(self, upload_id: str, number: int, body: bytes) -> Steps[str]:
        """As :meth:`packhorse.stores.multipart.Sender.part`."""
        action = f"part {number} of"
        sent = yield from self._ask(action, "upload_part", UploadId=upload_id, PartNumber=number, Body=body)
        answer = answer_of(sent)
        if not (is_entity_tag(answer.etag) and (answer.proven or is_md5(answer.etag.strip('"'), body))):
            answer = Answer((yield from self._listed(action, upload_id, number, len(body))))
        self._sizes[number] = len(body)
        return answer.etag

    def _listed(self, action: str, upload_id: str, number: int, size_bytes: int) -> Steps[str]:
        """A part's entity tag as the upload tells it, where its answer had neither S3's headers nor a tag that fits."""
        try:
            listed = yield from self._ask(
                action, "list_parts", UploadId=upload_id, PartNumberMarker=number - 1, MaxParts=1
            )
        except StoreError:
            listed = {}
        found = {part.get("PartNumber"): part for part in listed.get("Parts", [])}.get(number, {})
        if found.get("Size") != size_bytes or not found.get("ETag"):
            why = "the answer is not one of S3's own or was cut short, and the part cannot be seen"
            raise failure(action, self._key, self._requests.endpoint, StoreErrorKind.SERVER, why, status=200)
        return str(found["ETag"])

    def finish(self, upload_id: str, etags: list[str]) -> Steps[str]:
        """As :meth:`packhorse.stores.multipart.Sender.finish`."""
        action = "finishing the upload of"
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
        sent = yield from self._ask(
            action,
            "complete_multipart_upload",
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            **create_only(self._requests.endpoint),
        )
        size_bytes = sum(self._sizes.get(number, 0) for number in range(1, len(etags) + 1))
        answer = answer_of(sent)
        # The answer's body is in a form that is S3's alone; botocore shows what it has read of it.
        answer = Answer(answer.etag, answer.proven or sent.get("Key") == self._key)
        return (yield from self._writer.confirmed(answer, action, self._key, (None, size_bytes, self._info)))

    def abort(self, upload_id: str) -> Steps[None]:
        """As :meth:`packhorse.stores.multipart.Sender.abort`."""
        yield from self._ask("aborting the upload of", "abort_multipart_upload", UploadId=upload_id)

    def _ask(self, action: str, operation: str, **arguments: Any) -> Steps[Any]:
        return self._requests.ask(action, self._key, operation, **arguments)


class BotocoreClient:
    """One botocore S3 client for one bucket. Thread-safe; not fork-safe."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        """Create the client; sends nothing, except that the credentials chain may ask for a role's.

        Raises:
            StoreError: kind ``config``: no credentials, a broken profile, or an endpoint URL that is none.
        """
        with _CREATING, translating("connecting for", "", endpoint):
            self.session = botocore.session.Session()
            if not _LOADERS:
                _LOADERS.append(self.session.get_component("data_loader"))
            self.session.register_component("data_loader", _LOADERS[0])
            # A file-like body would otherwise wait for "100 Continue", up to a second on servers that do not send it.
            self.session.unregister("before-call.s3", add_expect_header)
            self.plan = resolve(endpoint, self.session)
            if self.plan.source is not None:
                self.session.register_component("credential_provider", Resolver(self.plan.source))
            self.endpoint = self.plan.endpoint
            self.config = botocore.config.Config(**settings(self.plan, pool))
            self.sdk: Any = self.session.create_client(**client_arguments(self.endpoint, self.config))
            timeouts_s = (endpoint.connect_timeout_s, endpoint.read_timeout_s)
            self._http = BoundedSession(self.endpoint.ca_file or True, proxies(self.plan), timeouts_s, pool)
            watch(self.sdk.meta.events, self.plan.source)
            # Last: moto, which answers in the place of S3, comes first.
            self.sdk.meta.events.register_last("before-send.s3", self._http.handle)
        self.requests = BotocoreRequests(self.endpoint, self.call, lambda work: work())
        self.writer = Writer(self.requests)
        self._closed = False

    def credentials(self) -> Any:
        """The credentials object of botocore, which refreshes itself: the explicit ones, or those of the chain."""
        return self.sdk._get_credentials()  # as boto3's own transfer code does

    def check_open(self) -> None:
        """Raise StoreError (kind ``config``) after :meth:`close`."""
        if self._closed:
            raise closed(self.endpoint)

    def call(self, action: str, key: str, operation: str, **arguments: Any) -> Any:
        """One request; whatever it raises is a StoreError."""
        with translating(action, key, self.endpoint):
            return getattr(self.sdk, operation)(**arguments)

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`, with ``put_object``."""
        self.check_open()
        return run(self.writer.put(key, body, info))

    def sender(self, key: str, info: ObjectInfo) -> PartSender:
        """As :meth:`packhorse.stores.multipart.PartStore.sender`."""
        self.check_open()
        check_request(key, info)
        return PartSender(self, key, info, self.put)

    @contextmanager
    def open(self, key: str) -> Iterator[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        self.check_open()
        check_request(key, ObjectInfo())
        answer = run(self.requests.ask("get", key, "get_object"))
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
            self._http.close()


class PartSender:
    """A :class:`packhorse.stores.multipart.LookingSender`; short objects go through ``whole``."""

    def __init__(
        self, client: BotocoreClient, key: str, info: ObjectInfo, whole: Callable[[str, bytes, ObjectInfo], PutResult]
    ) -> None:
        self._parts = Parts(client.writer, client.requests, key, info)
        self._look = partial(client.requests.look, key)
        self.whole = partial(_whole, whole, key, info)

    def begin(self) -> str:
        """As ``Sender.begin``."""
        return run(self._parts.begin())

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        """As ``Sender.part``."""
        return run(self._parts.part(upload_id, number, body))

    def finish(self, upload_id: str, etags: list[str]) -> str:
        """As ``Sender.finish``."""
        return run(self._parts.finish(upload_id, etags))

    def abort(self, upload_id: str) -> None:
        """As ``Sender.abort``."""
        run(self._parts.abort(upload_id))

    def stored(self) -> tuple[str, int, ObjectInfo] | None:
        """As ``LookingSender.stored``."""
        looked = run(self._look())
        return None if looked is None else (looked.etag.strip('"'), looked.size_bytes, looked.info)


def _whole(put: Callable[[str, bytes, ObjectInfo], PutResult], key: str, info: ObjectInfo, body: bytes) -> PutResult:
    return put(key, body, info)


def answer_of(answered: Any) -> Answer:
    """What one of botocore's answers to a write says."""
    headers = answered.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return Answer(str(answered.get("ETag") or ""), own_headers(headers))


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
