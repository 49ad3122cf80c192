"""One suite over all stores, at all local servers: what every store promises."""

from __future__ import annotations

import gzip
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from packhorse.bench.lab.targets import Target
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo, Store
from packhorse.stores.memory import MemoryStore
from tests.stores.conftest import NETWORK_ROWS, ROWS, Opener, await_parts, pending_uploads, read

INFO = ObjectInfo("application/json", None, {"packhorse-wire": "json/zstd/raw", "note": "two words; =~?"})


class Mine(Exception):
    """Raised by a stream."""


@pytest.fixture
def key() -> str:
    return f"contract/{uuid.uuid4()}"


def folder_made(store: Store, key: str) -> None:
    """Have the server make the folder of ``key``: where puts race for it, rclone answers some of them with 500."""
    store.put(f"{key}/first", b"", INFO)


def noise(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


def chunked(body: bytes, size: int = 700_001) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [0, 1, 20_000, 1_000_000], ids=lambda size: f"{size}B")
def test_put_reads_back(store: Store, key: str, size: int) -> None:
    body = noise(size)
    result = store.put(key, body, INFO)
    assert result.bytes_sent == size
    assert result.etag
    assert '"' not in result.etag
    assert read(store, key) == body


def test_large_put_reads_back(store: Store, key: str) -> None:
    body = noise(DEFAULT_PART_BYTES + 1)
    assert store.put(key, body, INFO).bytes_sent == len(body)
    assert read(store, key) == body


def test_put_overwrites(store: Store, key: str) -> None:
    store.put(key, b"first, and longer", INFO)
    store.put(key, b"second", ObjectInfo("text/plain"))
    assert read(store, key) == b"second"
    with store.open(key) as found:
        assert found.info.content_type == "text/plain"


@pytest.mark.parametrize("streamed", [False, True], ids=["put", "put_stream"])
def test_headers_come_back(store: Store, key: str, *, streamed: bool) -> None:
    info = ObjectInfo("application/json", "gzip", INFO.metadata)
    body = gzip.compress(b"{}" * 1000, mtime=0)
    if streamed:
        store.put_stream(key, iter([body]), info)
    else:
        store.put(key, body, info)
    with store.open(key) as found:
        assert found.info == info
        assert b"".join(found.chunks) == body, "a content coding must not be undone on the way"


@pytest.mark.parametrize("size", [0, 5, DEFAULT_PART_BYTES - 1, DEFAULT_PART_BYTES, 20_000_000], ids=lambda n: f"{n}B")
def test_stream_reads_back(store: Store, key: str, size: int) -> None:
    body = noise(size)
    result = store.put_stream(key, chunked(body), INFO)
    assert result.bytes_sent == size
    assert result.etag
    assert read(store, key) == body
    with store.open(key) as found:
        assert found.info == INFO


@pytest.mark.parametrize("good_bytes", [0, 1_000_000, 20_000_000], ids=lambda size: f"after{size}B")
def test_failing_stream_leaves_nothing(store: Store, key: str, good_bytes: int, target: Target) -> None:
    mine = Mine("the capture cannot be encoded")

    def failing() -> Iterator[bytes]:
        yield from chunked(noise(good_bytes))
        if not isinstance(store, MemoryStore):
            await_parts(target.endpoint, key, good_bytes)
        raise mine

    with pytest.raises(Mine) as caught:
        store.put_stream(key, failing(), INFO)
    assert caught.value is mine
    assert not getattr(mine, "__notes__", None)
    with pytest.raises(StoreError) as missing, store.open(key):
        pass
    assert missing.value.kind == StoreErrorKind.NOT_FOUND
    assert pending_uploads(target.endpoint, key) == []


def test_failing_stream_keeps_the_old_object(store: Store, key: str) -> None:
    store.put(key, b"old", INFO)

    def failing() -> Iterator[bytes]:
        yield noise(DEFAULT_PART_BYTES + 5)
        raise ValueError("of a class that SDKs raise too")

    with pytest.raises(ValueError, match="SDKs raise too"):
        store.put_stream(key, failing(), INFO)
    assert read(store, key) == b"old"


