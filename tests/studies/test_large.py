"""The study of large captures: what its rows mean, and that each of them can be run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from benches.studies import large
from benches.studies.large import iterator as large_iterator
from benches.studies.large import loop as large_loop
from benches.studies.large.iterator import Timed
from benches.studies.large.loop import Watch
from packhorse.bench.lab.targets import start_target
from packhorse.stores.base import Endpoint


def test_an_upload_is_beside_the_slower_of_its_parts_within_each_block() -> None:
    blocks = [(1.0, 2.0, 2.2), (4.0, 3.0, 4.0), (1.0, 1.0, 1.5)]
    rows = [
        Timed(f"{part}, {how}", wall_s, int(wall_s * 100))
        for block in blocks
        for how in large_iterator.HOWS
        for part, wall_s in zip(large_iterator.PARTS, block, strict=True)
    ]
    found = large_iterator.figures(rows)["redacting"]
    assert found["uploader_over_the_slower"] == {"median": 1.1, "min": 1.0, "max": 1.5}
    assert (found["encode_s"], found["send_s"], found["uploader_s"]) == (1.0, 2.0, 2.2)
    assert found["uploader_peak_bytes"] == 400


def test_the_worst_moment_is_told_with_its_own_wait_for_a_core() -> None:
    rows = [Watch("here", 1.0, 500, 1, 0.006, 0.001), Watch("here", 1.0, 500, 3, 0.009, 0.008)]
    told = large._loop_figures(rows)
    assert (told["lag_max_s"], told["of_it_in_a_queue_for_a_core_s"]) == (0.009, 0.008)
    assert told["late_ticks_per_1000"] == 4.0
    assert told["lag_median_of_max_s"] == 0.0075


def test_a_loop_that_is_held_is_seen() -> None:
    async def hold() -> None:
        await asyncio.sleep(0.02)
        time.sleep(0.05)  # what must never happen

    watch = asyncio.run(large_loop.watch("here", hold))
    assert watch.lag_max_s >= 0.04
    assert watch.late_ticks >= 1
    assert watch.ticks >= watch.late_ticks


def test_the_report_says_what_the_record_holds() -> None:
    loop = large._loop_figures([Watch("here", 1.0, 500, 1, 0.006, 0.001)])
    rows = [Timed(arm, 1.5, 42_000_000) for arm in large_iterator.ARMS]
    told = large.markdown(
        {
            "command": ["packhorse", "study", "large"],
            "settings": {
                "pipeline": "json | gzip:1 | raw | boto3",
                "target": "a server",
                "blocks": 1,
                "loop_capture_bytes": 57_000_000,
                "iterator_capture_bytes": 100_000_000,
            },
            "event_loop": {"here": loop},
            "iterator": {"loopback": large_iterator.figures(rows)},
        }
    )
    assert "| here | 1 | 6 ms | 6 ms | 1 ms | 2 |" in told
    assert "| loopback | redacting | 1.5 s | 1.5 s | 1.5 s | 1.00 (1.00 to 1.00) | 42 MB |" in told
    assert "57 MB go up" in told


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with start_target("rclone") as target:
        yield target.endpoint


def test_every_arm_beside_a_loop_runs(endpoint: Endpoint) -> None:
    watched = large_loop.run_block(large_loop.Spec(endpoint, large_loop.ARMS, 200_000, 1, 1))
    assert [row.arm for row in watched] == list(large_loop.ARMS)
    assert all(row.ticks > 0 for row in watched)


def test_every_arm_of_an_iterator_runs(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_iterator, "DIFFERENT_BYTES", 300_000)
    timed = large_iterator.run_block(large_iterator.Spec(endpoint, large_iterator.ARMS, 1_000_000, 1))
    assert [row.arm for row in timed] == list(large_iterator.ARMS)
    assert all(row.wall_s > 0 for row in timed)
