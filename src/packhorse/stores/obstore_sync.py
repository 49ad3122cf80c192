"""obstore (Rust ``object_store``), sync calls: the GIL is released while a request is on its way.

``pool`` is reqwest's ``pool_max_idle_per_host``: how many idle connections are *kept*. Nothing caps the requests in
flight: each opens a connection when no idle one is there, and closes it afterwards when ``pool`` are idle already.
Counted as in :mod:`packhorse.stores.boto3_put`: 67 opened, 40 open at most, 8 kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import obstore

from packhorse.errors import StoreError
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.credentials import STALE_S
from packhorse.stores.failure import EXPIRED, check_request, closed, created_before, entity_tag
from packhorse.stores.multipart import META_UPLOAD, PARTS_IN_FLIGHT, gather
from packhorse.stores.obstore_config import (
    attributes_of,
    check_stream,
    client_version,
    info_of,
    open_client,
    put_mode,
    translated,
    translating,
)
from packhorse.stores.obstore_forks import check_alive
from packhorse.stores.obstore_patience import Clients
from packhorse.units import KIB, MIB

#: Bytes that obstore gathers per chunk when reading.
READ_CHUNK_BYTES = 256 * KIB


def make(*, endpoint: Endpoint, pool: int) -> Store:
    """A store on obstore's S3 client.

    Raises:
        StoreError: kind ``config``.
    """
    return ObstoreSync(endpoint, pool)


def core_version() -> str:
    """The version of obstore."""
    return client_version()


class ObstoreSync:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        client, self._endpoint, self._source = open_client(endpoint, pool)
        self._clients: Clients | None = Clients(client, self._endpoint)

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`."""
        check_request(key, info)
        began_s = time.monotonic()
        try:
            return self._put(key, body, info)
        except StoreError as error:
            source = self._source
            if source is None or error.code not in EXPIRED or not source.renewed_since(began_s):
                raise
        time.sleep(STALE_S)
        return self._put(key, body, info)

    def _put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        answer: Any
        try:
            with translating("put", key, self._endpoint):
                answer = obstore.put(
                    self._open(len(body)),
                    key,
                    body,
                    attributes=attributes_of(info),
                    use_multipart=False,
                    mode=put_mode(self._endpoint),
                )
        except StoreError as refused:
            if not created_before(refused, self._endpoint):
                raise
            answer = {"e_tag": self._tag_of_same(key, body, info, refused)}
        return PutResult(entity_tag(answer["e_tag"], "put", key, self._endpoint).strip('"'), len(body))

    def _tag_of_same(self, key: str, body: bytes, info: ObjectInfo, refused: StoreError) -> Any:
        """As ``BotocoreClient._tag_of_same``."""
        try:
            with translating("get", key, self._endpoint):
                answer = obstore.get(self._open(), key)
                tag, size = answer.meta["e_tag"], answer.meta["size"]
                same = size == len(body) and info_of(answer.attributes) == info and bytes(answer.bytes()) == body
        except StoreError as unseen:
            if unseen.retryable:
                raise unseen from None
            same = False
        if not same:
            raise refused
        return tag

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`. obstore aborts the upload itself when a part or
        ``chunks`` fails, and does not tell when that abort fails.
        """
        return self._stream(key, chunks, info, lambda clients: clients.of(DEFAULT_PART_BYTES))

    def put_stream_retrying(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.multipart.RetryingStore.put_stream_retrying`; obstore does the retrying."""
        source = Source(chunks)
        try:
            return self._stream(key, source, info, Clients.parts)
        except StoreError:
            tag = None if source.error else self._tag_of_marked(key, info.metadata[META_UPLOAD], source.given_bytes)
            if tag is None:
                raise
            return PutResult(tag, source.given_bytes)

    def _stream(
        self, key: str, chunks: Iterator[bytes], info: ObjectInfo, client: Callable[[Clients], Any]
    ) -> PutResult:
        check_request(key, info)
        opened = self._opened()
        parts = gather(chunks)
        first = next(parts, b"")
        if len(first) < DEFAULT_PART_BYTES:
            return self.put(key, first, info)
        check_stream(self._endpoint)
        source = Source(chain((first,), parts))
        del first
        error: BaseException
        try:
            answer = obstore.put(
                client(opened),
                key,
                source,
                attributes=attributes_of(info),
                use_multipart=True,
                chunk_size=DEFAULT_PART_BYTES,
                max_concurrency=PARTS_IN_FLIGHT,
            )
            tag = entity_tag(answer["e_tag"], "finishing the upload of", key, self._endpoint)
            return PutResult(tag.strip('"'), source.given_bytes)
        except StoreError as ours:
            error = source.error or ours
        except Exception as sdk_error:  # noqa: BLE001 - the chunks may raise anything, through obstore
            error = source.error or translated(sdk_error, "put", key, self._endpoint)
        raise error

    def _tag_of_marked(self, key: str, mark: str, size_bytes: int) -> str | None:
        """The stored object's entity tag if it is the one with that mark: then the answer to its end was lost."""
        try:
            with translating("looking at", key, self._endpoint):
                answer = obstore.get(self._open(), key, options={"head": True})
                same = info_of(answer.attributes).metadata.get(META_UPLOAD) == mark
                return str(answer.meta["e_tag"]).strip('"') if same and answer.meta["size"] == size_bytes else None
        except StoreError:
            return None

    @contextmanager
    def open(self, key: str) -> Iterator[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        check_request(key, ObjectInfo())
        with translating("get", key, self._endpoint):
            answer = obstore.get(self._open(), key)
        yield StoredObject(info_of(answer.attributes), self._chunks(key, answer))

    def _chunks(self, key: str, answer: Any) -> Iterator[bytes]:
        with translating("reading", key, self._endpoint):
            check_alive(self._endpoint)
            for chunk in answer.stream(min_chunk_size=READ_CHUNK_BYTES):
                for start in range(0, len(chunk), MIB):
                    yield bytes(chunk[start : start + MIB])

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`: the Rust client closes its connections when it is dropped."""
        self._clients = None

    def _open(self, body_bytes: int = 0) -> Any:
        return self._opened().of(body_bytes)

    def _opened(self) -> Clients:
        clients = self._clients
        if clients is None:
            raise closed(self._endpoint)
        return clients


class Source:
    """An iterator of parts that remembers what it raised, and how much it gave."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self.given_bytes = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> bytes:
        try:
            part = next(self._parts)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise
        self.given_bytes += len(part)
        return part
