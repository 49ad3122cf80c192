"""The interpreter ends with status 0 and says nothing, after uploads through every client."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from packhorse.bench.lab.targets import Target
from packhorse.stages.base import Candidate
from tests.stores.conftest import ROWS
from tests.uploader.reliability import quick_and_full

THREADS = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from packhorse.stages import registry
from packhorse.stages.base import Stage
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.bridge import SyncBridge

row = registry.find(Stage.STORE, sys.argv[1])
make = lambda: registry.make(row, {}, endpoint=Endpoint(**json.loads(sys.argv[2])))
store = SyncBridge(make) if row.asynchronous else make()
store.put("exit/first", b"", ObjectInfo())  # makes the folder, for which puts at once would race at rclone
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda n: store.put(f"exit/{n}", bytes(100_000), ObjectInfo()), range(20)))
if sys.argv[3] == "closed":
    store.close()
"""
LOOP = """
import asyncio, json, sys
from packhorse.stages import registry
from packhorse.stages.base import Stage
from packhorse.stores.base import Endpoint, ObjectInfo

async def main():
    row = registry.find(Stage.STORE, sys.argv[1])
    store = registry.make(row, {}, endpoint=Endpoint(**json.loads(sys.argv[2])))
    await store.put("exit/first", b"", ObjectInfo())
    await asyncio.gather(*(store.put(f"exit/{n}", bytes(100_000), ObjectInfo()) for n in range(20)))
    await store.close()

asyncio.run(main())
"""


def ends_well(code: str, row: Candidate, target: Target, how: str, runs: int) -> None:
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, row.name, json.dumps(asdict(target.endpoint)), how],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@quick_and_full("runs", 1, 50)
@pytest.mark.parametrize("how", ["closed", "forgotten"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_threads(row: Candidate, how: str, rclone: Target, runs: int) -> None:
    ends_well(THREADS, row, rclone, how, runs)


@quick_and_full("runs", 1, 50)
@pytest.mark.parametrize("row", [row for row in ROWS if row.asynchronous], ids=lambda row: row.name)
def test_event_loop(row: Candidate, rclone: Target, runs: int) -> None:
    ends_well(LOOP, row, rclone, "closed", runs)
