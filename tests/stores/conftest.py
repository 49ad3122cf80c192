"""The local servers, once for all store tests, and a way to open any store at either."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import psutil
import pytest

from benches.clients import make_store
from benches.studies.fault_server import FaultyS3, start_faults
from packhorse.bench.lab.targets import Target, start_target
from packhorse.stages import registry
from packhorse.stages.base import Candidate, Stage
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, Store
from tests.stores.wire import Wire, started

# botocore reads its description of S3 anew for each session, which takes longer than most tests here. It is only read.
botocore.session.create_loader = cache(botocore.session.create_loader)

ROWS = registry.candidates(Stage.STORE)
NETWORK_ROWS = tuple(row for row in ROWS if row.name != "memory")
Opener = Callable[..., Store]


def told(process: psutil.Process) -> str:
    """Its command, and what it is doing; nothing once it has gone."""
    try:
        return f"{process.status()}: {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:  # a zombie too has no command any more
        return ""


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    # multiprocessing's own helpers are kept by the standard library until this process ends.
    helpers = ("from multiprocessing.resource_tracker import main", "from multiprocessing.forkserver import main")
    left = [child for child in psutil.Process().children(recursive=True) if not any(h in told(child) for h in helpers)]
    _, left = psutil.wait_procs(left, timeout=20)  # those that were told to end may take a moment
    assert [told(child) for child in left] == []


@pytest.fixture(scope="session")
def moto(no_process_is_left: None) -> Iterator[Target]:
    with start_target("moto") as target:
        yield target


@pytest.fixture(scope="session")
def rclone(no_process_is_left: None) -> Iterator[Target]:
    with start_target("rclone") as target:
        yield target


@pytest.fixture(scope="session")
def seaweedfs(no_process_is_left: None) -> Iterator[Target]:
    with start_target("seaweedfs") as target:
        yield target


@pytest.fixture(
    params=["moto", "rclone", pytest.param("seaweedfs", marks=[pytest.mark.programs("weed"), pytest.mark.long])]
)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def no_aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def opened() -> Iterator[Opener]:
    stores: list[Store] = []

    def open_store(row: Candidate, endpoint: Endpoint, *, pool: int = 10) -> Store:
        stores.append(make_store(row, endpoint, pool=pool))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture(scope="session")
def shared(no_process_is_left: None) -> Iterator[dict[tuple[str, str], Store]]:
    """Stores that many tests use: making one costs more than most tests."""
    stores: dict[tuple[str, str], Store] = {}
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def store(request: pytest.FixtureRequest, target: Target, shared: dict[tuple[str, str], Store]) -> Store:
    """A store that the test must not close."""
    row: Candidate = request.param
    if (row.name, target.name) not in shared:
        shared[row.name, target.name] = make_store(row, target.endpoint)
    return shared[row.name, target.name]


@pytest.fixture
def plain_client(target: Target) -> Any:
    """botocore as it is, to look at what the stores did."""
    return client_of(target.endpoint)


@cache
def client_of(endpoint: Endpoint) -> Any:
    """Made once per server: making one costs more than most tests."""
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
    )


def pending_uploads(endpoint: Endpoint, key: str) -> list[str]:
    """Ids of the multipart uploads of ``key`` that were neither finished nor aborted."""
    client = client_of(endpoint)
    try:
        listed = client.list_multipart_uploads(Bucket=endpoint.bucket).get("Uploads", [])
    except client.exceptions.NoSuchUpload:  # rclone's answer for a bucket that never had one
        return []
    return [upload["UploadId"] for upload in listed if upload["Key"] == key]


def await_parts(endpoint: Endpoint, key: str, good_bytes: int) -> None:
    """Wait until what was given of a stream has arrived as parts, or for a moment: not all clients send parts at once.

    moto answers 500 to an abort that comes while a part is arriving. Where a client aborts by itself it asks but once.
    """
    client, wanted, end_s = client_of(endpoint), good_bytes // DEFAULT_PART_BYTES, time.monotonic() + 2
    while wanted and time.monotonic() < end_s:
        for upload in pending_uploads(endpoint, key):
            listed = client.list_parts(Bucket=endpoint.bucket, Key=key, UploadId=upload)
            if len(listed.get("Parts", [])) >= wanted:
                return
        time.sleep(0.02)


def read(store: Store, key: str) -> bytes:
    with store.open(key) as found:
        chunks = list(found.chunks)
    assert all(0 < len(chunk) <= 1024 * 1024 for chunk in chunks)
    return b"".join(chunks)


@pytest.fixture(scope="module")
def faulty(no_process_is_left: None) -> Iterator[FaultyS3]:
    with start_faults() as server:
        yield server


@pytest.fixture
def wire() -> Iterator[Wire]:
    with started() as server:
        yield server
