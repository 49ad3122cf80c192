"""obstore waits for larger bodies for longer: its timeout runs while a body is being sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benches.studies.fault_server import Fault, FaultScript, FaultyS3, start_faults
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import DEFAULT_READ_TIMEOUT_S, Endpoint, ObjectInfo
from packhorse.stores.obstore_client import CLASSES, SLOWEST_BYTES_PER_S, Clients
from packhorse.stores.obstore_sync import make
from packhorse.units import KIB, MIB

pytestmark = pytest.mark.xdist_group("patience")  # one server for all

SLOW = FaultScript((Fault("slow-reading", rate_bytes_per_s=200_000.0),))


@pytest.fixture(scope="module")
def s3() -> Iterator[FaultyS3]:
    with start_faults() as server:
        yield server


def test_clients_by_size() -> None:
    endpoint = Endpoint("bucket", "http://127.0.0.1:1", "us-east-1", "key", "secret")
    clients: Any = Clients(endpoint)
    assert clients.of(0, 4) is clients.of(CLASSES[0], 4)
    assert clients.of(CLASSES[0] + 1, 4) is clients.of(MIB, 4)
    waits = [clients.of(size, 4).client_options["read_timeout"] for size in (100 * KIB, 1 * MIB, 8 * MIB)]
    assert waits == [f"{DEFAULT_READ_TIMEOUT_S:.0f}s", "22s", "2m 14s"]
    assert clients.of(64 * MIB, 4) is not clients.of(8 * MIB, 4)
    assert clients.of(8 * MIB, 4).retry_config["max_retries"] == 0
    assert clients.of(0, 0) is not clients.of(0, 4)
    assert clients.of(0, 0).client_options["pool_max_idle_per_host"] == "0"


def test_large_bodies_share_clients() -> None:
    endpoint = Endpoint("bucket", "http://127.0.0.1:1", "us-east-1", "key", "secret")
    clients = Clients(endpoint)
    assert clients.of(9 * MIB, 4) is clients.of(16 * MIB, 4)
    assert clients.of(16 * MIB, 4) is not clients.of(16 * MIB + 1, 4)


def test_an_endpoint_from_the_environment_holds_for_larger_bodies(
    s3: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.play(FaultScript())
    told = s3.endpoint()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", told.url or "")
    for name, value in (("AWS_ACCESS_KEY_ID", told.access_key), ("AWS_SECRET_ACCESS_KEY", told.secret_key)):
        monkeypatch.setenv(name, value or "")
    store = make(endpoint=Endpoint(told.bucket, region=told.region), pool=2)
    assert store.put("large", bytes(CLASSES[0] + 1), ObjectInfo()).bytes_sent == CLASSES[0] + 1
    store.close()


def test_a_body_that_takes_longer_than_the_timeout_is_sent(s3: FaultyS3) -> None:
    s3.play(SLOW)
    store = make(endpoint=s3.endpoint(read_timeout_s=0.3), pool=2)
    assert store.put("slow", bytes(200 * KIB), ObjectInfo()).bytes_sent == 200 * KIB
    assert 200 * KIB / 200_000 > 0.3
    assert CLASSES[1] / SLOWEST_BYTES_PER_S > 200 * KIB / 200_000
    store.close()


def test_a_small_body_is_not_waited_for(s3: FaultyS3) -> None:
    s3.play(FaultScript((Fault("slow-answer", delay_s=5.0),)))
    store = make(endpoint=s3.endpoint(read_timeout_s=0.3), pool=2)
    with pytest.raises(StoreError) as caught:
        store.put("small", b"x", ObjectInfo())
    assert caught.value.kind is StoreErrorKind.TIMEOUT
    store.close()
