from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from packhorse.bench.race import lineup
from packhorse.bench.race.clock import Cost, suspicions
from packhorse.bench.race.driver import SyncDriver, Uploads, new_key_prefix, with_pool
from packhorse.bench.race.inputs import Inputs
from packhorse.bench.race.options import Objective, RaceOptions
from packhorse.bench.race.sampling import Sampler, TooSlowError, Work, nearest_rank, prepare, rounds_for
from packhorse.bench.race.score import PutPrice, fit_price, predicted_cost
from packhorse.bench.race.spec import Arm, BlockSpec, Kind, Mode, Sample
from packhorse.bench.race.survivors import best_level, undominated
from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.pipeline import ORIGINAL, Pipeline
from packhorse.stages.base import Stage
from packhorse.stages.registry import candidates
from packhorse.stores.base import ObjectInfo, PutResult, Store

SPEC = BlockSpec(Mode.SAMPLE, (), "folder", ("a",), min_sample_s=0.05, max_sample_s=0.5)


def sample(arm: str = "a", *, wall_s: float = 1.0, captures: int = 1, bytes_out: int = 0) -> Sample:
    return Sample(arm, 0, 1, captures, wall_s, wall_s, 0.0, 0.0, 0, bytes_out, 0, 0.0, 0.0)


def test_short_work_is_repeated_and_long_work_is_not() -> None:
    cpu = Arm("a", Kind.CPU, "json | none | raw")
    assert rounds_for(0.001, cpu, 3, SPEC) == 50
    assert rounds_for(0.3, cpu, 3, SPEC) == 1
    assert rounds_for(40.0, cpu, 3, SPEC) == 1


def test_uploads_have_enough_captures_to_keep_the_workers_busy() -> None:
    arm = Arm("a", Kind.UPLOAD, ORIGINAL, in_flight=8)
    assert rounds_for(0.02, arm, 3, SPEC) == 11  # 32 uploads in 11 rounds of 3
    assert rounds_for(0.2, arm, 3, SPEC) == 6  # two per worker, above max_sample_s
    assert rounds_for(5.0, arm, 3, SPEC) == 6  # never fewer, or the arm would not have its captures in flight
    assert rounds_for(0.5, arm, 1, SPEC) == 16


def test_an_arm_too_slow_for_its_captures_in_flight_is_refused() -> None:
    arm = Arm("a", Kind.UPLOAD, ORIGINAL, in_flight=8)
    with pytest.raises(TooSlowError, match="16 captures, which 8 in flight need, would take about 64 s"):
        rounds_for(4.0, arm, 1, SPEC)


def test_slow_arms_too_are_warmed_up_with_all_their_captures_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def run(rounds: int) -> Uploads:
        done.append(rounds)
        time.sleep(0.001)
        return Uploads(0, [])

    monkeypatch.setattr("packhorse.bench.race.sampling.prepare", lambda *_: Work(run))
    arm = Arm("a", Kind.UPLOAD, ORIGINAL, in_flight=8)
    # Every round is slower than a whole sample should be.
    spec = replace(SPEC, arms=(arm,), min_sample_s=1e-6, max_sample_s=2e-6)
    events: list[dict[str, object]] = []
    Sampler(spec, Inputs([], []), events.append).run()
    assert [event["event"] for event in events] == ["start", "start", "warmup", "sample"]
    assert done == [1, 8, 16]


@pytest.mark.parametrize(("count", "rank"), [(1, 1), (50, 50), (99, 99), (100, 99), (101, 100), (200, 198), (300, 297)])
def test_the_99th_percentile_is_the_nearest_rank(count: int, rank: int) -> None:
    assert nearest_rank(0.99, count) == rank - 1


