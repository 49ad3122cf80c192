"""Objects kept in this process: a fake for tests, and the store of races that measure the CPU stages alone.

There is no pool and no connection. Memory grows with every new key; writing a key again replaces its object.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from packhorse.errors import StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.failure import check_request, closed, failure
from packhorse.units import MIB


def make(*, endpoint: Endpoint) -> Store:
    """An empty store of its own; the endpoint only lends its bucket's name to error texts."""
    return MemoryStore(endpoint)


def core_version() -> None:
    """There is no core to tell a version of."""


class MemoryStore:
    """See the module.

    Attributes:
        objects: Key → body and headers. For tests; changed under the store's lock only.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._versions = count(1)
        self._closed = False

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`. The entity tag is a running number: hashing would cost CPU."""
        self._check_open()
        check_request(key, info)
        with self._lock:
            self.objects[key] = (bytes(body), info)
            return PutResult(f"memory-{next(self._versions)}", len(body))

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`, except that the object is gathered whole."""
        self._check_open()
        check_request(key, info)
        return self.put(key, b"".join(chunks), info)

    @contextmanager
    def open(self, key: str) -> Iterator[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        self._check_open()
        with self._lock:
            found = self.objects.get(key)
        if found is None:
            raise failure("get", key, self._endpoint, StoreErrorKind.NOT_FOUND, status=404, code="NoSuchKey")
        body, info = found
        yield StoredObject(info, (body[start : start + MIB] for start in range(0, len(body), MIB)))

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`. The objects stay readable through :attr:`objects`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise closed(self._endpoint)
