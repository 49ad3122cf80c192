"""boto3's transfer manager over the AWS Common Runtime (awscrt): requests are made and sent in C threads.

``pool`` caps the connections of the CRT client (counted as in :mod:`packhorse.stores.boto3_put`: 8 opened, 8 at most,
8 kept). The body's CRC32 is sent in a header.

Multipart through the CRT is for AWS alone: the CRT is strict about the answers (it leaves an upload behind at ``rclone
serve s3``, whose ``InitiateMultipartUpload`` element lacks AWS's ``Result``) and sends checksum trailers. At custom
endpoints ``put`` is one request whatever the size, and streams are sent as parts by the plain botocore client that also
does the reading.
"""

from __future__ import annotations

import base64
import io
import threading
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

import awscrt
import boto3
from awscrt.io import ClientBootstrap, ClientTlsContext, DefaultHostResolver, EventLoopGroup, TlsContextOptions
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RetryConfig, S3RetryMode
from s3transfer.crt import BotocoreCRTCredentialsWrapper, BotocoreCRTRequestSerializer, CRTTransferManager
from s3transfer.manager import TransferConfig

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.answers import run
from packhorse.stores.aws import refuse_directory_bucket
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.botocore_client import BotocoreClient, PartSender, headers_of
from packhorse.stores.botocore_errors import translating
from packhorse.stores.crt_transfer import Feed, HookedClient, Transfer
from packhorse.stores.failure import check_not_create_only, check_request
from packhorse.stores.multipart import PARTS_IN_FLIGHT, gather, send_stream
from packhorse.stores.network import would_be_proxied
from packhorse.units import MIB

#: S3 user guide, "Uploading objects": the largest body of one request.
MAX_PUT_BYTES = 5 * 1024 * MIB
#: Seconds to wait for the CRT's threads when a store is closed.
SHUTDOWN_S = 5.0


def make(*, endpoint: Endpoint, pool: int) -> Store:
    """A store on a CRT client of its own.

    Raises:
        StoreError: kind ``config``.
    """
    return Boto3Crt(endpoint, pool)


def core_version() -> str:
    """The version of awscrt, which does the work."""
    return f"awscrt {awscrt.__version__} (boto3 {boto3.__version__})"


class Boto3Crt:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int, *, multipart: bool | None = None) -> None:
        """Make both clients. ``multipart`` is whether the CRT sends parts; None: only to AWS."""
        check_not_create_only(endpoint, "the AWS Common Runtime")
        self._client = BotocoreClient(endpoint, pool)
        if self._client.endpoint.bucket_key is not None:
            raise StoreError(
                "bucket_key is not for the AWS Common Runtime; use the store boto3", kind=StoreErrorKind.CONFIG
            )
        self._endpoint = self._client.endpoint
        self._multipart = self._endpoint.url is None if multipart is None else multipart
        refuse_directory_bucket(self._endpoint, "the AWS Common Runtime")
        if self._endpoint.url is not None and would_be_proxied(self._endpoint.url):
            text = "the AWS Common Runtime would go to this machine's own address through the proxy of the environment"
            raise StoreError(f"{text}; set NO_PROXY=127.0.0.1,localhost", kind=StoreErrorKind.CONFIG)
        with translating("connecting for", "", endpoint):
            arguments = {
                "region_name": self._endpoint.region,
                "endpoint_url": self._endpoint.url,
                "config": self._client.config,
            }
            self._serializer = BotocoreCRTRequestSerializer(self._client.session, arguments)
            # Trailers with checksums are for AWS alone, as in botocore_client.
            self._hooked = HookedClient(_crt_client(self._client, pool), trailers=self._endpoint.url is None)
        self._config = TransferConfig(
            multipart_threshold=DEFAULT_PART_BYTES if self._multipart else MAX_PUT_BYTES,
            multipart_chunksize=DEFAULT_PART_BYTES,
            max_request_concurrency=PARTS_IN_FLIGHT,
        )
        self._closing = threading.Lock()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`, except that at AWS bodies from 5 MiB on are multipart."""
        self._client.check_open()
        check_request(key, info)
        # Of a multipart upload this would be a checksum of another kind, which few stores know.
        parted = self._multipart and len(body) >= DEFAULT_PART_BYTES
        crc32 = None if parted else zlib.crc32(body)
        answer, _ = self._start(key, io.BytesIO(body), info, crc32).result()
        sent = (None if parted else body, len(body), info)
        return PutResult(run(self._client.writer.confirmed(answer, "put", key, sent)), len(body))

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`. ``chunks`` is read in the caller's thread."""
        self._client.check_open()
        check_request(key, info)
        if not self._multipart:
            return send_stream(PartSender(self._client, key, info, self.put), chunks)
        parts = gather(chunks)
        first = next(parts, b"")
        if len(first) < DEFAULT_PART_BYTES:
            return self.put(key, first, info)
        feed = Feed()
        transfer = self._start(key, feed, info)
        try:
            for part in chain((first,), parts):
                if not feed.give(part, transfer.done):
                    break  # the upload has failed: the rest is not wanted
        except BaseException:
            transfer.cancel()  # first, so that the end of the feed is not taken for the end of the object
            feed.end()
            transfer.settle()
            raise
        feed.end()
        answer, sent_bytes = transfer.result()
        tag = run(self._client.writer.confirmed(answer, "put", key, (None, sent_bytes, info)))
        return PutResult(tag, sent_bytes)

    def _start(self, key: str, file: Any, info: ObjectInfo, crc32: int | None = None) -> Transfer:
        run(self._client.writer.ready(key))
        headers = headers_of(info, self._endpoint)
        if crc32 is not None:
            headers["ChecksumCRC32"] = base64.b64encode(crc32.to_bytes(4, "big")).decode()
        with translating("put", key, self._endpoint):
            # A manager keeps a record of every upload it ever made; a fresh one per upload is what boto3 makes too.
            manager = CRTTransferManager(self._hooked, self._serializer, config=self._config)
            watch = self._hooked.expect()
            future = manager.upload(file, self._endpoint.bucket, key, extra_args=headers)
        return Transfer(manager, future, watch, key, self._endpoint)

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        return self._client.open(key)

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`; waits up to five seconds for the CRT's own threads."""
        with self._closing:
            self._client.close()
            ended = self._hooked.release()
            if ended is not None:
                ended.wait(SHUTDOWN_S)


def _crt_client(client: BotocoreClient, pool: int) -> S3Client:
    endpoint = client.endpoint
    loops = EventLoopGroup()
    tls = None
    if endpoint.ca_file is not None:
        options = TlsContextOptions()
        options.override_default_trust_store_from_path(ca_filepath=endpoint.ca_file)
        tls = ClientTlsContext(options).new_connection_options()
    plain = (endpoint.url or "https").startswith("http:")
    credentials = client.credentials()
    return S3Client(
        bootstrap=ClientBootstrap(loops, DefaultHostResolver(loops)),
        region=endpoint.region or "us-east-1",
        credential_provider=BotocoreCRTCredentialsWrapper(credentials).to_crt_credentials_provider(),
        part_size=DEFAULT_PART_BYTES,
        multipart_upload_threshold=DEFAULT_PART_BYTES,
        tls_mode=S3RequestTlsMode.DISABLED if plain else S3RequestTlsMode.ENABLED,
        tls_connection_options=tls,
        max_active_connections_override=pool,
        retry_config=S3RetryConfig(retry_mode=S3RetryMode.NONE),
        connect_timeout_ms=max(1, round(endpoint.connect_timeout_s * 1000)),
    )
