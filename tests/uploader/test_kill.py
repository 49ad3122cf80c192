"""``kill -9`` at random points: what was promised is in S3 after the next process has run, whole, under its key."""

from __future__ import annotations

import gzip
import json
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from packhorse.bench.lab.targets import Target, start_target
from packhorse.errors import CorruptObjectError, StoreError
from packhorse.stores import obstore_sync
from packhorse.stores.base import Store
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE
from tests.uploader.kill_child import capture_of
from tests.uploader.reliability import ROOT, note, quick_and_full

pytestmark = pytest.mark.xdist_group("kill")  # one server for all

SEED = 20_000
#: The latest moment of a kill after the service has begun; the first captures are submitted at once.
LATEST_S = 0.6


PROFILE_S3 = type(PROFILE)("test", PROFILE.pipeline.parse("json:chunk=64KiB | gzip:1 | raw | obstore"), 8)


@pytest.fixture(scope="module")
def s3() -> Iterator[Target]:
    with start_target("rclone") as target:
        yield target


def killed(folder: Path, s3: Target, seed: int, after_s: float) -> dict[str, str]:
    """Run the service, kill it after some time; returns what it had promised: fate by key."""
    endpoint = json.dumps(asdict(s3.endpoint))
    command = [sys.executable, "-m", "tests.uploader.kill_child", str(folder), endpoint, str(seed)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"begun\n"
        end_s = time.monotonic() + after_s
        said = b""
        while (left_s := end_s - time.monotonic()) > 0:
            if select.select([child.stdout], [], [], left_s)[0]:
                said += child.stdout.read1(65_536)  # type: ignore[attr-defined]
    finally:
        child.send_signal(signal.SIGKILL)
    said += child.stdout.read()
    assert child.wait(30) == -signal.SIGKILL
    child.stdout.close()
    return {key: fate for fate, _, key in (line.partition(" ") for line in said.decode().splitlines())}


def stored(store: Store, key: str) -> object:
    with store.open(key) as found:
        return json.loads(gzip.decompress(b"".join(found.chunks)))


@quick_and_full("kills", 10, 200)
def test_kill_9_loses_nothing_that_was_fsynced(kills: int, s3: Target, tmp_path: Path) -> None:
    source = random.Random(SEED)
    store = obstore_sync.make(endpoint=s3.endpoint, pool=8)
    totals: Counter[str] = Counter()
    problems: list[str] = []
    for run in range(kills):
        folder = tmp_path / str(run)
        promised = killed(folder, s3, SEED + run, source.uniform(0.0, LATEST_S))
        totals.update(promised.values())
        on_disk = {path.name for path in folder.rglob("*.capture")}
        options = UploaderOptions(endpoint=s3.endpoint)
        with Uploader(f"s3://{s3.endpoint.bucket}", profile=PROFILE_S3, spool_dir=folder, options=options) as up:
            pass
        look = up.stats().spool
        assert look is not None
        totals.update(adopted=look.adopted, recovered=look.uploaded, quarantined=look.quarantined, files=len(on_disk))
        left = [path.name for path in folder.rglob("*") if path.is_file()]
        problems += [f"run {run}: left on disk: {name}" for name in left]
        for key, fate in promised.items():
            try:
                right = stored(store, key) == capture_of(SEED + run, int(key.partition("-")[2].partition(".")[0]))
            except (StoreError, CorruptObjectError, OSError, ValueError) as error:
                problems.append(f"run {run}: {key}, {fate}: {type(error).__name__}")
            else:
                problems += [] if right else [f"run {run}: {key}, {fate}: another capture"]
    store.close()
    note("kill -9", runs=kills, problems=len(problems), **totals)
    assert problems == []
    assert totals["adopted"] == totals["recovered"] == totals["files"]
    assert totals["spooled"] > 0
    assert totals["adopted"] > 0
