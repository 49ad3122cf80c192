"""The child process of the finals, run in this one: samples, bundles, fresh objects, and what fails."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.race import hot_path, lineup, racers
from packhorse.bench.race.hot_path import Lanes, Put, bare_parts, parsed, with_pool
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.racers import Racers, captures_in_sample, nearest_rank
from packhorse.bench.race.spec import Arm, Role, Task, Way
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.pipeline import ORIGINAL, Pipeline
from packhorse.redact import Redactor
from packhorse.stores.base import Endpoint
from packhorse.stores.memory import make

FAST, SLOW = "json | zlib:1 | raw | memory", "json | zlib:6 | raw | memory"
SECRET = "hunter2hunter2"


class Told:
    """The parent's end, in the same process."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def receive(self) -> Any:
        raise EOFError

    def send(self, message: Any) -> None:
        self.messages.append(message)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.messages if one["event"] == kind]


def task(folder: Path, *arms: Arm, **more: Any) -> Task:
    names = ("a.har", "b.har")
    for number, name in enumerate(names, 1):
        entries = [{"request": {"url": f"https://x.test/{i}"}} for i in range(40 * number)]
        (folder / name).write_text(json.dumps({"log": {"entries": entries}}))
    given = {"rounds": 3, "time_s": 20.0, "sample_s": 0.005, "check": True, **more}
    return Task(arms, str(folder), names, **given)


def arm(pipeline: str = FAST, in_flight: int = 2, **more: Any) -> Arm:
    return Arm(f"{pipeline} @{in_flight}", pipeline, in_flight, **{"way": Way.UNREDACTED, **more})


def test_rounds_have_a_sample_of_every_arm_on_the_same_captures(tmp_path: Path) -> None:
    told = Told()
    preset = arm("json-iterencode | zlib:6 | base64-stdlib | memory", role=Role.REFERENCE, way=Way.BARE)
    Racers(task(tmp_path, arm(), arm(SLOW), preset), told).run()
    assert not told.of("error")
    rounds = told.of("round")
    assert len(rounds) >= 3
    for one in rounds:
        assert sorted(s.arm for s in one["samples"]) == sorted([arm().name, arm(SLOW).name])
        assert len({(s.captures, s.raw_bytes) for s in one["samples"]}) == 1
        for sample in one["samples"]:
            assert sample.wall_s > 0
            assert sample.bytes_out > 0
            assert sample.round == one["index"]
    assert len(told.of("preset")) == 1  # one short sample, whatever the rounds
    assert {one["sample"].arm for one in told.of("warmup")} == {arm().name, arm(SLOW).name, preset.name}


def test_no_object_is_ever_encoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    whole = bare_parts

    def watched(pipeline: Pipeline, store: Any) -> Any:
        run = whole(pipeline, store)

        def noting(capture: Any, key: str) -> Put:
            seen.append(capture)  # kept, so that no two have one address
            return run(capture, key)

        return noting

    monkeypatch.setattr(racers, "bare_parts", watched)
    Racers(task(tmp_path, arm(way=Way.BARE)), Told()).run()
    assert len({id(one) for one in seen}) == len(seen) > 6


def test_a_publications_samples_are_of_one_capture_each(tmp_path: Path) -> None:
    told = Told()
    Racers(task(tmp_path, arm(way=Way.BARE), arm(way=Way.UPLOADER, in_flight=3), apart=True, rounds=2), told).run()
    assert not told.of("error")
    samples = [s for one in told.of("round") for s in one["samples"]]
    assert {s.capture for s in samples} == {"a.har", "b.har"}
    assert {s.arm for s in samples} == {arm().name, arm(in_flight=3).name}
    assert all(s.captures >= 2 for s in samples)


@pytest.mark.parametrize(
    ("size", "once_s", "wanted"),
    [
        (1_000_000, 0.006, 13),  # not 33: parsing takes time; and never as few as cores because of that
        (20_000, 0.0005, 300),
        (1_000_000, 0.5, 2),  # the original design
        (3_000_000, 0.03, 2),  # eight of them are more than may be parsed
        (1_500_000, 0.03, 8),
    ],
)
def test_copies_of_a_publications_sample(tmp_path: Path, size: int, once_s: float, wanted: int) -> None:
    racers_ = Racers(task(tmp_path, arm(in_flight=8), apart=True, sample_s=0.2), Told())
    racers_._texts, racers_._cores = [b" " * size], 2
    racers_._once_s[arm(in_flight=8).name] = once_s
    copies = racers_._copies(arm(in_flight=8).name, 0)
    assert copies is not None
    assert len(copies) == wanted


