"""Forks of a process that had used obstore: the child takes boto3; obstore itself refuses it at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stores.wire import started
from tests.uploader.reliability import ROOT


@pytest.mark.parametrize("end", ["open", "closed", "idle"])
@pytest.mark.parametrize("store", ["obstore", "obstore-async"])
def test_a_child_takes_boto3_if_its_parent_had_used_obstore(store: str, end: str) -> None:
    """It says so once. Otherwise it uses obstore, as the parent does afterwards."""
    with started() as server:
        command = [sys.executable, "-m", "tests.uploader.fork_child", store, end, server.endpoint().url or ""]
        alone = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False, timeout=240)
    parent = ["parent: 1"] if end != "closed" else []
    assert (done.returncode, done.stdout.splitlines()) == (0, ["child: 0", *parent]), done.stderr
    said = done.stderr.splitlines()
    assert [line for line in said if "boto3" not in line] == []
    assert bool(said) == (end != "idle")
