"""The parallelism study: its figures on rows with known answers, its bounds, and small real runs of every way."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from benches.studies.parallelism import bounded, logs, run
from benches.studies.parallelism.backlog import Backlog
from benches.studies.parallelism.level import quantiles, run_level, set_gc
from benches.studies.parallelism.markdown import markdown
from benches.studies.parallelism.pictures import pictures
from benches.studies.parallelism.plan import Case, Plan
from benches.studies.parallelism.shape import TaskShape, feeds, task_shape
from benches.studies.parallelism.spec import WAYS, Level, Variant
from benches.studies.parallelism.summary import goals, growth_per_s, knee, next_level, summarize
from packhorse.bench.lab.targets import Target, start_target
from packhorse.errors import InputError
from packhorse.units import MIB

pytestmark = pytest.mark.xdist_group("parallelism")  # one server for all

SMALL = TaskShape(
    duration_s=0.1, steps=2, wait_jitter=0.5, cpu_s=0.001, capture_bytes=60_000, capture_kinds=("browser", "api"),
    resident_bytes=100_000, log_lines_per_step=1,
)  # fmt: skip


def _row(way: str, parallelism: int, stretch: list[float], late: list[float] | None = None, **more: Any) -> Any:
    cpu = {"wall_s": 2.0, "tasks_s": 0.5, "logging_s": 0.25, "rest_of_loop_s": 0.25, "other_threads_s": 1.0}
    return {
        "way": way, "parallelism": parallelism, "how": "finished", "stretch": stretch, "stretch_at_least": late or [],
        "cpu": {**cpu, "gc_s": 0.5, "gc_collections": 8.0}, "upload_s": [0.1, 0.3], "upload_s_at_least": [5.0],
        "uploads_stored": 6,
        "backlog": 1, "backlog_bytes": 10, "peak_rss_bytes": 100, "lag_s": {"p99": 0.2, "max": 1.0},
        "failures": {}, "samples": [], **more,
    }  # fmt: skip


def test_ratio_is_mean_stretch_over_that_of_one_task_and_counts_unfinished_ones() -> None:
    rows = [_row("floating", 1, [1.0, 1.0]), _row("floating", 10, [2.0], [4.0]), _row("floating", 10, [3.0, 3.0])]
    figures = summarize(rows)["floating"][10]
    assert figures["ratio"] == pytest.approx(3.0)
    assert figures["ratio_at_least"] is True
    assert figures["ratio_range"] == [pytest.approx(3.0), pytest.approx(3.0)]
    assert figures["tasks_per_s"] == pytest.approx(3 / 2.0 / 2)
    assert figures["stored_per_s"] == pytest.approx(3.0)
    assert figures["gc_share"] == pytest.approx(0.25)
    assert figures["logging_share_of_cpu"] == pytest.approx(0.125)
    assert figures["upload_max_s"] == 5.0


def test_a_level_that_was_ended_early_has_no_ratio_and_ends_the_knee() -> None:
    ended = {"way": "floating", "parallelism": 3, "how": "memory bound", "backlog": 7, "backlog_bytes": 70,
             "peak_rss_bytes": 900, "samples": []}  # fmt: skip
    levels = summarize([_row("floating", 1, [1.0]), ended, _row("floating", 10, [1.0])])["floating"]
    assert levels[3]["ratio"] is None
    assert levels[3]["ended"] == "memory bound"
    assert knee(levels) == 1


@pytest.mark.parametrize(
    ("ratios", "expected", "closer"),
    [
        ({1: 1.0, 10: 1.05, 30: 1.1, 100: 1.2}, 30, 55),
        ({1: 1.0, 10: 1.3, 30: 1.0}, 1, 3),
        ({1: 1.0, 10: 1.0}, 10, None),
        ({1: 1.0, 30: 1.0, 35: 1.2}, 30, None),
        ({}, None, None),
    ],
)
def test_the_knee_and_where_to_look_closer(ratios: dict[int, float], expected: int | None, closer: int | None) -> None:
    levels = {parallelism: {"ratio": ratio} for parallelism, ratio in ratios.items()}
    assert knee(levels) == expected
    assert next_level(levels) == closer


def test_goals_are_judged_by_packhorse_as_it_comes() -> None:
    rows = [_row("floating", n, [s]) for n, s in ((1, 1.0), (10, 2.0))]
    rows += [_row("packhorse", n, [s]) for n, s in ((1, 1.0), (9, 1.0), (30, 1.2))]
    rows += [_row("packhorse, gc tuned", n, [1.0]) for n in (1, 30)]
    found = goals(summarize(rows))
    assert found["knees"] == {"floating": 1, "packhorse": 9, "packhorse, gc tuned": 30}
    assert found["ratio_at_goal"]["met"] is False
    # The original's knee lies from 1 to 9: packhorse's gain from 9 / 9 to 29 / 1, which does not decide.
    assert found["knee_times_original"]["met"] is None
    assert found["knee_times_original"]["measured"]["packhorse"] == {"low": 1.0, "high": 29.0}
    assert found["knee_times_original"]["measured"]["packhorse, gc tuned"] == {
        "low": pytest.approx(30 / 9),
        "high": None,
    }
    assert goals({})["ratio_at_goal"]["met"] is None


@pytest.mark.parametrize(
    ("original", "ours", "met"),
    [
        ({1: 1.0, 5: 1.0, 6: 2.0}, {1: 1.0, 60: 1.0, 100: 2.0}, True),
        ({1: 1.0, 9: 1.0, 10: 2.0}, {1: 1.0, 50: 1.0, 80: 2.0}, False),
        ({1: 1.0, 5: 1.0, 7: 2.0}, {1: 1.0, 60: 1.0, 74: 2.0}, True),  # 6 at the most: a knee is a whole number
        ({1: 1.0, 5: 1.0, 8: 2.0}, {1: 1.0, 60: 1.0, 74: 2.0}, None),
        ({1: 1.0, 10: 2.0}, {1: 1.0, 60: 1.0}, None),  # coarse levels must not pass for a gain of 60
        ({1: 1.0, 10: 1.0}, {1: 1.0, 100: 1.0}, None),  # no bad level of the original: its knee has no bound
    ],
)
def test_a_gain_counts_only_as_far_as_the_levels_bound_it(
    original: dict[int, float], ours: dict[int, float], met: bool | None
) -> None:
    rows = [
        _row(way, n, [s]) for way, levels in (("floating", original), ("packhorse", ours)) for n, s in levels.items()
    ]
    assert goals(summarize(rows))["knee_times_original"]["met"] is met


def test_growth_is_the_slope_over_the_second_half() -> None:
    samples = [(float(t), 0, 0, 0, 100 if t < 5 else 3 * t, 0, 0, 0.0) for t in range(10)]
    assert growth_per_s({"samples": samples}) == pytest.approx(3.0)
    assert growth_per_s({"samples": samples[:1]}) == 0.0


def test_quantiles_are_values_that_occurred() -> None:
    assert quantiles([]) == {}
    assert quantiles([float(n) for n in range(1, 101)]) == {"p50": 50.0, "p99": 100.0, "max": 100.0}


def test_a_task_description_names_what_is_wrong() -> None:
    assert task_shape().steps >= 1
    with pytest.raises(InputError, match="'what' is unknown"):
        task_shape("what = 1\n")
    with pytest.raises(InputError, match="missing"):
        task_shape("steps = 1\n")


def test_backlog_counts_what_is_handed_over_and_not_stored() -> None:
    backlog = Backlog()
    for number in range(3):
        backlog.begin(number, 100)
    backlog.end(0)
    backlog.end(1, "StoreError")
    assert backlog.look() == (1, 100)
    assert (backlog.stored, dict(backlog.failures), len(backlog.ages_s())) == (1, {"StoreError": 1}, 1)


@pytest.mark.parametrize("name", [name for name in logs.LOGGERS if name != "none"])
def test_every_logger_writes_lines_with_or_without_the_payload(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    sink = io.StringIO()
    monkeypatch.setattr(logs, "_sink", lambda: sink)
    log = logs.logger(name)
    assert log is not None
    log(7, 3, [{"secret": "payload"}])
    assert ("payload" in sink.getvalue().replace("'payload'", "")) == name.endswith("+payload")
    assert sink.getvalue().count("\n") == 1


def test_gc_modes_do_what_they_say() -> None:
    before = gc.get_threshold()
    try:
        set_gc("freeze+thresholds")
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() != before
        set_gc("off")
        assert not gc.isenabled()
        with pytest.raises(ValueError, match="sideways"):
            set_gc("sideways")
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        gc.enable()


# --- bounded processes ------------------------------------------------------------------------------------------------


def _grow(step_bytes: int, send: Callable[[Any], None]) -> None:
    held = []
    while True:
        held.append(b"x" * step_bytes)
        send(len(held))
        time.sleep(0.01)


def _sleep(seconds: float, send: Callable[[Any], None]) -> str:
    send("asleep")
    time.sleep(seconds)
    return "awake"


def _fail(text: str, send: Callable[[Any], None]) -> None:
    send(1)
    raise ValueError(text)


def _exit(status: int, send: Callable[[Any], None]) -> None:
    del send
    sys.exit(status)


def test_a_process_that_grows_is_ended_at_its_bound_and_its_samples_are_kept() -> None:
    outcome = bounded.run_bounded(_grow, 8 * MIB, memory_bytes=200 * MIB, time_s=60)
    assert outcome.how == bounded.MEMORY
    assert outcome.samples == list(range(1, len(outcome.samples) + 1))
    assert outcome.peak_rss_bytes < 400 * MIB


def test_one_allocation_beyond_the_hard_limit_fails_instead_of_filling_the_machine() -> None:
    outcome = bounded.run_bounded(_grow, 4096 * MIB, memory_bytes=300 * MIB, time_s=60)
    assert outcome.how == bounded.MEMORY
    assert outcome.samples == []


def test_a_process_that_hangs_is_ended_and_one_that_ends_says_how() -> None:
    assert bounded.run_bounded(_sleep, 600.0, memory_bytes=500 * MIB, time_s=3).how == bounded.TIME
    awake = bounded.run_bounded(_sleep, 0.0, memory_bytes=500 * MIB, time_s=60)
    assert (awake.how, awake.result, awake.samples) == (bounded.FINISHED, "awake", ["asleep"])
    failed = bounded.run_bounded(_fail, "told", memory_bytes=500 * MIB, time_s=60)
    assert (failed.how, failed.error, failed.samples) == (bounded.DIED, "ValueError: told", [1])
    assert bounded.run_bounded(_exit, 3, memory_bytes=500 * MIB, time_s=60).how == bounded.DIED


# --- real runs --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rclone() -> Iterator[Target]:
    with start_target("rclone") as target:
        yield target


@pytest.mark.needs("orjson | isal | raw | obstore", "orjson | gzip | raw | boto3", "orjson | gzip | raw | aiobotocore")
@pytest.mark.parametrize("way", [*WAYS, "quick"])
def test_every_way_stores_captures_and_leaves_a_whole_row(way: str, rclone: Target) -> None:
    level = Level(
        way, 4, rclone.endpoint, SMALL, feeds(SMALL, 1), Variant(logging="stdlib"), warmup_s=0.3, window_s=1.0
    )
    outcome = bounded.run_bounded(run_level, level, memory_bytes=1024 * MIB, time_s=60)
    assert (outcome.how, outcome.error) == (bounded.FINISHED, "")
    row = outcome.result
    assert row["uploads_stored"] > 0
    assert row["failures"] == {}
    assert all(stretch >= 1.0 for stretch in row["stretch"])
    assert row["cpu"]["tasks_s"] > 0
    assert row["cpu"]["logging_s"] > 0
    assert len(outcome.samples) >= 3
    json.dumps(row)


@pytest.mark.needs("orjson | isal | raw | obstore", "orjson | gzip | raw | boto3", "orjson | gzip | raw | aiobotocore")
def test_an_interrupted_study_keeps_what_it_has_and_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan((1,), 0, 1, 0.2, 0.5, (Case("gc", "off", "packhorse", 2, Variant(gc="off")),))
    monkeypatch.setattr(run, "QUICK", plan)
    monkeypatch.setattr(run, "task_shape", lambda: replace(SMALL, resident_bytes=0))
    told: list[float] = []

    def progress(done: float) -> None:
        told.append(done)
        if len(told) == len(WAYS) + 1:  # after the last case but before the end
            raise KeyboardInterrupt

    document = run.study(quick=True, seed=1, progress=progress)
    assert document["interrupted"] is True
    assert set(document["levels"]) == set(WAYS)
    assert [case["name"] for case in document["cases"]] == ["off"]
    whole = {"name": "parallelism", "quick": True, "command": ["packhorse"], "machine": {"cores_usable": 2}, **document}
    whole = json.loads(json.dumps(whole))
    text = markdown(whole)
    assert "Interrupted" in text
    assert "**not decided**" in text  # the goal at 30 tasks
    drawn = pictures(whole)
    assert drawn.keys() == {"latency", "cpu", "backlog"}
    assert all(name in text for name in (f"study-parallelism-{picture}.svg" for picture in drawn))