def test_what_fails_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, calls = hot_path.Lanes.upload, {"n": 0}

    def upload(self: Lanes, captures: Any) -> Any:
        calls["n"] += len(self._runs) == 3
        if len(self._runs) == 3 and calls["n"] > 4:
            raise StoreError("planted", kind=StoreErrorKind.SERVER)
        return whole(self, captures)

    monkeypatch.setattr(hot_path.Lanes, "upload", upload)
    told = Told()
    Racers(task(tmp_path, arm(), arm(in_flight=3), arm("json | none | raw | boto9")), told).run()
    errors = {one["arm"]: one["error"] for one in told.of("error")}
    assert set(errors) == {arm(in_flight=3).name, "json | none | raw | boto9 @2"}
    assert "planted" in errors[arm(in_flight=3).name]
    assert {s.arm for s in told.of("round")[-1]["samples"]} == {arm().name}


def test_a_pipeline_that_changes_a_capture_is_not_eligible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packhorse.codec.Codec.decode", lambda *_, **__: {"other": 1})
    told = Told()
    Racers(task(tmp_path, arm()), told).run()
    assert "does not come back as equal data" in told.of("error")[0]["error"]
    assert not told.of("round")


@pytest.mark.parametrize(
    ("once_s", "wanted"),
    [(0.001, 150), (0.02, 8), (0.05, 8), (0.06, 3), (0.2, 2), (5.0, 2)],
)
def test_samples_are_short_and_keep_all_in_flight_busy_where_that_is_short(once_s: float, wanted: int) -> None:
    assert captures_in_sample(once_s, 8, 0.15, 2) == wanted


@pytest.mark.parametrize(("count", "rank"), [(1, 1), (50, 50), (99, 99), (100, 99), (101, 100), (200, 198), (300, 297)])
def test_the_99th_percentile_is_the_nearest_rank(count: int, rank: int) -> None:
    assert nearest_rank(0.99, count) == rank - 1


def test_the_hot_path_redacts_the_encoded_bytes() -> None:
    capture = {"log": {"entries": [{"request": {"headers": [{"name": "Authorization", "value": f"Bearer {SECRET}"}]}}]}}
    for text in ("json | none | raw | memory", "ndjson-orjson | none | raw | memory"):
        pipeline = Pipeline.parse(text)
        bodies: dict[Way, bytes] = {}
        for way, redactor in ((Way.HOT, Redactor(key=b"k")), (Way.UNREDACTED, None)):
            store = make(endpoint=Endpoint("b"))
            put = hot_path.hot_path(pipeline, redactor, store)(capture, "key")
            with store.open("key") as stored:
                bodies[way] = b"".join(stored.chunks)
            assert put.stored_bytes == len(bodies[way])
        assert SECRET.encode() in bodies[Way.UNREDACTED]
        assert SECRET.encode() not in bodies[Way.HOT]


@pytest.mark.parametrize("line", ["orjson | none | raw | memory", "ndjson-orjson | none | raw | memory"])
def test_the_hot_path_redacts_whatever_the_wire(line: str) -> None:
    pipeline = Pipeline.parse(line)
    store = hot_path.make_store(pipeline, Endpoint("bucket"))
    capture = {"log": {"entries": [{"request": {"url": "https://a.example/?token=s3cretvalue1&page=2"}}]}}
    hot_path.hot_path(pipeline, Redactor(key=b"race"), store)(capture, "redacted")
    hot_path.hot_path(pipeline, None, store)(capture, "plain")
    with store.open("redacted") as redacted, store.open("plain") as plain:
        assert b"s3cretvalue1" not in (stored := b"".join(redacted.chunks))
        assert b"page=2" in stored
        assert b"s3cretvalue1" in b"".join(plain.chunks)
        assert redacted.info.metadata["packhorse-plain-crc32"] == f"{zlib.crc32(stored):08x}"


def test_any_capture_can_be_parsed_afresh() -> None:
    for value in ({"a": "é"}, {"body": "\ud800"}, {"n": 10**30}):
        assert parsed(json.dumps(value).encode()) == value
    text = b'{"a":["x"]}'
    assert parsed(text) is not parsed(text)


def test_pools_grow_to_the_concurrency_unless_the_pipeline_names_one() -> None:
    assert str(with_pool(Pipeline.parse("orjson | zstd:1 | raw | boto3"), 32)).endswith("boto3:pool=32")
    assert str(with_pool(Pipeline.parse("orjson | zstd:1 | raw | boto3"), 8)).endswith("boto3")
    assert str(with_pool(Pipeline.parse(ORIGINAL), 32)).endswith("boto3:pool=10")
    assert str(with_pool(Pipeline.parse("json | none | raw | memory"), 32)).endswith("memory")


def test_presets_are_loops_written_by_hand_at_one_concurrency() -> None:
    found = lineup.presets(RaceOptions(in_flight=(4, 8, 16)))
    assert [(one.role, one.way, one.in_flight) for one in found] == [
        (Role.REFERENCE, Way.BARE, 8),
        (Role.COMMON, Way.BARE, 8),
    ]
    assert all(one.pipeline.endswith("| memory") for one in lineup.presets(RaceOptions(target="memory")))
