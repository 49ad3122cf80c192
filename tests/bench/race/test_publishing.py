"""The published figure: whose it is, on what, and what its interval covers."""

from __future__ import annotations

import math

import msgspec
import pytest

from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.publishing import _spread, over, published_arms, ratios
from packhorse.bench.race.spec import Arm, Role, Sample, Way
from packhorse.bench.stats.student import t_quantile
from tests.bench.race.known import COMMON, FAST, capture, race


def drawn(times: dict[str, dict[str, float]], processes: int = 2) -> list[Sample]:
    return [
        Sample(arm, process, 0, 4, 400, 4 * wall_s, 0.1, 0.0, 40, capture=name)
        for arm, by in times.items()
        for name, wall_s in by.items()
        for process in range(processes)
    ]


def test_the_uploader_is_measured_beside_its_steps_and_what_it_replaces() -> None:
    arm = Arm(f"{FAST} @8", FAST, 8)
    arms = published_arms(RaceOptions(), [arm, Arm("other @8", FAST, 8)])
    assert [one.way for one in arms] == [*Way, Way.UPLOADER, Way.BARE, Way.BARE]
    assert [one.role for one in arms[-2:]] == [Role.REFERENCE, Role.COMMON]
    assert Way.HOT not in {one.way for one in published_arms(RaceOptions(redact=False), [arm])}


def test_ratios_are_paired_and_above_one_where_the_uploader_is_faster() -> None:
    samples = drawn({"u": {"x": 0.01, "y": 0.04}, "c": {"x": 0.03, "y": 0.04}})
    found = ratios(samples, "u", "c")
    assert found == {"x": {p: [pytest.approx(math.log(3))] for p in (0, 1)}, "y": {0: [0.0], 1: [0.0]}}
    both = over(samples, "u", "c")
    assert both is not None
    assert both.value == pytest.approx(math.sqrt(3))
    assert "cannot say how captures differ" in both.covers
    assert over(samples, "u", None) is None
    assert over(samples, "u", "nobody") is None


def test_from_three_captures_on_the_interval_covers_captures() -> None:
    samples = drawn({"u": {"x": 0.01, "y": 0.01, "z": 0.01}, "c": {"x": 0.02, "y": 0.03, "z": 0.045}})
    found = over(samples, "u", "c")
    assert found is not None
    logs = [math.log(2), math.log(3), math.log(4.5)]
    sd = math.sqrt(sum((one - sum(logs) / 3) ** 2 for one in logs) / 2)
    half = t_quantile(0.975, 2) * sd / math.sqrt(3)
    assert found.value == pytest.approx(3.0)
    assert (found.low, found.high) == pytest.approx((3 * math.exp(-half), 3 * math.exp(half)))
    assert found.covers == "3 captures and 2 processes"


def test_with_fewer_it_covers_the_rounds_about_each_captures_mean() -> None:
    samples = drawn({"u": {"x": 0.01, "y": 0.01}, "c": {"x": 0.02, "y": 0.08}})
    samples = [s if s.arm == "u" or s.process else msgspec.structs.replace(s, wall_s=s.wall_s * 1.1) for s in samples]
    found = over(samples, "u", "c")
    assert found is not None
    assert found.low is not None
    half = t_quantile(0.975, 2) * math.sqrt(4 * (math.log(1.1) / 2) ** 2 / 2) / 2
    assert math.log(found.value / found.low) == pytest.approx(half)
    assert found.value == pytest.approx(4 * math.sqrt(1.1))


def test_one_round_gives_no_interval() -> None:
    found = over(drawn({"u": {"x": 0.01}, "c": {"x": 0.02}}, processes=1), "u", "c")
    assert found is not None
    assert (found.low, found.high) == (None, None)


def test_the_record_publishes_the_uploader_and_not_the_race() -> None:
    record = race()
    assert record.published is not None
    uploader = next(row for row in record.published.results if row.way is Way.UPLOADER)
    assert record.winner.held_out is not None
    assert record.winner.held_out.captures_per_s == uploader.captures_per_s
    assert record.published.over_common is not None
    assert record.published.over_common.value == pytest.approx(3.0, rel=0.03)
    assert [one.capture for one in record.published.per_capture] == ["b.har", "c.har"]
    assert "imported as it is, 6" in record.winner.sentence
    assert any(row.pipeline == COMMON for row in record.published.results)


def test_many_held_out_captures_are_thinned_evenly_over_their_sizes() -> None:
    files = [capture(f"{size}.har", str(size)) for size in range(10)]
    sized = [type(one)(one.name, one.sha256, 100 * number, 1, {}, "given") for number, one in enumerate(files)]
    assert [one.name for one in _spread(sized[::-1], 3)] == ["1.har", "5.har", "8.har"]
    assert _spread(sized, 12) == sized
