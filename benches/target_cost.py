"""What small PUTs cost client and server, by the server's settings, as a table: ``python -m benches.target_cost``.

One body encoded beforehand, put under new keys of one folder, 16 at a time: the most that client and server reach on
these cores together. Half a minute. Where the disk is slow in making files, ``TMPDIR=/dev/shm`` keeps the objects in
memory.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import psutil

from packhorse.bench.lab import targets
from packhorse.bench.synth import sized
from packhorse.model import materialized
from packhorse.profiles.loading import load_profile
from packhorse.stores.base import ObjectInfo
from packhorse.uploader.keys import new_key

PUTS = 4000
IN_FLIGHT = 16
_CAPTURE_BYTES = 20_000
#: What is set otherwise than the target sets it, by the name of the row.
_CHANGES: Mapping[str, Mapping[str, str]] = {
    "as it is": {},
    "all cores": {"GOMAXPROCS": ""},
    "names normalized": {"RCLONE_NO_UNICODE_NORMALIZATION": "false"},
    "both, rclone's defaults": {"GOMAXPROCS": "", "RCLONE_NO_UNICODE_NORMALIZATION": "false"},
}


def table(rounds: int = 2, puts: int = PUTS) -> str:
    """A Markdown table: PUT/s and CPU time per PUT, one row per setting and round."""
    lines = ["| server | PUT/s | client, µs | server, µs | of it in the kernel, µs |", "|---|---|---|---|---|"]
    for _ in range(rounds):
        for name, changes in _CHANGES.items():
            rate, client_us, server_us, kernel_us = _measure(changes, puts)
            lines.append(f"| {name} | {rate:,.0f} | {client_us:.0f} | {server_us:.0f} | {kernel_us:.0f} |")
    return "\n".join(lines)


def _measure(changes: Mapping[str, str], puts: int) -> tuple[float, float, float, float]:
    settings = {**targets.rclone_settings(), **changes}
    with (
        mock.patch.object(targets, "rclone_settings", return_value=settings),
        targets.start_target("rclone") as target,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
    ):
        pipeline = load_profile().pipeline
        assert pipeline.store is not None
        assert target.server is not None
        store = pipeline.store.make(endpoint=target.endpoint)
        body = b"".join(pipeline.encode(materialized(sized(_CAPTURE_BYTES, 1, "browser"))))

        def put(_: int) -> None:
            result = store.put(new_key("cost", ""), body, ObjectInfo())
            assert result.bytes_sent == len(body)

        put(0)  # makes the folder, for which puts at once would race
        deque(pool.map(put, range(200)), 0)
        (server,) = psutil.Process(target.server.pid).children()
        server_before, client_s, wall_s = server.cpu_times(), time.process_time(), time.perf_counter()
        deque(pool.map(put, range(puts)), 0)
        wall_s, client_s = time.perf_counter() - wall_s, time.process_time() - client_s
        server_after = server.cpu_times()
        store.close()
    kernel_s = server_after.system - server_before.system
    server_s = server_after.user - server_before.user + kernel_s
    return puts / wall_s, client_s / puts * 1e6, server_s / puts * 1e6, kernel_s / puts * 1e6


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