def test_missing_key(store: Store, key: str) -> None:
    with pytest.raises(StoreError) as caught, store.open(key):
        pass
    assert caught.value.kind == StoreErrorKind.NOT_FOUND
    assert caught.value.status == 404
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "name", ["ünï/ç ö", "a+b&c=d?e#f", "100%20", "~'()*!,;:@$", "a\\b", "𝒳/𝒴", "x" * 200, "a.b/..c"]
)
def test_odd_keys(store: Store, key: str, name: str, target: Target, plain_client: Any) -> None:
    odd = f"{key}/{name}"
    store.put(odd, b"odd", INFO)
    assert read(store, odd) == b"odd"
    if type(store).__name__ != "MemoryStore":
        listed = plain_client.list_objects_v2(Bucket=target.endpoint.bucket, Prefix=key).get("Contents", [])
        stored = odd.replace("\\", "/") if target.name == "seaweedfs" else odd  # which takes one for the other
        assert [entry["Key"] for entry in listed] == [stored]


@pytest.mark.parametrize("bad", ["", "/a", "a/", "a//b", "a/../b", "./a", "a\nb", "a\x7f", "é" * 513, "a\ud800"])
def test_hostile_keys_are_refused(store: Store, bad: str) -> None:
    with pytest.raises(StoreError) as caught:
        store.put(bad, b"", INFO)
    assert caught.value.kind == StoreErrorKind.INVALID
    with pytest.raises(StoreError) as caught:
        store.put_stream(bad, iter([b""]), INFO)
    assert caught.value.kind == StoreErrorKind.INVALID


@pytest.mark.parametrize(
    "metadata", [{"a": "x" * 2048}, {"Upper": "x"}, {"a b": "x"}, {"a": "ü"}, {"a": "x\r\nInjected: y"}, {"a": " x"}]
)
def test_metadata_that_would_not_come_back_is_refused(store: Store, key: str, metadata: dict[str, str]) -> None:
    with pytest.raises(StoreError) as caught:
        store.put(key, b"", ObjectInfo(metadata=metadata))
    assert caught.value.kind == StoreErrorKind.INVALID
    assert "Injected" not in str(caught.value)


def test_much_metadata(store: Store, key: str) -> None:
    info = ObjectInfo(metadata={"k": "v" * 1500})  # rclone counts other headers too
    store.put(key, b"x", info)
    with store.open(key) as found:
        assert found.info.metadata == info.metadata


def test_many_threads(store: Store, key: str) -> None:
    bodies = {f"{key}/{number}": noise(30_000, number) for number in range(64)}
    folder_made(store, key)
    with ThreadPoolExecutor(32) as threads:
        results = list(threads.map(lambda item: store.put(item[0], item[1], INFO), bodies.items()))
    assert {result.bytes_sent for result in results} == {30_000}
    for name, body in bodies.items():
        assert read(store, name) == body


def test_two_streams_of_one_key_do_not_mix(store: Store, key: str) -> None:
    bodies = [noise(DEFAULT_PART_BYTES * 2, seed) for seed in (1, 2)]
    folder_made(store, f"{key}-beside")
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda body: store.put_stream(key, chunked(body), INFO), bodies))
    assert read(store, key) in bodies


def test_leaving_early_frees_the_connection(store: Store, key: str) -> None:
    store.put(key, noise(3_000_000), INFO)
    for _ in range(25):  # more than the pool has
        with store.open(key) as found:
            assert next(found.chunks)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_close_is_idempotent_and_final(row: Candidate, rclone: Target, opened: Opener, key: str) -> None:
    store = opened(row, rclone.endpoint)
    store.put(key, b"x", INFO)
    store.close()
    store.close()
    for use in (
        lambda: store.put(key, b"", INFO),
        lambda: store.put_stream(key, iter([b""]), INFO),
        lambda: store.open(key).__enter__(),
    ):
        with pytest.raises(StoreError, match="closed") as caught:
            use()
        assert caught.value.kind == StoreErrorKind.CONFIG


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_complete(row: Candidate, rclone: Target, opened: Opener) -> None:
    from packhorse.stages import registry

    state = registry.availability(row)
    assert state.available, state.reason
    assert (state.core_version is None) == (row.name == "memory")
    assert rclone.endpoint.secret_key is not None
    assert rclone.endpoint.secret_key not in repr(opened(row, rclone.endpoint))


@pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)
def test_nothing_is_left_running(row: Candidate, rclone: Target, opened: Opener, key: str) -> None:
    import threading

    before = set(threading.enumerate())
    store = opened(row, rclone.endpoint)
    folder_made(store, key)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: store.put(f"{key}/{number}", b"x", INFO), range(8)))
    store.close()
    assert set(threading.enumerate()) - before == set()
