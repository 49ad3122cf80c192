"""A forked child whose parent had used obstore: boto3 takes its place, and no native code is entered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from packhorse.errors import StoreError
from packhorse.stores import obstore_async, obstore_forks, obstore_sync
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo
from packhorse.stores.boto3_put import Boto3Put
from packhorse.stores.obstore_client import Fallback
from tests.stores.wire import Wire

INFO = ObjectInfo("application/json", None, {"packhorse-wire": "json gzip raw"})
STREAM = (b"y" * DEFAULT_PART_BYTES, b"the rest")


def entered(*_: Any, **__: Any) -> None:
    raise AssertionError("native code was entered")


@pytest.fixture
def as_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process looks like the child of one that had used obstore."""
    monkeypatch.setattr(obstore_forks._Runtime, "pid", -1)
    monkeypatch.setattr(Fallback, "said_in", None)
    for entrance in ("packhorse.stores.obstore_client.S3Store", "obstore.put", "obstore.put_async", "obstore.get"):
        monkeypatch.setattr(entrance, entered)


def test_a_store_of_the_parents_goes_on(wire: Wire, request: Any, caplog: pytest.LogCaptureFixture) -> None:
    store = obstore_sync.make(endpoint=wire.endpoint(), pool=2)
    store.put("before", b"1", INFO)
    request.getfixturevalue("as_child")
    with caplog.at_level(logging.WARNING, "packhorse.stores"):
        assert store.put("after", b"22", INFO).bytes_sent == 2
        assert store.put_stream("large", iter(STREAM), INFO).bytes_sent == len(b"".join(STREAM))
        with store.open("after") as found:
            assert b"".join(found.chunks) == b"22"
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.put("closed", b"", INFO)
    assert [record.message for record in caplog.records if "boto3 takes its place" in record.message] != []
    assert len(caplog.records) == 1, "it says so once"


def test_a_store_made_in_the_child_is_boto3s(wire: Wire, as_child: None, caplog: pytest.LogCaptureFixture) -> None:
    stores = [obstore_sync.make(endpoint=wire.endpoint(), pool=2) for _ in range(2)]
    for store in stores:
        assert isinstance(store, Boto3Put)
        store.put("key", b"x", INFO)
        store.close()
    assert len(caplog.records) == 1


def test_the_async_store_too(wire: Wire, as_child: None) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in STREAM:
            yield chunk

    async def use() -> None:
        store = obstore_async.make(endpoint=wire.endpoint(), pool=2)
        assert (await store.put("small", b"x", INFO)).bytes_sent == 1
        assert (await store.put_stream("large", chunks(), INFO)).bytes_sent == len(b"".join(STREAM))
        await store.close()

    asyncio.run(use())
    assert set(wire.objects.ledger().objects) == {"small", "large"}
