"""The study of threads and processes: every way makes the engine's bodies, and what its figures and sentences mean."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from benches.studies.processes import markdown
from benches.studies.processes.arms import (
    AGAIN,
    ARMS,
    KEPT,
    NOTHING,
    ONE,
    ORJSON,
    PICKLE,
    TEXT_ARMS,
    TEXT_PROCESSES,
    THREADS,
    TURNS,
    Sample,
    lanes,
    scene,
    timed,
)
from benches.studies.processes.beside import lateness, looping, waking
from benches.studies.processes.costs import StartSpec, captures_of, hand_over, held_s, run_start
from benches.studies.processes.encoding import Encoding, redactions
from benches.studies.processes.figures import model, summed_up, suspect
from benches.studies.processes.run import Spec, _taken, run_block
from benches.studies.processes.worker import Worker, Workers
from packhorse.errors import CaptureError

SMALL = ("api", 20_000)


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with Workers(2) as each:
        yield each


def test_every_way_makes_the_bodies_of_the_engine(workers: list[Worker]) -> None:
    now = scene(captures_of(*SMALL, 1, 2), "plain")
    for arm in (*ARMS, *TEXT_ARMS):
        each = lanes(arm, now, workers)
        assert len(each) == (1 if arm == ONE else 2)
        sample = timed(each, workers, 0.001)
        assert sample.captures >= len(each)
        assert sample.captures_per_s > 0
        assert sample.parent_cpu_s > 0
        assert sample.workers_cpu_s > 0 or arm in {ONE, THREADS, AGAIN, TURNS, TEXT_ARMS[0]}


@pytest.mark.parametrize("arm", [THREADS, PICKLE, ORJSON, TEXT_PROCESSES])
def test_another_body_stops_the_study(workers: list[Worker], arm: str) -> None:
    now = scene(captures_of(*SMALL, 1, 2), "off")
    with pytest.raises(AssertionError, match="another body"):
        lanes(arm, replace(now, bodies=[now.bodies[0], now.bodies[0]]), workers)


def test_secrets_are_removed_alike_in_workers(workers: list[Worker]) -> None:
    capture = {"log": {"entries": [{"request": {"headers": [{"name": "Authorization", "value": "Bearer hunter22"}]}}]}}
    for redaction in redactions():
        body = workers[0].body("pickle", redaction, capture)
        assert body == Encoding(redaction).body(capture)
        assert (Encoding(redaction).decoded(body) == capture) == (redaction == "off")


def test_nothing_is_encoded_for_as_long(workers: list[Worker]) -> None:
    sample = timed(lanes(NOTHING, scene([], "off"), workers), workers, 0.01)
    assert sample.captures == 0
    assert sample.wall_s >= 0.01


def test_a_pace_is_kept(workers: list[Worker]) -> None:
    now = scene(captures_of(*SMALL, 1, 2), "off")
    sample = timed(lanes(THREADS, now, workers), workers, 0.1, pause_s=0.06)
    assert 2 <= sample.captures <= 4


def test_a_lane_that_fails_spoils_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _: None)

    def fail(_: int) -> int:
        raise CaptureError("no")

    with pytest.raises(RuntimeError, match="failed"):
        timed([fail], [], 0.01)


def test_a_worker_outlives_a_capture_that_cannot_be_encoded(workers: list[Worker]) -> None:
    with pytest.raises(RuntimeError, match="CaptureError"):
        workers[0].body("text", "off", b"{no json")
    assert workers[0].body("text", "off", b"[1]") == Encoding("off").body([1])


def test_workers_end_with_their_context() -> None:
    found: list[Worker] = []

    def begin() -> None:
        with Workers(1) as each:
            found.extend(each)
            each[0].ready()
            raise CaptureError("no")

    with pytest.raises(CaptureError):
        begin()
    assert found[0]._process.returncode == 0
    found[0].close()


def test_a_suspect_sample_is_taken_once_more_and_both_are_kept() -> None:
    calm = Sample(100.0, 1, 0.01, 0.0, steal_s=0.0, others_busy_s=0.0, wall_s=1.0)
    spoiled = replace(calm, others_busy_s=1.0)
    for given, kept in (([calm, calm], [False]), ([spoiled, calm], [True, False]), ([spoiled] * 3, [True, False])):
        left = iter(given)
        rows = list(_taken(lambda left=left: next(left), waking))  # type: ignore[misc]
        assert [row["retaken"] for row in rows] == kept
        assert [row["others_busy_s"] for row in rows] == [sample.others_busy_s for sample in given[: len(kept)]]


def test_lateness_is_told_at_the_tail_and_of_a_work_of_any_length() -> None:
    told = lateness([0.001] * 98 + [0.005, 0.007])
    assert (told.wakes, told.p99_s, told.max_s) == (100, 0.007, 0.007)
    assert waking(lambda: None).late.wakes >= 1
    loop = looping(lambda: time.sleep(0.01))
    assert loop.requests_per_s > 0
    assert loop.late.wakes >= 1


def test_handing_over_and_holding_cost_something() -> None:
    now = scene(captures_of(*SMALL, 1, 2), "off")
    costs = hand_over(now)
    assert costs["orjson_bytes"] == len(now.text[0])
    assert all(value > 0 for value in costs.values())
    assert held_s(now) > 0


def test_a_start_is_told_with_its_memory() -> None:
    told = run_start(StartSpec("off", 20_000, "api", 1))
    assert 0 < told["ready_s"] <= told["first_s"]
    assert 1e6 < told["private_bytes"] <= told["resident_bytes"]


def test_more_cores_are_bounded_by_the_parents_gil() -> None:
    arms = {
        THREADS: {"parent_cpu_s": 0.010, "workers_cpu_s": 0.0},
        PICKLE: {"parent_cpu_s": 0.002, "workers_cpu_s": 0.014},
        ORJSON: {"parent_cpu_s": 0.008, "workers_cpu_s": 0.020},
    }
    told = model(arms, 0.008)
    assert told["threads_at_most_per_s"] == pytest.approx(125)
    pickle = told[PICKLE]
    assert pickle["at_most_per_s"] == pytest.approx(500)
    assert pickle["pays_from_cores"] == pytest.approx(2)
    # 2 cores: 125 captures each. 4: 250 against the GIL's 125. 16: 500, the parent's GIL, against 125.
    assert pickle["over_threads_by_cores"] == pytest.approx({"2": 1, "4": 2, "8": 4, "16": 4})
    assert told[ORJSON]["pays_from_cores"] is None  # its parent holds the GIL as long as threads do


def test_a_sample_beside_others_is_suspect() -> None:
    calm = {"wall_s": 1.0, "steal_s": 0.05, "others_busy_s": 0.15}
    assert not suspect(calm)
    assert suspect({**calm, "steal_s": 0.07})
    assert suspect({**calm, "others_busy_s": 0.25})
    assert not suspect({"wall_s": 0.01, "steal_s": 0.02, "others_busy_s": 0.02})  # a tick or two say nothing


@pytest.fixture
def thawed() -> Iterator[None]:
    """A block freezes what its process holds; this one has other tests to run."""
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_the_report_is_made_of_the_rows_alone() -> None:
    rows: dict[str, list[dict[str, Any]]] = {"samples": [], "loop": [], "costs": [], "starts": []}
    for number in range(2):
        block = run_block(Spec(number, 1, ("off", "plain"), (SMALL,), SMALL, 0.01))
        for table, found in block.items():
            rows[table] += [{"block": number, **row} for row in found if not row.get("retaken")]
    start = {"ready_s": 0.25, "first_s": 0.5, "cpu_s": 0.2, "private_bytes": 2e7, "resident_bytes": 3e7}
    rows["starts"].append({"block": 0, "redaction": "off", **start})
    for row in rows["samples"]:  # what threads and a pickling parent reach, twice as much in the second block
        row["captures_per_s"] = {THREADS: 100, PICKLE: 50, KEPT: 150}.get(row["arm"], 100) * (row["block"] + 1)
    spoiled = {**rows["samples"][0], "captures_per_s": 1e9, "retaken": True}
    rows["samples"].insert(0, spoiled)
    figures = summed_up(rows)
    assert [(cell["case"], cell["redaction"]) for cell in figures["cells"]] == [
        ("api, 20 KB", "off"),
        ("api, 20 KB", "plain"),
    ]
    assert [TURNS in cell["arms"] for cell in figures["cells"]] == [False, True]
    assert figures["cells"][0]["arms"][PICKLE]["over"] == {"arm": THREADS, "median": 0.5, "min": 0.5, "max": 0.5}
    assert figures["timed_samples"] == len(rows["samples"]) - 1 + len(rows["loop"])
    assert figures["retaken_samples"] == 1
    assert all(arm["captures_per_s"] <= 300 for cell in figures["cells"] for arm in cell["arms"].values())
    settings = {"blocks": 2, "sample_s": 0.01, "cores": 2, "pipeline": "a | b", "loop_case": "api", "paced_per_s": 20.0}
    document = {"command": ["packhorse", "study", "processes"], "settings": settings, **figures}
    text = markdown(document)
    assert (
        f"* {PICKLE}: 0.5× to 0.5× the rate of {THREADS}; more in all blocks in 0 of 2 cells, less in all blocks in 2"
        in text
    )
    assert f"* {KEPT}: 1.5× to 1.5× the rate" in text
    assert "within 0.0 % of its twin's" in text
    assert "| off | 250 ms | 500 ms | 200 ms | 20 MB | 30 MB |" in text
    assert text == markdown(document)
