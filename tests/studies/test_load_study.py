"""What the load study reckons from its samples, and that its rows can be sent to other processes."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from typing import Any

import psutil
import pytest

from benches.studies.load import Aim, Steady, Via
from benches.studies.load import stall as load
from benches.studies.load.histogram import Latencies
from benches.studies.load.loops import Outcome
from benches.studies.load.recording import recorded
from benches.studies.load.report import markdown
from benches.studies.load.result import Recorder
from benches.studies.load.stall import Shape, expected, rows, summed_up
from packhorse.bench.lab.targets import start_target


def sample(response_s: float, *, corrected: bool = False) -> dict[str, Any]:
    recorder = Recorder()
    for number in range(100):
        recorder(Outcome(number / 10, number / 10, number / 10 + response_s, held=False, failure=None))
    recorder(Outcome(10.0, 10.0, 10.5, held=True, failure="timeout"))
    found = {"block": 0, **asdict(recorder.result())}
    if corrected:
        latencies = Latencies()
        latencies.record_corrected(response_s, 0.01)
        found["corrected"] = latencies.encoded
    return found


def test_blocks_become_one() -> None:
    row = summed_up([sample(0.1), sample(0.3)])
    assert (row["asked"], row["done"], row["held"], row["failed"]) == (202, 200, 2, {"timeout": 2})
    assert row["asked_per_s"] == pytest.approx(10)
    assert row["response"]["p50_s"] == pytest.approx(0.1, rel=0.01)
    assert row["response"]["p99_s"] == pytest.approx(0.3, rel=0.01)
    assert row["corrected"] == {}


def test_what_is_expected_of_a_stall() -> None:
    found = expected(Shape(20.0, 6.0))
    assert found == pytest.approx({"p90_s": 0.0, "p99_s": 1.8, "p999_s": 1.98})


def test_recorded_arrivals_have_the_rate_that_was_asked_for() -> None:
    counts = [len(recorded(50.0, 4.0, seed).at_s) for seed in range(0, 200, 2)]
    assert sum(counts) / len(counts) == pytest.approx(200, rel=0.1)
    assert recorded(50.0, 4.0, 3) == recorded(50.0, 4.0, 3) != recorded(50.0, 4.0, 5)


def test_rows_can_be_sent() -> None:
    wanted = rows(Shape(2.0, 0.5), seed=1)
    assert pickle.loads(pickle.dumps(wanted)) == wanted
    assert {row.via for row in wanted.values()} == set(Via)


def test_the_report_sets_the_loops_beside_each_other() -> None:
    measured = {load.CLOSED: summed_up([sample(0.1, corrected=True)]), load.STEADY: summed_up([sample(1.9)])}
    settings = {"capture_bytes": 100_000, "target": "rclone", "duration_s": 20.0, "blocks": 3, "stall_after_s": 6.0}
    settings |= {"stall_s": 2.0, "workers": 8, "rate_per_s": 60.0}
    document = {
        "command": ["packhorse", "study", "load"],
        "settings": settings,
        "interrupted": True,
        "rows": measured,
        "expected": expected(Shape(20.0, 6.0)),
    }
    text = markdown(document)
    assert "p99 is 100 ms by the closed loop" in text
    assert "1.9 s by the open one" in text
    assert "Interrupted" in text
    assert "1 timeout" in text
    assert markdown({**document, "rows": {}}).startswith("# What")


def test_the_server_is_stopped_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short block against a real server: the stall is in the open loop's percentiles."""
    monkeypatch.setattr(load, "STALL_S", 0.5)
    with start_target("rclone") as target:
        assert target.server is not None
        server = psutil.Process(target.server.pid).children()[0]
        aim = Aim(target.endpoint, Via.STORE, capture_bytes=20_000, captures=1)
        row = load.Row(Steady(40, 1.5), Via.STORE)
        found = load.run_block(load.Block(row, aim, Shape(1.5, 0.5), server.pid, seed=1))
        assert server.status() != psutil.STATUS_STOPPED
    figures = Latencies(found["response"]).figures()
    assert (found["asked"], found["done"]) == (60, 60)
    assert figures["max_s"] > 0.4
