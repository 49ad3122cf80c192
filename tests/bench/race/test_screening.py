"""The screening: what is checked, what is timed, and who goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.race import screener
from packhorse.bench.race.bench import Bench, Findings
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.progress import Silent
from packhorse.bench.race.racers import NotEligible
from packhorse.bench.race.screener import Candidate, Screener, ScreenTask, level_takes_effect
from packhorse.bench.race.screening import Screening, Whole, preferred
from packhorse.pipeline import Choice
from packhorse.stages.base import Stage
from tests.bench.race.known import capture
from tests.bench.race.test_racers import Told

CANDIDATES = [
    ("encode", "json"),
    ("encode", "orjson-stream"),
    ("compress", "zlib:1"),
    ("compress", "none"),
    ("store", "memory"),
]


def task(folder: Path, *candidates: tuple[str, str], **more: Any) -> ScreenTask:
    (folder / "a.har").write_text(json.dumps({"log": {"entries": [{"n": i} for i in range(200)]}}))
    found = tuple(Candidate(*one) for one in candidates)
    given = {"limit_s": 5.0, "passes": 2, "bytes_a_pass": 10_000, "time_s": 20.0, "in_flight": 2, **more}
    return ScreenTask(found, str(folder), ("a.har",), None, "p-", **given)


def test_every_candidate_is_timed_in_turns(tmp_path: Path) -> None:
    told = Told()
    Screener(task(tmp_path, *CANDIDATES), told).run()
    assert not told.of("error")
    turns = [(one["stage"], one["text"]) for one in told.of("screened")]
    assert turns[: len(CANDIDATES)] == CANDIDATES
    for one in told.of("screened"):
        assert one["sample"].raw_bytes > 0
        assert one["sample"].bytes_out > 0


def test_of_equal_predictions_those_that_store_less_go_on_whichever_came_out_lowest() -> None:
    rest = [Whole("u", 1.2, 10, 1), Whole("v", 1.15, 20, 3)]
    for low, high in ((1.0, 1.04), (1.04, 1.0)):
        equal = [Whole("x", low, 50, 7), Whole("y", high, 50, 2), Whole("z", 1.03, 49, 9)]
        assert [whole.text for whole in preferred([*equal, *rest])] == ["z", "y", "x", "v", "u"]


def test_what_changes_a_capture_or_has_no_levels_is_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    monkeypatch.setattr(screener, "parsed", lambda _: {"n": {1: 2}})  # JSON knows no such keys
    Screener(task(tmp_path, ("encode", "json"), ("compress", "zlib:1")), told).run()
    assert [one["arm"] for one in told.of("error")] == ["encode/json"]
    assert "equal data" in told.of("error")[0]["error"]
    choice = Choice.parse(Stage.COMPRESS, "zstd:1")
    level_takes_effect(choice, json.dumps(list(range(3000))).encode())
    with pytest.raises(NotEligible, match="no effect"):
        level_takes_effect(choice, b"a")


def test_a_candidate_too_slow_for_a_capture_is_left_out_and_named(tmp_path: Path) -> None:
    told = Told()
    one = task(tmp_path, ("compress", "bz2:9"), limit_s=1e-9)
    (tmp_path / "b.har").write_text(json.dumps([1] * 4000))
    Screener(
        ScreenTask(**{name: getattr(one, name) for name in one.__struct_fields__} | {"captures": ("a.har", "b.har")}),
        told,
    ).run()
    assert "for the capture of" in told.of("slow")[0]["reason"]
    assert not told.of("screened")


class Scripted(Screening):
    """A screening whose child says what a test wants."""

    figures: dict[tuple[str, str], tuple[float, int]]

    def _measure(self, candidates: Any) -> Any:
        from packhorse.bench.race.record_types import StageRow
        from packhorse.bench.race.screener import Screened

        rows = {Candidate(*one): StageRow(one[1], None, None, None, None, 0) for one in self.figures}
        samples = {Candidate(*one): [Screened(1, 1_000_000, cpu, cpu, out)] for one, (cpu, out) in self.figures.items()}
        return rows, samples


FIGURES = {
    ("encode", "orjson-stream"): (0.002, 1_000_000),
    ("encode", "json-iterencode"): (0.009, 1_000_000),
    ("encode", "orjson"): (0.001, 1_000_000),
    ("compress", "zstd:1"): (0.003, 100_000),
    ("compress", "isal:1"): (0.002, 120_000),
    ("compress", "gzip:6"): (0.020, 90_000),
    ("base64", "base64-stdlib"): (0.001, 130_000),
    ("store", "obstore"): (0.0005, 100_000),
    ("store", "boto3"): (0.002, 100_000),
    ("store", "obstore-async"): (0.0004, 100_000),
}


def finalists(**more: Any) -> tuple[list[str], Findings]:
    options = RaceOptions(quick=True, **more)
    found = Findings(captures=[capture()])
    screening = Scripted(options, Bench("f", None, "p", (), 1, Silent(), found), cores=2)
    screening.figures = FIGURES
    return [arm.name for arm in screening.run()], found


def test_the_best_pipelines_go_on_behind_the_best_client_and_other_clients_behind_the_best_pipeline() -> None:
    arms, found = finalists()
    assert arms[0] == "orjson-stream | isal:1 | raw | obstore-async @8"
    assert arms[1:3] == [f"orjson-stream | {one} | raw | obstore-async @8" for one in ("zstd:1", "gzip:6")] or (
        arms[1].endswith("obstore-async @8")
    )
    assert "orjson-stream | isal:1 | raw | obstore @8" in arms
    assert "orjson-stream | isal:1 | raw | boto3 @8" in arms
    assert not any(one.startswith("orjson |") for one in arms)  # holds whole captures
    assert not any("base64" in one for one in arms)
    predicted = {row.candidate: row.predicted for row in found.stages["encode"]}
    assert predicted["orjson"] is None
    assert predicted["orjson-stream"] == min(value for value in predicted.values() if value is not None)


def test_whole_buffers_may_win_where_they_are_allowed_and_levels_get_arms() -> None:
    arms, _ = finalists(whole=True, in_flight=(8, 32))
    assert arms[0].startswith("orjson | isal:1")
    assert "orjson | isal:1 | raw | obstore-async @32" in arms


def test_goals_take_what_they_need_to_the_finals() -> None:
    arms, found = finalists(also=("plain", "text", "threads"))
    plain = {name for name in found.for_goals if "gzip:6" in name or "isal:1" in name}
    assert plain
    assert len(found.for_text) == 1
    assert next(iter(found.for_text)).startswith("orjson-stream | isal:1 | base64-stdlib")
    assert "orjson-stream | isal:1 | raw | obstore @8" in found.for_goals  # for threads
    assert found.for_goals <= set(arms)
