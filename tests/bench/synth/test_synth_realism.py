"""The realism check: percentiles, ratios, and the order of pipelines, with times given by the test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.race.thread_time import thread_seconds
from packhorse.bench.realism.compare import METRICS, compare, metrics_of, run_compare
from packhorse.bench.realism.order import PIPELINES, agreement, measure_order
from packhorse.bench.synth import synthesize
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline


def flat(value: float, **other: float) -> dict[str, float]:
    return {**dict.fromkeys(METRICS, value), **other}


def written(folder: Path, name: str, seed: int, kind: str = "headers") -> Path:
    path = folder / name
    path.write_text(json.dumps(synthesize(12, seed, kind).materialize()))
    return path


def test_rows_hold_quartiles_and_the_band() -> None:
    rows = {row.metric: row for row in compare([flat(2), flat(3), flat(9)], [flat(1), flat(2), flat(3), flat(4)])}
    assert rows["hosts"].synthetic == (2.5, 3, 6)
    assert rows["hosts"].real == (1.75, 2.5, 3.25)
    assert rows["hosts"].in_band
    assert rows["hosts"].off == pytest.approx(0.2)


def test_what_leaves_the_band_is_named(tmp_path: Path) -> None:
    same = run_compare([written(tmp_path, "a.har", 1)], [written(tmp_path, "b.har", 1)])
    assert same.passed
    assert same.agreement is None
    assert not same.outside
    other = run_compare([written(tmp_path, "c.har", 1, "browser")], [written(tmp_path, "b.har", 1)])
    assert not other.passed
    assert {"body_share", "gzip6"} <= set(other.outside)
    assert "gzip6" in other.ratios_off
    assert "| body_share |" in other.to_markdown()
    assert json.loads(json.dumps(other.to_plain()))["passed"] is False


def test_order_of_pipelines_decides_too(tmp_path: Path) -> None:
    file = written(tmp_path, "a.har", 1)
    speeds = iter([1.0, 2.0, 3.0, 3.0, 2.0, 1.0])
    found = run_compare([file], [file], timer=lambda *_: next(speeds), pipelines=("a", "b", "c"), rounds=1)
    assert found.agreement is not None
    assert found.agreement.tau == pytest.approx(-1)
    assert not found.passed
    assert "τ = -1.000" in found.to_markdown()


def test_rounds_are_interleaved_and_medians_count() -> None:
    calls: list[str] = []

    def timer(pipeline: str, captures: Sequence[Any]) -> float:
        calls.append(pipeline)
        return 100.0 if len(calls) == 1 else {"a": 1.0, "b": 4.0}[pipeline] * captures[0]

    assert measure_order(("a", "b"), [1, 4], timer, rounds=3) == pytest.approx([2, 8])
    assert "".join(calls) == "aabb" + "bbaa" + "aabb"


def test_agreement_is_kendalls_tau() -> None:
    names = ("a", "b", "c", "d")
    assert agreement(names, (1, 2, 3, 4), (10, 20, 30, 40)).tau == pytest.approx(1)
    assert agreement(names, (1, 2, 3, 4), (20, 10, 30, 40)).tau == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="one time each"):
        agreement(names, (1, 2), (1, 2, 3, 4))


def test_one_side_may_not_be_empty() -> None:
    with pytest.raises(InputError, match="at least one"):
        compare([], [flat(1)])


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_default_pipelines_can_be_timed(pipeline: str) -> None:
    assert str(Pipeline.parse(pipeline))
    assert thread_seconds(pipeline, [{"a": [1, 2, 3]}]) >= 0


def test_metrics_are_those_of_the_shape() -> None:
    assert tuple(metrics_of(synthesize(4, 1))) == METRICS
