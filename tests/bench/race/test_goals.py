"""Further goals of a race: who goes to the finals for them, and what readers may require."""

from __future__ import annotations

import pytest

from packhorse.bench.race.findings import Findings
from packhorse.bench.race.goals import GOALS, Goal, Require, goal, meets
from packhorse.bench.race.lineup import compressor_texts, upload_arm
from packhorse.bench.race.options import Objective, RaceOptions
from packhorse.bench.race.outcome import choices
from packhorse.bench.race.phase import Cost, PhaseData
from packhorse.bench.race.score import PutPrice, predicted_cost, upload_cost
from packhorse.bench.race.spec import Arm, Kind, Sample
from packhorse.bench.race.survivors import best_clients, for_goal, for_threads
from packhorse.cli import run
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline

#: Wall and CPU seconds and bytes of each stage alone.
ENCODERS = {"orjson-stream": (0.002, 1000), "json": (0.009, 1000)}
COMPRESSORS = {"zstd:1": (0.003, 400), "isal:1": (0.002, 500), "gzip:6": (0.02, 380), "lzma:6": (0.3, 300)}
CARRIERS = {"base64-stdlib": (0.0005, 660), "base64-pybase64": (0.0001, 660)}


def phase(stage: str, rows: dict[str, tuple[float, int]]) -> PhaseData:
    texts = {"encode": "{} | none | raw", "compress": "json | {} | raw", "base64": "json | none | {}"}
    data = PhaseData(stage)
    for name, (wall_s, bytes_out) in rows.items():
        arm = Arm(f"{stage}/{name}", Kind(stage), texts[stage].format(name))
        data.arms[arm.name] = arm
        data.samples.append(Sample(arm.name, 0, 1, 1, wall_s, wall_s, 0.0, 0.0, 0, bytes_out, 0, 0.0, 0.0))
    return data


@pytest.fixture
def phases() -> dict[str, PhaseData]:
    found = {
        "encode": phase("encode", ENCODERS),
        "compress": phase("compress", COMPRESSORS),
        "base64": phase("base64", CARRIERS),
    }
    found["compress"].dropped["compress/lzma:6"] = "100x the best's cost after 1 block(s)"
    return found


def chosen(wanted: Goal, phases: dict[str, PhaseData]) -> list[str]:
    price = PutPrice(1e-3, 0.0, 1e-4, 0.0)

    def predicted(before_s: float) -> Cost:
        return predicted_cost(wanted.objective, price, cores=2, before_s=before_s)

    return for_goal(wanted, phases, predicted, lambda _: True)


def test_the_smallest_go_on_even_where_another_objective_had_stopped_measuring_them(
    phases: dict[str, PhaseData],
) -> None:
    assert chosen(Goal(Objective.SIZE), phases) == ["orjson-stream | lzma:6 | raw", "orjson-stream | gzip:6 | raw"]


def test_conditions_choose_the_fastest_that_meet_them(phases: dict[str, PhaseData]) -> None:
    plain = chosen(Goal(Objective.THROUGHPUT, Require.PLAIN), phases)
    assert plain == ["orjson-stream | isal:1 | raw", "orjson-stream | gzip:6 | raw"]
    text = chosen(Goal(Objective.THROUGHPUT, Require.TEXT), phases)
    assert text == ["orjson-stream | isal:1 | base64-pybase64"]
    for texts, require in ((plain, Require.PLAIN), (text, Require.TEXT)):
        assert all(meets(Pipeline.parse(one), require) for one in texts)


def test_nothing_goes_on_where_no_encoder_came_through(phases: dict[str, PhaseData]) -> None:
    phases["encode"].errors.update(dict.fromkeys(phases["encode"].arms, "planted"))
    assert chosen(Goal(Objective.SIZE), phases) == []


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


CPU = ("orjson-stream | isal:1 | raw", "orjson-stream | zstd:1 | raw", "json | zlib:1 | raw")


def clients(walls: dict[tuple[str, int], float]) -> PhaseData:
    data = PhaseData("stores")
    for (client, level), wall_s in walls.items():
        arm = upload_arm(f"{CPU[0]} | {client}", level)
        data.arms[arm.name] = arm
        data.samples.append(Sample(arm.name, 0, 1, 1, wall_s, wall_s, 0.0, 0.0, 0, 400, 0, 0.0, 0.0))
    return data


def test_for_threads_the_best_client_of_threads_goes_on_even_where_asyncio_had_beaten_it() -> None:
    walls = {("obstore-async", 64): 0.002, ("boto3", 64): 0.004, ("obstore", 32): 0.0029, ("obstore", 64): 0.0025}
    data, cost = clients(walls), upload_cost(Objective.THROUGHPUT)
    data.dropped.update(dict.fromkeys((n for n in data.arms if "async" not in n), "planted"))
    assert best_clients(data, cost, 64) == [("obstore-async", 64)]
    assert for_threads(data, cost, 64, CPU) == [upload_arm(f"{text} | obstore", 64) for text in CPU[:2]]
    assert for_threads(clients({("obstore-async", 64): 0.002}), cost, 64, CPU) == []


def test_the_choice_of_every_goal_is_measured_again() -> None:
    walls = {"obstore-async": 0.002, "obstore": 0.004}
    arms = {client: upload_arm(f"{CPU[0]} | {client}", 64) for client in walls}
    finals = PhaseData("finals", arms={arm.name: arm for arm in arms.values()})
    for client, wall_s in walls.items():
        for block in range(8):
            sample = Sample(arms[client].name, block, 1, 1, wall_s * (1 + block), wall_s, 0.0, 0.0, 0, 400, 0, 0.0, 0.0)
            finals.samples.append(sample)
    found = Findings(phases={"finals": finals}, eligible=frozenset(finals.arms), steered=Objective.THROUGHPUT)
    assert choices(RaceOptions(), found) == [arms["obstore-async"]]
    assert choices(RaceOptions(also=("threads",)), found) == [arms["obstore-async"], arms["obstore"]]
    assert choices(RaceOptions(), Findings()) == []


def test_memory_is_not_offered_to_steer_a_race(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["race", "--objective", "memory"]) == 2
    assert "'memory' is not one of" in capsys.readouterr().err
