"""The throughput study: what its rows mean, and that each of them can be run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from benches.studies import startup, submit_cost, throughput
from benches.studies.throughput import ARMS, Sample, Spec, figures
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


def test_ratios_are_taken_within_rounds() -> None:
    rates = {"default": (90, 45), "bare": (100, 90), "hand": (100, 90), "common": (30, 15), "original": (9, 9)}
    samples = [Sample(n, arm, rates[arm][n], 1.0, 0.5) for n in range(2) for arm in ARMS]
    found = figures(samples)
    assert found["default/s"] == 67.5
    assert found["default / bare"] == 0.7  # of 0.9 and 0.5
    assert found["bare / hand"] == 1.0
    assert found["default / common"] == 3.0
    assert found["CPU: default / hand"] == (0.5 / 90 + 0.5 / 45) / (0.5 / 100 + 0.5 / 90)


def test_what_redaction_replaced_may_differ_and_nothing_else() -> None:
    given = {"a": ["x", {"token": "s3cret"}], "n": 1}
    redacted = {"a": ["x", {"token": "[redacted:00000000]"}], "n": 1}
    assert throughput._same(redacted, given, redacted=True)
    assert not throughput._same(redacted, given, redacted=False)
    assert not throughput._same({**redacted, "n": 2}, given, redacted=True)
    assert not throughput._same({"a": ["x"], "n": 1}, given, redacted=True)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with start_target("rclone") as target:
        yield target.endpoint


def test_every_arm_stores_what_it_was_given(endpoint: Endpoint) -> None:
    text = json.dumps({"log": {"entries": [{"request": {"url": "https://a.example/?token=s3cretvalue1"}}] * 30}})
    samples = throughput.run_capture(Spec(endpoint, "small", text.encode(), 2, 0.01, 1))
    assert {(sample.round, sample.arm) for sample in samples} == {(n, arm) for n in (1, 2) for arm in ARMS}
    assert all(sample.captures >= 8 for sample in samples)


def test_the_report_has_a_row_for_each_capture_and_for_the_worst() -> None:
    samples = [Sample(n, arm, 10, 1.0, 0.5) for n in range(2) for arm in ARMS]
    row = {"name": "one.har", "bytes": 1_500_000, **figures(samples)}
    document = {
        "command": ["packhorse", "study", "throughput"],
        "pipeline": "orjson | isal:1 | raw | obstore",
        "settings": {"in_flight": 8, "target": "rclone", "rounds": 2, "arms": throughput.ABOUT},
        "captures": [row],
        "small": {**row, "name": "small"},
        "over_captures": throughput._spread([row, {**row, "default / bare": 0.25}]),
        "submit_nowait": {"burst": {"p50_us": 9.4, "p99_us": 41.0}},
    }
    page = throughput.markdown(document)
    assert "| one.har | 1.50 | 10 |" in page
    assert re.search(r"\*\*worst\*\*.*\*\*0\.25\*\*", page)
    assert "| burst | 9 | 41 |" in page


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
