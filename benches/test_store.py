"""One put per store client against rclone, after its object has been read back.

Sequential puts over loopback: what a client costs per request. Pools and concurrency are the race's matter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from packhorse.bench.lab.targets import Target, start_target
from packhorse.stages import registry
from packhorse.stages.base import Candidate, Stage
from packhorse.stores import obstore_sync
from packhorse.stores.base import ObjectInfo, Store
from packhorse.stores.bridge import SyncBridge

pytestmark = pytest.mark.bench
INFO = ObjectInfo("application/json", "zstd", {"packhorse-wire": "json/zstd/raw"})
BODIES = {"100KB": random.Random(100).randbytes(100_000), "1MB": random.Random(1000).randbytes(1_000_000)}


@pytest.fixture(scope="module")
def rclone() -> Iterator[Target]:
    with start_target("rclone") as target:
        yield target


@pytest.fixture(params=registry.candidates(Stage.STORE), ids=lambda row: row.name)
def store(request: pytest.FixtureRequest, rclone: Target) -> Iterator[Store]:
    row: Candidate = request.param

    def make() -> Any:
        return registry.make(row, {}, endpoint=rclone.endpoint)

    def reader() -> Store:
        return obstore_sync.make(endpoint=rclone.endpoint, pool=1)

    opened: Store = SyncBridge(make, reader=reader) if row.asynchronous else make()
    yield opened
    opened.close()


@pytest.mark.parametrize("body_size", BODIES)
def test_put(benchmark: Any, store: Store, body_size: str) -> None:
    body = BODIES[body_size]
    store.put("bench", body, INFO)
    with store.open("bench") as found:
        assert found.info == INFO
        assert b"".join(found.chunks) == body
    result = benchmark(store.put, "bench", body, INFO)
    assert result.bytes_sent == len(body)
