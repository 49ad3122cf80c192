"""Memory over very many small captures: what grows with their number would end a service in a week."""

from __future__ import annotations

import gc
import resource
import sys
from itertools import pairwise
from pathlib import Path
from statistics import linear_regression

from packhorse.stores.base import ObjectInfo, PutResult
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.reliability import note, quick_and_full

MIB = 2**20


class Sink(FakeStore):
    """Keeps nothing."""

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        return PutResult("etag", len(body))


def rss_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


@quick_and_full("captures", 6_000, 200_000)
def test_memory_does_not_grow_with_the_number_of_captures(captures: int, tmp_path: Path) -> None:
    """After a warm-up of a quarter: less than 1 MiB per 100,000.

    The quick part looks at each of the other quarters: what leaks grows in every one of them, and what else goes on in
    this process, such as a client of an earlier test that is let go, does not. The full one takes the slope over 30
    looks: one look differs from the next by up to 2 MiB, since pages come and go, and two would say little.
    """
    pieces = 4 if captures < 100_000 else 40
    looks, blocks = [], []
    with Uploader("s3://bucket", profile=PROFILE, spool_dir=tmp_path, options=options(Sink())) as up:
        for piece in range(pieces):
            for number in range(captures // pieces):
                up.submit({"log": {"entries": [{"n": number}]}}, timeout_s=60)
            while up.stats().in_flight:
                pass
            if piece >= pieces // 4 - 1:
                looks.append(rss_bytes())
                blocks.append(sys.getallocatedblocks())
    assert up.stats().uploaded == captures
    slope = linear_regression(range(len(looks)), looks).slope
    per_100k = slope * pieces / captures * 100_000
    note("soak", captures=captures, grown_bytes_per_100000=per_100k, rss_bytes=looks, python_blocks=blocks)
    least = min(later - earlier for earlier, later in pairwise(looks))
    assert least < 0.6 * MIB if captures < 100_000 else per_100k < MIB
