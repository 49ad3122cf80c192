"""A service that is killed: submits for ever, tells each key once it is spooled or uploaded, and dies when it may.

``python -m tests.uploader.kill_child SPOOL_DIR ENDPOINT_JSON SEED``. S3 works, refuses and hangs in turns.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

from packhorse.errors import StoreErrorKind
from packhorse.stores import obstore_sync
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import PROFILE, FakeStore, failure


def capture_of(seed: int, number: int) -> dict[str, Any]:
    """The capture that belongs to a number: small ones, and large ones that take many writes."""
    source = random.Random(f"{seed}-{number}")
    text = source.randbytes(source.choice((100, 5_000, 300_000))).hex()
    return {"log": {"entries": [{"seed": seed, "number": number, "text": text}]}}


class Weather(FakeStore):
    """A real S3 that is out now and then: by the clock, so that kills meet every kind of moment."""

    def __init__(self, endpoint: Endpoint, seed: int) -> None:
        super().__init__()
        self._real = obstore_sync.make(endpoint=endpoint, pool=8)
        self._random = random.Random(seed)

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        mood = self._random.random()
        if mood < 0.5:
            raise failure(StoreErrorKind.CONNECTION)
        if mood < 0.6:
            time.sleep(0.05)
        return self._real.put(key, body, info)


def told(ticket: Ticket) -> None:
    """Tell what is promised from now on: one write, so that a kill cannot cut it."""
    if ticket.fate in {Fate.SPOOLED, Fate.UPLOADED}:
        os.write(1, f"{ticket.fate.value} {ticket.key}\n".encode())


def main() -> None:
    folder, endpoint_json, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    endpoint = Endpoint(**json.loads(endpoint_json))
    options = UploaderOptions(
        endpoint=endpoint, store=Weather(endpoint, seed), max_attempts=1, max_in_flight=8, backoff_base_s=0.001
    )
    uploader = Uploader(
        f"s3://{endpoint.bucket}", profile=PROFILE, spool_dir=folder, memory_budget_bytes=4_000_000, options=options
    )
    with uploader:
        uploader._engine.core.scheduler.drain_pace._max_s = 0.02
        os.write(1, b"begun\n")
        number = 0
        while True:
            # Flat keys: rclone fails when many first uploads make one folder at once.
            ticket = uploader.submit(capture_of(seed, number), key=f"{seed}-{number}.json.gz", timeout_s=60)
            ticket.add_done_callback(told)
            number += 1
            time.sleep(0.001)


if __name__ == "__main__":
    main()
