"""Forks of a process that had used obstore: the child takes boto3; obstore itself refuses it at once."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores import obstore_async, obstore_forks, obstore_sync
from packhorse.stores.base import Endpoint, ObjectInfo
from tests.stores.wire import started
from tests.uploader.reliability import ROOT

ENDPOINT = Endpoint("bucket", "http://127.0.0.1:1", "us-east-1", "key", "secret")


@pytest.mark.parametrize("end", ["open", "closed", "idle"])
@pytest.mark.parametrize("store", ["obstore", "obstore-async"])
def test_a_child_takes_boto3_if_its_parent_had_used_obstore(store: str, end: str) -> None:
    """It says so once for each uploader. Otherwise it uses obstore, as the parent does afterwards."""
    with started() as server:
        command = [sys.executable, "-m", "tests.uploader.fork_child", store, end, server.endpoint().url or ""]
        alone = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False, timeout=240)
    parent = ["parent: 1"] if end != "closed" else []
    assert (done.returncode, done.stdout.splitlines()) == (0, ["child: 0", *parent]), done.stderr
    said = done.stderr.splitlines()
    uploaders = {"idle": 0, "closed": 3, "open": 4}[end]
    assert [line for line in said if "uploads with boto3" not in line] == []
    assert len(said) == uploaders


def entered(*_: Any, **__: Any) -> None:
    raise AssertionError("native code was entered")


def test_the_store_itself_refuses_before_its_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    store = obstore_sync.make(endpoint=ENDPOINT, pool=1)
    assert not obstore_forks.lost()
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a child
    for entrance in (
        "packhorse.stores.obstore_config.S3Store",
        "packhorse.stores.obstore_patience.S3Store",
        "obstore.put",
    ):
        monkeypatch.setattr(entrance, entered)
    for made in (obstore_sync.make, obstore_async.make):
        with pytest.raises(StoreError, match="make the first uploader after the fork") as caught:
            made(endpoint=ENDPOINT, pool=1)
        assert caught.value.kind is StoreErrorKind.CONFIG
    for size in (0, 10_000_000):
        with pytest.raises(StoreError, match="its native threads do not live on"):
            store.put("key", bytes(size), ObjectInfo())
