"""Streaming keeps memory flat, and the shape and the writer keep to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import har_entry

pytestmark = pytest.mark.xdist_group("read-memory")  # the large files are made once

MIB = 1 << 20
#: Far below the 30 MB file and the about 60 MB that it takes as objects; far above what reads and one entry need.
BOUND_BYTES = 12 * MIB
MEASURE = """
import resource, sys
from packhorse.captures.read import open_capture
from packhorse.captures.write import write_har
from packhorse.bench.shape.capture import shape
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def run(path):
    with open_capture(path) as opened:
        {action}
run(sys.argv[1])
before = peak()
run(sys.argv[2])
print(peak() - before)
"""
ACTIONS = {
    "entries": "assert sum(1 for entry in opened.stream.entries) > 10",
    "write": "write_har(opened.stream, path + '.copy')",
    "shape": "shape(opened.stream, with_ratios=True)",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small capture to warm up with, and one of 30 MB; both have a key after the entries."""
    folder = tmp_path_factory.mktemp("sizes")
    entry = json.dumps(har_entry(1, content={"text": "<p>text</p>" * 500})).encode()
    small, large = folder / "small.har", folder / "large.har"
    for path, count in ((small, 100), (large, 30 * 10**6 // len(entry))):
        path.write_bytes(b'{"log":{"entries":[' + b",".join([entry] * count) + b'],"version":"1.2"}}')
    return small, large


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("exact", [False, True])
def test_a_large_capture_streams_in_little_memory(files: tuple[Path, Path], action: str, exact: bool) -> None:
    without = "import sys; sys.modules['ijson'] = None\n" if exact else ""
    code = without + MEASURE.format(action=ACTIONS[action])
    done = subprocess.run([sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < BOUND_BYTES
