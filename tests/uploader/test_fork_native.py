"""Forks of a process that had used obstore: the child refuses it at once, and can use boto3."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stores.wire import started
from tests.uploader.reliability import ROOT


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
    stands_in = "boto3 takes its place\n" if end != "idle" else ""
    assert done.stderr.endswith(stands_in)
    assert done.stderr.count("\n") == bool(stands_in), "one log line"
