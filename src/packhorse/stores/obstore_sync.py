"""obstore (Rust ``object_store``), sync calls: the GIL is released while a request is on its way.

``pool`` is reqwest's ``pool_max_idle_per_host``: how many idle connections are *kept*. Nothing caps the requests in
flight: each opens a connection when no idle one is there, and closes it afterwards when ``pool`` are idle already.
Counted as in :mod:`packhorse.stores.boto3_put`: 67 opened, 40 open at most, 8 kept.

Streams of 5 MiB and more, and all in a forked child, go through boto3: see :mod:`packhorse.stores.obstore_client`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import obstore

from packhorse.errors import StoreError
from packhorse.stores.answers import Writer, run
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.credentials import STALE_S
from packhorse.stores.failure import EXPIRED, check_request
from packhorse.stores.multipart import LookingSender, send_stream
from packhorse.stores.obstore_client import (
    ObstoreRequests,
    boto3_in_place_of_obstore,
    client_version,
    looked_of,
    translated,
    translating,
)
from packhorse.stores.obstore_forks import check_alive, lost
from packhorse.units import KIB, MIB

#: Bytes that obstore gathers per chunk when reading.
READ_CHUNK_BYTES = 256 * KIB


def make(*, endpoint: Endpoint, pool: int) -> Store:
    """A store on obstore's S3 client; in the child of a process that had used obstore, on boto3's.

    Raises:
        StoreError: kind ``config``.
    """
    return boto3_in_place_of_obstore(endpoint, pool) if lost() else ObstoreSync(endpoint, pool)


def core_version() -> str:
    """The version of obstore."""
    return client_version()


class ObstoreSync:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        self._requests = ObstoreRequests(endpoint, pool, self._call, lambda work: work())
        self._writer = Writer(self._requests)

    def _call(self, action: str, key: str, function: str, client: Any, *arguments: Any, **options: Any) -> Any:
        try:
            if function == "bytes":
                return client.bytes()
            return getattr(obstore, function)(client, key, *arguments, **options)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # as ``translating``, without its four calls: this is every put's
            raise translated(error, action, key, self._requests.endpoint) from None

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`."""
        instead = self._requests.way_out()
        if instead is not None:
            return instead.put(key, body, info)
        began_s = time.monotonic()
        try:
            return run(self._writer.put(key, body, info))
        except StoreError as error:
            source = self._requests.source
            if source is None or error.code not in EXPIRED or not source.renewed_since(began_s):
                raise
        time.sleep(STALE_S)
        return run(self._writer.put(key, body, info))

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`."""
        return send_stream(self.sender(key, info), chunks)

    def sender(self, key: str, info: ObjectInfo) -> LookingSender:
        """As :meth:`packhorse.stores.multipart.PartStore.sender`; boto3 is loaded when it begins an upload."""
        check_request(key, info)
        self._requests.clients()
        return _Sender(self, self._requests, key, info)

    @contextmanager
    def open(self, key: str) -> Iterator[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        check_request(key, ObjectInfo())
        instead = self._requests.way_out()
        if instead is not None:
            with instead.open(key) as found:
                yield found
            return
        answer = self._call("get", key, "get", self._requests.clients().reading())
        yield StoredObject(looked_of(answer).info, self._chunks(key, answer))

    def _chunks(self, key: str, answer: Any) -> Iterator[bytes]:
        with translating("reading", key, self._requests.endpoint):
            check_alive(self._requests.endpoint)
            for chunk in answer.stream(min_chunk_size=READ_CHUNK_BYTES):
                for start in range(0, len(chunk), MIB):
                    yield bytes(chunk[start : start + MIB])

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`."""
        self._requests.close()


class _Sender:
    """boto3's requests of one multipart upload, and obstore's for what turns out to be short."""

    def __init__(self, store: ObstoreSync, requests: ObstoreRequests, key: str, info: ObjectInfo) -> None:
        self._store = store
        self._requests = requests
        self._key = key
        self._info = info
        self._made: LookingSender | None = None

    def _parts(self) -> LookingSender:
        if self._made is None:
            self._made = self._requests.boto3().sender(self._key, self._info)
        return self._made

    def whole(self, body: bytes) -> PutResult:
        return self._store.put(self._key, body, self._info)

    def begin(self) -> str:
        return self._parts().begin()

    def part(self, upload_id: str, number: int, body: bytes) -> str:
        return self._parts().part(upload_id, number, body)

    def finish(self, upload_id: str, etags: list[str]) -> str:
        return self._parts().finish(upload_id, etags)

    def abort(self, upload_id: str) -> None:
        self._parts().abort(upload_id)

    def stored(self) -> tuple[str, int, ObjectInfo] | None:
        return self._parts().stored()
