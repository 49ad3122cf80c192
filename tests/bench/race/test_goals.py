"""Goals, conditions and options: what is read, what is refused, and what each asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from packhorse.bench.lab.link.model import Link, parse_link
from packhorse.bench.race import lineup
from packhorse.bench.race.goals import GOALS, Goal, Require, goal, meets
from packhorse.bench.race.lineup import compressor_texts
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import FULL, QUICK, RaceOptions
from packhorse.bench.race.score import LinkPrice, Predictor
from packhorse.cli import run
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline
from packhorse.stages.base import Stage
from packhorse.stages.registry import candidates


def test_goals_are_read_and_the_strong_compressors_screened_for_them() -> None:
    options = RaceOptions(also=GOALS)
    assert {one.require for one in options.goals} == {None, *Require}
    assert goal("plain", Objective.CPU) == Goal(Objective.CPU, Require.PLAIN)
    assert options.time_s > RaceOptions().time_s
    assert compressor_texts(options) == compressor_texts(RaceOptions(objective=Objective.SIZE))
    with pytest.raises(InputError, match="beauty"):
        RaceOptions(also=("beauty",))
    with pytest.raises(InputError, match="also"):
        RaceOptions(also=("size",), pipelines=("common",))


@pytest.mark.parametrize(
    "text", ["json | zlib:1 | raw", "ndjson-orjson | gzip:6 | raw", "json | gzip:6 | base64-stdlib"]
)
def test_what_is_not_one_gzip_stream_of_one_document_is_not_plain(text: str) -> None:
    assert not meets(Pipeline.parse(text), Require.PLAIN)
    assert meets(Pipeline.parse(text), None)


def test_a_client_for_threads_is_no_asyncio_one() -> None:
    assert meets(Pipeline.parse("json | gzip:6 | raw | obstore"), Require.THREADS)
    assert not meets(Pipeline.parse("json | gzip:6 | raw | obstore-async"), Require.THREADS)
    assert goal("threads", Objective.CPU) == Goal(Objective.CPU, Require.THREADS)


def test_memory_is_not_offered_to_steer_a_race(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["race", "--objective", "memory"]) == 2
    assert "'memory' is not one of" in capsys.readouterr().err


def test_every_compressor_of_the_registry_is_screened() -> None:
    for quick in (True, False):
        texts = compressor_texts(RaceOptions(quick=quick))
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


def test_quick_answers_within_a_minute_and_full_within_six() -> None:
    assert RaceOptions(quick=True).time_s <= 50
    assert RaceOptions().time_s <= 330
    assert RaceOptions(time_budget_s=17).time_s == 17
    assert RaceOptions(quick=True).effort is QUICK
    assert RaceOptions().effort is FULL
    assert RaceOptions().target == RaceOptions(quick=True).target == "rclone"


def test_the_link_has_the_price_that_was_declared() -> None:
    region = LinkPrice.of(parse_link("same-region"), 8)
    assert region.alone_s == pytest.approx(8 / 680e6)
    assert region.busy_s == pytest.approx(8 / (8 * 680e6))
    home = LinkPrice.of(parse_link("home"), 8)
    assert home.busy_s == home.alone_s == pytest.approx(8 / 20e6)
    assert LinkPrice.of(Link(), 8) == LinkPrice()


@pytest.mark.parametrize(
    ("objective", "cost"),
    [
        (Objective.THROUGHPUT, 0.020 / 2 + 1000 * 1e-6),
        (Objective.LATENCY, 0.020 + 1000 * 4e-6),
        (Objective.CPU, 0.020),
        (Objective.SIZE, 1000),
    ],
)
def test_a_pipeline_is_predicted_from_cpu_and_declared_bytes_alone(objective: Objective, cost: float) -> None:
    assert Predictor(objective, LinkPrice(1e-6, 4e-6), cores=2)(0.020, 1000) == pytest.approx(cost)
