"""Forks of a process that had used obstore: the child refuses it at once, and can use boto3."""

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
def test_a_child_refuses_obstore_at_once_if_its_parent_had_used_it(store: str, end: str) -> None:
    """Otherwise it uses it, as the parent does afterwards; and boto3 always."""
    with started() as server:
        command = [sys.executable, "-m", "tests.uploader.fork_child", store, end, server.endpoint().url or ""]
        alone = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False, timeout=240)
    parent = ["parent: 1"] if end != "closed" else []
    assert (done.returncode, done.stdout.splitlines()) == (0, ["child: 0", *parent]), done.stderr
    assert done.stderr == ""


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
