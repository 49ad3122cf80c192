"""Local servers over TLS: every client trusts the test authority when told to, and nobody does otherwise."""

from __future__ import annotations

import asyncio
import ssl
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from packhorse.bench.lab import targets
from packhorse.bench.lab.targets import Target, start_target
from packhorse.bench.lab.tls import make_ca
from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.pipeline import Choice
from packhorse.stages import registry
from packhorse.stages.base import Candidate, Stage
from packhorse.stores.base import Endpoint, ObjectInfo

pytestmark = pytest.mark.xdist_group("tls")  # a server of each kind for all clients

CLIENTS = [row for row in registry.candidates(Stage.STORE) if row.name != "memory"]


@pytest.fixture(scope="module", params=targets.LOCAL_TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with start_target(request.param, tls=True) as running:
        yield running


@pytest.fixture(scope="module")
def rclone() -> Iterator[Target]:
    with start_target("rclone", tls=True) as running:
        yield running


def put(row: Candidate, endpoint: Endpoint, body: bytes) -> int:
    store = Choice.parse(Stage.STORE, row.name).make(endpoint=endpoint)
    done = store.put("tls/key", body, ObjectInfo())
    if not asyncio.iscoroutine(done):
        store.close()
        return int(done.bytes_sent)

    async def run() -> int:
        try:
            return int((await done).bytes_sent)
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def strangers(rclone: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[int]]]:
    """A put of each client that trusts another authority, all under way at once: the CRT takes its time over it.

    At one server: who refuses is the client.
    """
    ca_file = str(make_ca(tmp_path_factory.mktemp("stranger")).ca_file)
    with ThreadPoolExecutor(len(CLIENTS)) as threads:
        endpoint = replace(rclone.endpoint, ca_file=ca_file)
        yield {row.name: threads.submit(put, row, endpoint, b"x") for row in CLIENTS}


@pytest.mark.usefixtures("strangers")  # which have time until the last test of this file
@pytest.mark.parametrize("row", CLIENTS, ids=lambda row: row.name)
def test_every_client_trusts_the_authority_it_is_given(row: Candidate, target: Target) -> None:
    assert str(target.endpoint.url).startswith("https://")
    assert put(row, target.endpoint, b"x" * 1000) == 1000


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> str | None:
    """A handshake in memory; the protocol that both chose."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(down, up, server_hostname=name)
    there = server.wrap_bio(up, down, server_side=True)
    for end in (here, there, here, there):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return here.selected_alpn_protocol()


def test_the_certificate_is_for_local_names_alone(tmp_path: Path) -> None:
    ca = make_ca(tmp_path)
    client = ca.client_context()
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert handshake(ca.server_context(), client) == "http/1.1"
    assert handshake(ca.server_context(), client, "127.0.0.1") == "http/1.1"
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        handshake(ca.server_context(), client, "minio.example")
    assert stat.S_IMODE(ca.key_file.stat().st_mode) == 0o600


def test_certificates_can_be_wrong_on_purpose(tmp_path: Path) -> None:
    expired = make_ca(tmp_path, prefix="old-", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    other = make_ca(tmp_path, names=["minio.example"])
    assert expired.ca_file != other.ca_file
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(expired.server_context(), expired.client_context())
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        handshake(other.server_context(), other.client_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(other.server_context(), expired.client_context(), "minio.example")


def test_the_authority_goes_with_its_server() -> None:
    with start_target("rclone", tls=True) as target:
        ca_file = Path(str(target.endpoint.ca_file))
        assert ca_file.is_file()
    assert not ca_file.exists()


def test_tls_of_a_remote_target_is_in_its_url() -> None:
    with pytest.raises(InputError, match="https://"):
        start_target("http://minio.example", bucket="captures", tls=True)


@pytest.mark.parametrize("row", CLIENTS, ids=lambda row: row.name)
def test_no_client_trusts_another_authority(row: Candidate, strangers: dict[str, Future[int]]) -> None:
    with pytest.raises(StoreError) as refused:
        strangers[row.name].result()
    assert refused.value.kind == StoreErrorKind.CONNECTION
