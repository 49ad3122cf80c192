"""Fixtures of all hosts: an S3 that is slow or never answers, with and without a spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.host import Host
from tests.hosts.slow_s3 import SlowS3

#: Seconds of a PUT: so many that nothing could be drained by chance, or never.
PUT_S = {"slow": 1.0, "hangs": None}


@pytest.fixture(params=PUT_S)
def s3(request: pytest.FixtureRequest) -> Iterator[SlowS3]:
    with SlowS3(PUT_S[request.param]) as running:
        yield running


@pytest.fixture(params=[True, False], ids=["spool", "no-spool"])
def host(request: pytest.FixtureRequest, s3: SlowS3, tmp_path: Path) -> Host:
    return Host(tmp_path, s3, spool=request.param)
