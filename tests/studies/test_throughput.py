"""The throughput study: what its rows mean, and that each of them can be run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from benches.studies import startup, submit_cost, throughput
from benches.studies.throughput import HAND_HASHED, HAND_WRITTEN, PUT_ALONE, SMALL_ARMS, Sample, Spec
from packhorse.bench.lab.targets import start_target
from packhorse.stores.base import Endpoint

pytestmark = pytest.mark.xdist_group("throughput")  # one server for all


def test_the_tail_is_told_of_all_calls_and_by_block() -> None:
    calm = [10_000] * 990 + [20_000] * 10
    rough = [10_000] * 900 + [900_000] * 100
    told = submit_cost.summary([calm, rough])
    assert told["calls"] == 2000
    assert told["p50_us"] == 10.0
    assert told["p99_us"] == 900.0
    assert (told["best_block_p99_us"], told["worst_block_p99_us"]) == (20.0, 900.0)
    assert told["max_us"] == 900.0


def test_ratios_are_taken_within_blocks_and_against_the_row_that_is_named() -> None:
    rates = {"uploader": (90, 45), HAND_WRITTEN: (100, 50), HAND_HASHED: (90, 50)}
    blocks = [
        [Sample(arm, rates.get(arm, (10, 10))[number], 1.0, 0.5) for arm in throughput.ARMS] for number in range(2)
    ]
    alone = [{"uploader": 5.0, "encode": 1.0, "compress": 2.0, "put": 1.0, "sha256": 1.0}] * 2
    figures = throughput._figures(blocks, alone)
    assert figures["uploader_over_hand_written"] == {"median": 0.9, "min": 0.9, "max": 0.9}
    assert figures["uploader_over_hand_written_hashed"] == {"median": 0.95, "min": 0.9, "max": 1.0}
    assert figures["uploader_cpu_over_parts"]["median"] == 1.25
    assert figures["uploader_cpu_over_hashed_parts"]["median"] == 1.0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with start_target("rclone") as target:
        yield target.endpoint


def test_every_row_of_small_captures_runs(endpoint: Endpoint) -> None:
    samples = throughput.run_arms(Spec(endpoint, SMALL_ARMS, 20_000, "browser", 1, 4, 0.01))
    assert [sample.arm for sample in samples] == list(SMALL_ARMS)
    assert all(sample.captures >= 8 for sample in samples)
    assert PUT_ALONE in SMALL_ARMS


def test_every_row_of_handing_in_runs(endpoint: Endpoint) -> None:
    spec = submit_cost.SubmitSpec(endpoint, 20_000, "api", 1, True, 50, 40, 5)
    times = submit_cost.run_block(spec)
    assert {arm: len(row) for arm, row in times.items()} == {
        "paced": 10,
        "burst": 50,
        "nothing, beside the burst's encoders": 50,
        "5 threads": 50,
        "nothing, in 5 threads": 50,
        "40 tasks": 40,
    }


def test_the_first_upload_is_timed_in_a_fresh_process(endpoint: Endpoint) -> None:
    told = startup._first_upload("redacting", asdict(endpoint), 2)
    assert told["runs"] == 2
    assert 0 < told["ready_s"] <= told["ready_worst_s"]
    assert 0 < told["first_upload_s"] <= told["first_upload_worst_s"]