class OneFails:
    """A store whose first put fails at once while a second one is still under way."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._under_way = threading.Event()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        if body == b"fails":
            self._under_way.wait(60)
            raise StoreError("planted", kind=StoreErrorKind.SERVER)
        self._under_way.set()
        time.sleep(0.2)
        self.done.append(key)
        return PutResult("etag", len(body))


def test_no_upload_is_under_way_after_a_run_has_failed() -> None:
    store = OneFails()
    driver = SyncDriver(store, [lambda capture: capture] * 2, "p")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="planted"):
        driver.run([b"fails", b"slow"], 1)
    assert store.done == ["p-1"]


def test_a_spec_survives_the_pipe() -> None:
    spec = BlockSpec(Mode.MEMORY, (Arm("a", Kind.UPLOAD, ORIGINAL, 8, 3),), "f", ("x.har",), endpoint={"bucket": "b"})
    assert BlockSpec.from_json(spec.to_json()) == spec
    taken = sample(bytes_out=7)
    assert Sample.from_dict({**taken.as_dict(), "event": "sample"}) == taken


def test_pools_grow_to_the_concurrency_unless_the_pipeline_names_one() -> None:
    assert str(with_pool(Pipeline.parse("orjson | zstd:1 | raw | boto3"), 32)).endswith("boto3:pool=32")
    assert str(with_pool(Pipeline.parse("orjson | zstd:1 | raw | boto3"), 8)).endswith("boto3")
    assert str(with_pool(Pipeline.parse(ORIGINAL), 32)).endswith("boto3:pool=10")
    assert str(with_pool(Pipeline.parse("json | none | raw | memory"), 32)).endswith("memory")


def test_time_off_the_cpu_is_suspect_only_where_nothing_is_waited_for() -> None:
    cost = Cost(1.0, 0.5, 0.1, 0, 0, 5, 0.0, 0.4)
    assert suspicions(cost, waits=False, cores=2) == ["off the CPU for 40%"]
    assert suspicions(cost, waits=True, cores=2) == []
    stolen = Cost(1.0, 0.9, 0.1, 0, 0, 5, 0.2, 0.4)
    assert suspicions(stolen, waits=True, cores=2) == ["steal 0.20 s"]


def test_the_ceiling_is_a_line_through_two_sizes() -> None:
    arms = [Arm("s", Kind.CEILING, "", body_bytes=1000), Arm("l", Kind.CEILING, "", body_bytes=101_000)]
    price = fit_price(arms, [sample("s", wall_s=0.0011), sample("l", wall_s=0.0111)])
    assert price.wall_s == pytest.approx(0.001)
    assert price.wall_s_per_byte == pytest.approx(1e-7)
    assert price.ceiling_per_s(10_000) == pytest.approx(500)
    falling = fit_price(arms, [sample("s", wall_s=0.002), sample("l", wall_s=0.001)])
    assert falling.wall_s_per_byte == 0


def test_a_prediction_counts_what_comes_before_and_after() -> None:
    price = PutPrice(wall_s=0.001, wall_s_per_byte=1e-6, cpu_s=0, cpu_s_per_byte=0)
    cost = predicted_cost(Objective.THROUGHPUT, price, cores=2, before_s=0.004)
    assert cost(sample(wall_s=0.02, captures=2, bytes_out=2000)) == pytest.approx(0.007 + 0.001 + 0.001)


def test_base64_goes_on_only_where_it_is_cheaper_than_raw() -> None:
    costs = {"e | c | raw": [2.0], "e | c | base64-stdlib": [2.0], "f | c | base64-stdlib": [1.0]}
    assert set(undominated(costs)) == {"e | c | raw", "f | c | base64-stdlib"}


def test_a_level_is_left_only_for_a_clearly_better_one() -> None:
    assert best_level({1: 1.0, 8: 1.05, 32: 1.2}, 8) == 8
    assert best_level({1: 1.0, 8: 1.5, 32: 1.2}, 8) == 1
    assert best_level({1: 9.0, 8: 1.5, 32: 1.0, 64: 1.05}, 8) == 64


def test_every_compressor_of_the_registry_is_screened() -> None:
    for quick in (True, False):
        texts = lineup.compressor_texts(RaceOptions(quick=quick))
        assert {text.split(":")[0] for text in texts} == {row.name for row in candidates(Stage.COMPRESS)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"in_flight": (0,)},
        {"in_flight": ()},
        {"pipelines": ()},
        {"time_budget_s": 0},
        {"captures": (Path("a/x"), Path("b/x"))},
    ],
)
def test_unusable_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        RaceOptions(**wrong)  # type: ignore[arg-type]


def test_a_given_pipeline_needs_a_store() -> None:
    with pytest.raises(InputError, match="no store"):
        lineup.explicit_arms(RaceOptions(pipelines=("json | none | raw",)))
    with pytest.raises(InputError, match="no server"):
        lineup.explicit_arms(RaceOptions(pipelines=("common",), target="memory"))


class Noting:
    """A store that puts nowhere and notes the keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def put(self, key: str, body: bytes, _info: ObjectInfo) -> PutResult:
        self.keys.append(key)
        return PutResult("tag", len(body))

    def close(self) -> None:
        pass


def test_the_first_put_under_a_race_s_prefix_is_made_alone_and_before_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Noting()
    monkeypatch.setattr(
        "packhorse.bench.race.sampling.make_driver",
        lambda _pipeline, _endpoint, encode, prefix: SyncDriver(cast("Store", store), encode, prefix),
    )
    spec = replace(SPEC, key_prefix="race-1/")
    ceiling = Arm("a", Kind.CEILING, "json | none | raw | memory", in_flight=8, body_bytes=10)
    work = prepare(ceiling, spec, Inputs([{}], [b"{}"]))
    assert len(store.keys) == 1
    work.run(1)
    work.close()
    assert len(store.keys) == 65
    upload = prepare(replace(ceiling, kind=Kind.UPLOAD), spec, Inputs([{}], [b"{}"]))
    assert len(store.keys) == 65  # the ceiling came first: the clients under test are left as they are
    upload.run(1)
    upload.close()
    assert len(store.keys) == 66
    assert {key.rpartition("/")[0] for key in store.keys} == {"race-1"}
    prepare(ceiling, SPEC, Inputs([{}], [b"{}"])).close()
    assert len(store.keys) == 66  # a local server's bucket: its objects are in no folder


def test_no_two_races_share_a_prefix() -> None:
    prefixes = {new_key_prefix() for _ in range(100)}
    assert len(prefixes) == 100
    assert all(re.fullmatch(r"packhorse-race-\d{8}T\d{6}Z-[0-9a-f]{6}/", prefix) for prefix in prefixes)
