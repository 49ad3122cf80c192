"""boto3's ``put_object``, and its multipart requests for streams.

``pool`` is ``max_pool_connections``: how many connections are *kept*. It does not cap: with more requests in flight,
surplus connections are opened, used once and thrown away. Counted by the server, with a pool of 8 and two rounds of 40
puts at once: 63 connections opened, 40 open at most, 8 kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import boto3
import botocore

from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.botocore_client import BotocoreClient, PartSender
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
        return send_stream(self.sender(key, info), chunks)

    def sender(self, key: str, info: ObjectInfo) -> PartSender:
        """As :meth:`packhorse.stores.multipart.PartStore.sender`."""
        return self._client.sender(key, info)

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        return self._client.open(key)

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`."""
        self._client.close()
