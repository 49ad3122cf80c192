"""The fault server as clients meet it: each kind over real connections, as the transports tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from benches.studies.fault_server import KINDS, Fault, FaultScript, FaultyS3, start_faults
from benches.studies.fault_server.objects import KEPT_BYTES
from benches.studies.fault_server.script import Layer
from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores import boto3_put, obstore_sync
from packhorse.stores.base import ObjectInfo, Store
from packhorse.units import MIB

BODY = b"x" * 100_000
MAKERS = {"obstore": obstore_sync.make, "boto3": boto3_put.make}
#: Where silence is the fault, it is waited for so long; elsewhere a busy machine must not look like one.
TIMEOUT_S, PATIENCE_S = 0.5, 60.0
SILENT = {"black-hole", "stall"}
TUNING: dict[str, dict[str, Any]] = {
    "slow-reading": {"rate_bytes_per_s": 500_000.0},
    "stall": {"delay_s": 3.0},
    "slow-answer": {"delay_s": 0.05},
    "503": {"retry_after_s": 1.5},
}
#: What a store says of each kind; None: the put succeeds.
SAID: dict[str, StoreErrorKind | None] = {
    "dns": StoreErrorKind.CONNECTION,
    "refuse": StoreErrorKind.CONNECTION,
    "black-hole": StoreErrorKind.TIMEOUT,
    "tls-untrusted": StoreErrorKind.CONNECTION,
    "tls-expired": StoreErrorKind.CONNECTION,
    "reset-before-body": StoreErrorKind.CONNECTION,
    "reset-inside-body": StoreErrorKind.CONNECTION,
    "reset-after-body": StoreErrorKind.CONNECTION,
    "lost-answer": StoreErrorKind.CONNECTION,
    "stall": StoreErrorKind.TIMEOUT,
    "slow-reading": None,
    "slow-answer": None,
    "damaged-body": StoreErrorKind.SERVER,
    "500": StoreErrorKind.SERVER,
    "503": StoreErrorKind.THROTTLED,
    "request-timeout": StoreErrorKind.TIMEOUT,
    "bad-digest": StoreErrorKind.SERVER,
    "307": StoreErrorKind.CONFIG,
    "expired-token": StoreErrorKind.DENIED,
    "clock-skew": StoreErrorKind.DENIED,
    "denied": StoreErrorKind.DENIED,
    "no-bucket": StoreErrorKind.NOT_FOUND,
    "409": StoreErrorKind.SERVER,
    "412": StoreErrorKind.CONFLICT,
    "501": StoreErrorKind.INVALID,
    "portal": StoreErrorKind.SERVER,
}
#: Kinds that the two clients see differently: tested by what is stored alone.
DISPUTED = {"truncated-answer", "200-error"}
STORED = {"lost-answer", "truncated-answer", "slow-reading", "slow-answer"}

pytestmark = pytest.mark.xdist_group("faults-server")


@pytest.fixture(scope="module")
def s3() -> Iterator[FaultyS3]:
    with start_faults(tls=True) as server:
        yield server


def opened(s3: FaultyS3, client: str, read_timeout_s: float = PATIENCE_S) -> Store:
    return MAKERS[client](endpoint=s3.endpoint(connect_timeout_s=PATIENCE_S, read_timeout_s=read_timeout_s), pool=2)


def put(store: Store, key: str) -> StoreErrorKind | None:
    try:
        store.put(key, BODY, ObjectInfo())
    except StoreError as error:
        return error.kind
    return None


def test_every_kind_is_expected() -> None:
    assert SAID.keys() | DISPUTED == KINDS.keys()


@pytest.mark.parametrize("client", MAKERS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_as_clients_see_it(kind: str, client: str, s3: FaultyS3) -> None:
    s3.play(FaultScript((Fault(kind, **TUNING.get(kind, {})),)))
    store = opened(s3, client, TIMEOUT_S if kind in SILENT else PATIENCE_S)
    said = put(store, "some/key with a space")
    report = s3.report()
    store.close()
    if kind not in DISPUTED:
        assert said == SAID[kind]
    assert list(report.ledger.objects) == (["some/key with a space"] if kind in STORED else [])
    if KINDS[kind].layer is not Layer.NAME:
        assert report.counts == {kind: 1}
    if KINDS[kind].layer in {Layer.WIRE, Layer.ANSWER}:
        assert [(hit.kind, hit.key) for hit in report.hits] == [(kind, "some/key with a space")]


@pytest.mark.parametrize("client", MAKERS)
def test_refusal_passes_and_the_port_stays(client: str, s3: FaultyS3) -> None:
    s3.play(FaultScript((Fault("refuse"),)))
    store = opened(s3, client)
    assert put(store, "a") is StoreErrorKind.CONNECTION
    s3.play(FaultScript())
    found = [put(store, f"b{number}") for number in range(200)]
    store.close()
    assert found[-1] is None
    assert "b199" in s3.ledger().objects


def test_after_a_hole_new_connections_are_served(s3: FaultyS3) -> None:
    s3.play(FaultScript((Fault("black-hole", times=1),)))
    store = opened(s3, "obstore", 2.0)
    assert [put(store, "a"), put(store, "a")] == [StoreErrorKind.TIMEOUT, None]
    store.close()
    assert s3.report().requests == {"put": 2}


def test_what_was_stored_can_be_read_back(s3: FaultyS3) -> None:
    s3.play(FaultScript())
    store = opened(s3, "boto3")
    store.put("key", BODY, ObjectInfo("text/plain", "gzip", {"packhorse-plain-sha256": "0" * 64}))
    with store.open("key") as found:
        assert b"".join(found.chunks) == BODY
        assert found.info.content_encoding == "gzip"
    store.close()
    assert s3.ledger().objects["key"].claimed_sha256 == "0" * 64


def test_an_object_whose_body_is_not_kept_still_has_its_head(s3: FaultyS3) -> None:
    s3.play(FaultScript())
    store = boto3_put.make(endpoint=s3.endpoint(read_timeout_s=PATIENCE_S), pool=2)
    body, many = bytes(16 * MIB), KEPT_BYTES // (16 * MIB) + 1
    for number in range(many):
        store.put(f"key-{number}", body, ObjectInfo(metadata={"mark": str(number)}))
    assert isinstance(store, boto3_put.Boto3Put)
    last = f"key-{many - 1}"
    with pytest.raises(StoreError), store.open(last):
        pass
    head = store._client.sdk.head_object(Bucket=s3.endpoint().bucket, Key=last)
    store.close()
    assert (head["ContentLength"], head["Metadata"]) == (len(body), {"mark": str(many - 1)})


def test_faults_of_the_handshake_need_tls() -> None:
    with start_faults() as plain:
        process = psutil.Process(plain.server.pid)
        with pytest.raises(InputError, match="tls=True"):
            plain.play(FaultScript((Fault("tls-expired"),)))
    assert not process.is_running()


def test_no_reset_is_reported_as_a_failure_of_the_server(s3: FaultyS3) -> None:
    """The server's own output is its port and nothing else, whatever it has done to connections."""
    s3.play(FaultScript((Fault("reset-inside-body"),)))
    store = opened(s3, "obstore")
    put(store, "a")
    store.close()
    assert s3.server.output.strip().startswith("port ")
    assert len(s3.server.output.splitlines()) == 1
