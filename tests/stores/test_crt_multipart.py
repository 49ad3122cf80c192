"""Multipart through the CRT, which custom endpoints do not get by default: moto understands it as AWS does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from packhorse.bench.lab.targets import Target
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo
from packhorse.stores.boto3_crt import Boto3Crt
from tests.stores.conftest import await_parts, pending_uploads, read

INFO = ObjectInfo("application/json", "zstd", {"a": "b"})
MIB = 1024 * 1024


@pytest.fixture
def key() -> str:
    return f"crt/{uuid.uuid4()}"


@pytest.fixture
def store(moto: Target) -> Iterator[Boto3Crt]:
    store = Boto3Crt(moto.endpoint, 10, multipart=True)
    yield store
    store.close()


@pytest.mark.parametrize("size", [0, DEFAULT_PART_BYTES - 1, DEFAULT_PART_BYTES, 3 * DEFAULT_PART_BYTES + 1])
def test_stream_reads_back(store: Boto3Crt, key: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    result = store.put_stream(key, (body[at : at + 600_000] for at in range(0, size, 600_000)), INFO)
    assert result.bytes_sent == size
    assert result.etag
    assert read(store, key) == body


def test_large_put_is_multipart(store: Boto3Crt, key: str) -> None:
    result = store.put(key, bytes(DEFAULT_PART_BYTES * 2), INFO)
    assert result.etag.endswith("-2")
    assert result.bytes_sent == DEFAULT_PART_BYTES * 2


@pytest.mark.parametrize("good_mib", [9, 17, 30])
def test_failing_stream_leaves_nothing(store: Boto3Crt, moto: Target, key: str, good_mib: int) -> None:
    error = KeyError("mine")

    def failing() -> Iterator[bytes]:
        for _ in range(good_mib):
            yield bytes(MIB)
        await_parts(moto.endpoint, key, good_mib * MIB)
        raise error

    with pytest.raises(KeyError) as caught:
        store.put_stream(key, failing(), INFO)
    assert caught.value is error
    assert pending_uploads(moto.endpoint, key) == []
    with pytest.raises(StoreError) as missing, store.open(key):
        pass
    assert missing.value.kind == StoreErrorKind.NOT_FOUND


def test_missing_bucket_stops_the_stream(moto: Target, key: str) -> None:
    store = Boto3Crt(replace(moto.endpoint, bucket="not-there-at-all"), 10, multipart=True)
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield bytes(MIB)

    with pytest.raises(StoreError) as caught:
        store.put_stream(key, chunks(), INFO)
    store.close()
    assert caught.value.kind == StoreErrorKind.NOT_FOUND
    assert taken < 60
