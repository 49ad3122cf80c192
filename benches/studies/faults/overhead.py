"""What a waiting capture holds beside its bytes: ``python -m benches.studies.faults.overhead`` prints it by size.

The uploader counts it as ``JOB_BYTES`` (:mod:`packhorse.uploader.prepare`), so that the memory budget also bounds
captures that are many and small.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from benches.studies.blocks import fresh
from benches.studies.faults.outage import resident_bytes
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult
from packhorse.stores.failure import check_request
from packhorse.stores.memory import MemoryStore
from packhorse.units import MIB
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

#: Captures that wait while encoding catches up, and captures that are uploaded first, so that all is made.
RAW_AHEAD, WARM = 32, 200


class _Shut(MemoryStore):
    """A store that keeps nothing, and from which no answer comes while its gate is shut."""

    def __init__(self) -> None:
        super().__init__(Endpoint("overhead"))
        self.gate = threading.Event()
        self.gate.set()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        check_request(key, info)
        self.gate.wait()
        return PutResult(key, len(body))


@dataclass(frozen=True, slots=True)
class Overhead:
    """One measurement: so much text in each capture, so many captures, and bytes of each, counted and resident."""

    text_bytes: int
    captures: int
    counted_bytes: float
    resident_bytes: float


def measure(text_bytes: int, total_bytes: int = 32 * MIB) -> dict[str, float]:
    """Let captures wait in an uploader until about ``total_bytes`` are counted, in this process, a fresh one."""
    store = _Shut()
    profile = Profile("overhead", Pipeline.parse("orjson-stream | isal:2 | raw | memory"), 4)
    options = UploaderOptions(store=store, max_in_flight=4)
    source = random.Random(text_bytes)
    texts = [source.randbytes(max(1, text_bytes // 2)).hex() for _ in range(64)]
    up = Uploader(
        "s3://overhead/x", profile=profile, redact=False, memory_budget_bytes=2 * total_bytes, options=options
    )
    try:
        for number in range(WARM):
            up.upload(_capture(texts, number))
        store.gate.clear()
        _wait_in(up, texts, total_bytes // 16)
        gc.collect()
        before, counted = resident_bytes(), up.stats()
        _wait_in(up, texts, total_bytes)
        gc.collect()
        after, stats = resident_bytes(), up.stats()
    finally:
        store.gate.set()
        up.close()
    captures = stats.in_flight - counted.in_flight
    held = (stats.held_bytes - counted.held_bytes) / captures
    return asdict(Overhead(text_bytes, captures, held, (after - before) / captures))


def _wait_in(up: Uploader, texts: list[str], held_bytes: int) -> None:
    """Submit until so much is held, all of it encoded."""
    queued, number = up._engine.core.table.queued, 0
    while up.stats().held_bytes < held_bytes or queued:
        if len(queued) < RAW_AHEAD and up.stats().held_bytes < held_bytes:
            up.submit(_capture(texts, number := number + 1))
        else:
            time.sleep(0.0005)


def _capture(texts: list[str], number: int) -> Any:
    return {"log": {"entries": [{"n": number, "response": {"content": {"text": texts[number % len(texts)]}}}]}}


def main() -> None:
    """Print a line for each size."""
    for text_bytes in (20, 2_000, 20_000, 100_000):
        found = fresh(measure, text_bytes)
        counted, resident = found["counted_bytes"], found["resident_bytes"]
        sys.stdout.write(f"{text_bytes} B of text: {resident:.0f} B resident, {counted:.0f} B counted\n")


if __name__ == "__main__":
    main()
