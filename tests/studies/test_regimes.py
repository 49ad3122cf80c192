"""The regime map: its model on networks with known answers, and one real point."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

from benches.studies import regimes
from benches.studies.parallelism.bounded import FINISHED, Outcome, run_bounded
from benches.studies.regimes.check import Point, completion_rate
from benches.studies.regimes.model import (
    NO_COST,
    Conditions,
    LinearCost,
    StageRates,
    interpolated,
    mean_value,
    predict,
    winners,
)
from benches.studies.regimes.rates import (
    COMPRESSORS,
    captures_of,
    line_through,
    measure_rates,
    pipelines,
    plain_bytes_of,
)
from benches.studies.regimes.report import bandwidth, markdown, pictures

FREE = LinearCost(0.0, 0.0)


def _conditions(**more: Any) -> Conditions:
    given: dict[str, Any] = {
        "bandwidth_bit_s": 1e15, "answer_s": 0.0, "cores": 1, "in_flight": 1000, "put": FREE, **more,
    }  # fmt: skip
    return Conditions(**given)


def test_one_customer_goes_round_in_the_sum_of_all_times() -> None:
    assert mean_value([0.1, 0.2], 0.7, 1) == pytest.approx(1.0)


def test_two_equal_stations_give_the_known_share() -> None:
    # A balanced closed network of k stations: n / (n + k - 1) of the capacity (Lazowska et al. 1984, section 5.4).
    for customers, stations in itertools.product((1, 2, 5, 50), (1, 2, 4)):
        expected = customers / (customers + stations - 1) / 0.1
        assert mean_value([0.1] * stations, 0.0, customers) == pytest.approx(expected)


def test_many_customers_are_held_up_by_the_slowest_station_alone() -> None:
    assert mean_value([0.1, 0.25, 0.05], 3.0, 2000) == pytest.approx(4.0, rel=1e-6)


def test_without_stations_only_the_pause_counts() -> None:
    assert mean_value([0.0], 0.5, 10) == pytest.approx(20.0)


def test_the_link_limits_where_bytes_are_many() -> None:
    found = predict(StageRates(1e6, 0.001, 0.001, 1e6), _conditions(bandwidth_bit_s=8e6, overhead_bytes=500.0))
    assert found.captures_per_s == pytest.approx(1e6 / (1e6 + 500), rel=0.01)
    assert found.bottleneck == "link"


def test_cores_limit_where_compression_is_slow_and_more_cores_help() -> None:
    rates = StageRates(1e6, 0.001, 0.099, 1e3)
    one, four = (predict(rates, _conditions(cores=cores)) for cores in (1, 4))
    assert (one.bottleneck, four.bottleneck) == ("cores", "cores")
    assert one.captures_per_s == pytest.approx(10.0, rel=0.01)
    assert four.captures_per_s == pytest.approx(40.0, rel=0.01)


def test_the_encoder_limits_however_many_cores_there_are() -> None:
    found = predict(StageRates(1e6, 0.01, 0.01, 1e3), _conditions(cores=32))
    assert found.bottleneck == "encode"
    assert found.captures_per_s == pytest.approx(100.0, rel=0.01)


def test_few_in_flight_wait_for_answers() -> None:
    found = predict(StageRates(1e6, 1e-6, 1e-6, 1e3), _conditions(answer_s=0.1, in_flight=5))
    assert found.captures_per_s == pytest.approx(50.0, rel=0.01)
    assert found.bottleneck == "in flight"


def test_a_server_on_the_same_cores_takes_its_share_and_latency_is_the_sum() -> None:
    rates = StageRates(1e6, 0.0, 0.01, 1e6)
    put, server = LinearCost(0.005, 1e-8), LinearCost(0.025, 0.0)
    alone = predict(rates, _conditions(put=put))
    shared = predict(rates, _conditions(put=put, others=server))
    assert alone.captures_per_s == pytest.approx(1 / 0.025, rel=0.01)
    assert shared.captures_per_s == pytest.approx(1 / 0.05, rel=0.01)
    slow = predict(rates, _conditions(put=put, answer_s=0.5, bandwidth_bit_s=1e9, connection_bit_s=8e6))
    assert slow.latency_s == pytest.approx(0.01 + 0.015 + 0.5 + 1.0)


def test_more_bandwidth_or_more_in_flight_never_slow_anything_down() -> None:
    rates = StageRates(1e6, 0.002, 0.01, 2e5)
    by_link = [predict(rates, _conditions(bandwidth_bit_s=10.0**n, in_flight=8)).captures_per_s for n in range(5, 11)]
    by_flight = [predict(rates, _conditions(answer_s=0.03, in_flight=n, cores=2)).captures_per_s for n in range(1, 30)]
    assert by_link == sorted(by_link)
    assert by_flight == sorted(by_flight)


def test_rates_between_sizes_are_straight_in_logarithms_and_per_byte_beyond() -> None:
    points = {10.0: StageRates(10, 1.0, 1.0, 5.0), 1000.0: StageRates(1000, 100.0, 10_000.0, 50.0)}
    middle = interpolated(points, 100)
    assert [middle.encode_s, middle.compress_s] == pytest.approx([10.0, 100.0])
    assert middle.out_bytes == pytest.approx(math.sqrt(250))
    assert interpolated(points, 1000) == points[1000.0]
    assert interpolated(points, 2000).out_bytes == pytest.approx(100.0)
    assert interpolated(points, 5).encode_s == pytest.approx(0.5)


def test_winners_are_all_within_the_tolerance_best_first() -> None:
    assert winners({"a": 9.6, "b": 10.0, "c": 9.4}, 0.05) == ["b", "a"]


def test_a_line_through_two_costs_never_goes_below_zero() -> None:
    cost = line_through({10: 0.2, 110: 1.2})
    assert cost.seconds(60) == pytest.approx(0.7)
    assert line_through({10: 0.5, 110: 0.4}).per_byte_s == 0.0


def test_a_rate_is_that_of_completions_within_the_window() -> None:
    assert completion_rate([0.1, 1.0, 1.5, 2.0, 9.0], 0.5, 3.0) == {"captures": 3.0, "captures_per_s": 2.0}
    with pytest.raises(ValueError, match="longer"):
        completion_rate([1.0, 2.0], 0.0, 3.0)


def test_small_captures_are_cut_from_the_generators_smallest() -> None:
    small, large = plain_bytes_of(10_000, 1), plain_bytes_of(20_000, 1)
    assert small < large
    assert all(capture["log"]["entries"] for capture in captures_of(10_000, 1))


def test_bandwidths_are_written_for_people() -> None:
    assert (bandwidth(30), bandwidth(25_000)) == ("30 Mbit/s", "25 Gbit/s")


def _rates() -> dict[str, list[dict[str, Any]]]:
    """A light and a strong compressor with round figures."""

    def row(size: float, seconds: float, times: float) -> dict[str, Any]:
        return {"plain_bytes": size, "encode_s": size * 1e-9, "compress_s": size * seconds, "out_bytes": size / times,
                "scaled": False}  # fmt: skip

    costs = {"none": (1e-12, 1.0), "isal:2": (3e-9, 4.0), "brotli:11": (2e-6, 8.0)}
    return {name: [row(size, *cost) for size in (1e4, 1e8)] for name, cost in costs.items()}


def test_the_map_gives_narrow_links_to_strong_compressors_and_wide_ones_to_light_ones() -> None:
    work = regimes.Work(rates=_rates())
    rows = regimes.cells(work.stage_rates, NO_COST, 500.0)
    assert len(rows) == len(regimes.CORES) * len(regimes.SIZES) * len(regimes.BANDWIDTHS_MBIT)
    at = {(row["cores"], row["plain_bytes"], row["mbit"]): row["winners"][0] for row in rows}
    assert at[(2, 1_000_000, 1.0)] == "brotli:11"
    assert at[(2, 1_000_000, 1000.0)] == "isal:2"
    assert at[(1, 100_000_000, 25_000.0)] == "none"


def test_checks_count_errors_and_right_winners() -> None:
    def check(mbit: float, predicted: float, measured: float | None, *, winner: bool) -> dict[str, Any]:
        return {"plain_bytes": 1, "mbit": mbit, "predicted_winner": winner, "predicted_captures_per_s": predicted,
                "measured_captures_per_s": measured}  # fmt: skip

    found = regimes.checked([
        check(1, 11, 10, winner=True), check(1, 9, 9, winner=False),  # right
        check(2, 10, 5, winner=True), check(2, 8, 8, winner=False),  # wrong, and off by 100 %
        check(3, 1, None, winner=True),
    ])  # fmt: skip
    assert (found["points"], found["runs"], found["failed"], found["winner_right_at"]) == (2, 4, 1, 1)
    assert found["worst_absolute_error"] == pytest.approx(1.0)
    assert found["median_absolute_error"] == pytest.approx(0.0)


@pytest.mark.needs("orjson-stream | isal:2 | raw | obstore", "orjson-stream | brotli:9 | raw | obstore")
def test_one_real_point_is_predicted_and_measured_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regimes, "QUICK_POINTS", (Point(20_000, 2.0),))
    monkeypatch.setattr(regimes, "ALSO_CHECKED", ("none",))

    def rates(function: Any, spec: Any, **bounds: Any) -> Outcome:
        if function is measure_rates:
            return Outcome(FINISHED, _rates())
        return run_bounded(function, spec, **bounds)

    monkeypatch.setattr(regimes, "run_bounded", rates)
    told: list[float] = []
    document = regimes.study(quick=True, seed=1, progress=told.append)
    assert document["checked"]["failed"] == 0, document["checks"]
    none = next(row for row in document["checks"] if row["pipeline"] == "none")
    overhead_bytes = document["put_cpu"]["10000"]["overhead_bytes"]
    assert 300 < overhead_bytes < 3000
    # 20 kB over 2 Mbit/s: the link decides, by arithmetic; how far off the machine's noise may bring it is not.
    assert none["predicted_captures_per_s"] == pytest.approx(
        2e6 / 8 / (plain_bytes_of(20_000, 1) + overhead_bytes), rel=0.1
    )
    assert none["measured_captures_per_s"] > 0
    assert told[-1] == 1.0
    whole = {"name": "regimes", "quick": True, "command": ["packhorse"], "machine": {}, **document}
    whole = json.loads(json.dumps(whole))
    text = markdown(whole)
    assert "Predictions against real runs" in text
    assert pictures(whole).keys() == {"throughput", "latency"}


def test_every_compared_pipeline_is_usable_or_says_why_not() -> None:
    usable, missing = pipelines()
    assert set(usable) | set(missing) == set(COMPRESSORS)
    assert all(missing.values())
