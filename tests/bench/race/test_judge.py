from __future__ import annotations

import copy
import hashlib
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.race.cost import Price, Tariff, load_prices, packaged_tariff, parse_prices, priced
from packhorse.bench.race.decide import decide_peaks
from packhorse.bench.race.goals import Require
from packhorse.bench.race.judge import judge, judge_folder, write_judged
from packhorse.bench.race.lineup import TWIN, compressor_texts
from packhorse.bench.race.options import Objective, RaceOptions
from packhorse.bench.race.record import read_record, validate, write_record
from packhorse.bench.race.run import run_race
from packhorse.bench.race.score import PutPrice, predicted_cost, upload_cost
from packhorse.bench.race.spec import Sample
from packhorse.bench.report import markdown
from packhorse.cli import run
from packhorse.errors import InputError, RecordError
from packhorse.profiles.loading import load_profile
from packhorse.profiles.publish import publish

FAST = "json | zlib:1 | raw | obstore"
SMALL = "json | bz2:9 | raw | obstore"
LEAN = "json | none | raw | obstore"
PLAIN = "json | gzip:1 | raw | obstore"
TEXT = "json | zlib:1 | base64-stdlib | obstore"
REFERENCE = "json-iterencode | zlib:6 | base64-stdlib | boto3:pool=10"
#: Wall and CPU seconds, stored bytes, peak bytes per capture.
ARMS = {
    FAST: (0.010, 0.010, 200_000, 40_000_000),
    SMALL: (0.030, 0.028, 100_000, 60_000_000),
    LEAN: (0.015, 0.005, 900_000, 20_000_000),
    PLAIN: (0.020, 0.018, 205_000, 45_000_000),
    TEXT: (0.009, 0.009, 266_000, 39_000_000),
    REFERENCE: (0.100, 0.090, 220_000, 50_000_000),
}
SHA = "0" * 64


def sample(arm: str, block: int, figures: tuple[float, float, int, int], shake: random.Random) -> dict[str, Any]:
    wall, cpu, out, _ = figures
    noise = shake.lognormvariate(0, 0.01)
    return Sample(
        arm=arm,
        block=block,
        rounds=1,
        captures=10,
        wall_s=10 * wall * noise,
        user_s=10 * cpu * noise,
        system_s=0.0,
        gc_s=0.0,
        gc_collections=0,
        bytes_out=10 * out,
        involuntary_switches=0,
        steal_s=0.0,
        other_busy_s=0.0,
        latency_p50_s=3 * wall * noise,
        latency_p99_s=4 * wall * noise,
    ).as_dict()


def row(pipeline: str, role: str, *, twin: bool = False, blocks: int = 12) -> dict[str, Any]:
    figures = ARMS[pipeline]
    arm = f"{pipeline} @8" + (TWIN if twin else "")
    shake = random.Random(arm)
    return {
        "pipeline": pipeline,
        "arm": arm,
        "role": role,
        "in_flight": 8,
        "captures_per_s": 1 / figures[0],
        "raw_bytes_per_s": 1e6 / figures[0],
        "wall_s": figures[0],
        "cpu_s": figures[1],
        "bytes_out": float(figures[2]),
        "latency": {"p50_s": 3 * figures[0], "p99_s": 4 * figures[0]},
        "peak_rss_bytes": figures[3],
        "working_rss_bytes": figures[3],
        "speedup_over_reference": ARMS[REFERENCE][0] / figures[0],
        "ceiling_per_s": None,
        "target_limited": False,
        "blocks": blocks,
        "error": None,
        "left_early": None,
        "against_best": None,
        "samples": [sample(arm, block, figures, shake) for block in range(blocks)],
    }


@pytest.fixture
def record() -> dict[str, Any]:
    """A race by throughput of which every figure is known; a copy, which a test may change."""
    return copy.deepcopy(known_race())


@cache
def known_race() -> dict[str, Any]:
    rows = [row(FAST, "candidate"), row(FAST, "aa-twin", twin=True), row(LEAN, "candidate"), row(SMALL, "candidate")]
    rows += [row(PLAIN, "candidate"), row(TEXT, "candidate"), row(REFERENCE, "reference")]
    rows[-2].update(eligible=False, for_text=True)
    capture = {"name": "a.har", "sha256": SHA, "plain_bytes": 10**6, "entries": 9, "shape": {}, "origin": "given"}
    raced = {
        "schema_version": 2,
        "command": "packhorse race a.har",
        "interrupted": False,
        "objective": "throughput",
        "quick": False,
        "seed": 1,
        "wires": ["json"],
        "whole": True,
        "link": "loopback",
        "target": {"name": "rclone", "version": None, "ceiling": None},
        "machine": {"cores_usable": 2},
        "versions": {"packhorse": "0", "libraries": {}, "cores": {}},
        "unavailable": [],
        "captures": [{**capture, "notes": [], "use": "raced"}],
        "held_out": {"note": "other captures", "captures": [], "results": []},
        "results": rows,
        "winner": {"pipeline": FAST, "set": [FAST], "named": True, "decided_by": "measurement", "in_flight": 8},
        "reference": {"pipeline": REFERENCE, "in_flight": 8, "captures_per_s": 10.0, "wall_s": 0.1, "blocks": 12},
        "noise": None,
        "method": {"yardstick": f"{FAST} @8", "verdicts": None, "looks": {}},
        "exits": [],
        "stages": {},
        "interactions": [],
        "errors": [],
        "blocks": [],
        "suspect_samples": [],
        "warmups": [],
    }
    raced["reference"].update(cpu_s=0.09, bytes_out=220_000.0, raw_bytes_per_s=1e7, latency={})  # type: ignore[attr-defined]
    return judge(raced, Objective.THROUGHPUT, source_sha256=SHA)


def winner(record: dict[str, Any], objective: Objective, tariff: Tariff | None = None) -> dict[str, Any]:
    judged = judge(record, objective, source_sha256=SHA, tariff=tariff)
    validate(judged, source="judged")
    return judged["winner"]  # type: ignore[no-any-return]


def test_each_objective_finds_the_pipeline_that_is_best_by_it(record: dict[str, Any]) -> None:
    assert winner(record, Objective.THROUGHPUT)["pipeline"] == FAST
    assert winner(record, Objective.LATENCY)["pipeline"] == FAST
    assert winner(record, Objective.CPU)["pipeline"] == LEAN
    assert winner(record, Objective.SIZE)["pipeline"] == SMALL
    assert winner(record, Objective.MEMORY)["pipeline"] == LEAN
    for objective in Objective:
        assert winner(record, objective)["named"]


@pytest.mark.parametrize(("eligible", "best"), [(False, LEAN), (True, FAST)])
def test_a_preset_is_chosen_only_where_it_was_asked_for(record: dict[str, Any], eligible: bool, best: str) -> None:
    next(r for r in record["results"] if r["arm"] == f"{FAST} @8").update(role="common", eligible=eligible)
    judged = judge(record, Objective.THROUGHPUT, source_sha256=SHA)
    assert judged["winner"]["pipeline"] == best
    ranked = {r["pipeline"] for r in judged["results"] if r["against_best"]}
    assert ranked == {LEAN, SMALL, PLAIN, best}


def test_a_condition_restricts_who_may_win_and_text_wins_only_where_it_is_required(record: dict[str, Any]) -> None:
    plain = judge(record, Objective.THROUGHPUT, source_sha256=SHA, require=Require.PLAIN)
    text = judge(record, Objective.THROUGHPUT, source_sha256=SHA, require=Require.TEXT)
    assert (plain["winner"]["pipeline"], text["winner"]["pipeline"]) == (PLAIN, TEXT)
    assert plain["require"] == "plain"
    assert "gzip stream" in plain["judged"]["notes"][0]
    assert (
        'about = "the one fastest pipeline of its race of those whose objects are one gzip stream of JSON"'
        in publish(plain, name="plain", record_text=b"{}")
    )
    assert record["winner"]["pipeline"] == FAST  # though base64 looks faster still
    for one in record["results"]:
        one["eligible"] = one["pipeline"] == FAST
    with_none = judge(record, Objective.SIZE, source_sha256=SHA, require=Require.PLAIN)
    assert with_none["winner"]["pipeline"] is None


def test_leaving_early_by_the_races_objective_bars_nobody_from_a_condition(record: dict[str, Any]) -> None:
    gone = next(r for r in record["results"] if r["pipeline"] == PLAIN)
    gone.update(left_early="beaten", samples=gone["samples"][:8], blocks=8)
    by_throughput = judge(record, Objective.THROUGHPUT, source_sha256=SHA)
    assert next(r for r in by_throughput["results"] if r["pipeline"] == PLAIN)["against_best"] is None
    plain = judge(record, Objective.THROUGHPUT, source_sha256=SHA, require=Require.PLAIN)
    assert plain["winner"]["pipeline"] == PLAIN


def test_every_row_has_its_verdict_by_the_objective_that_is_judged(record: dict[str, Any]) -> None:
    def outcomes(objective: Objective) -> dict[str, str | None]:
        rows = judge(record, objective, source_sha256=SHA)["results"]
        return {r["arm"]: r["verdict"] and r["verdict"]["outcome"] for r in rows}

    by_time, by_size = outcomes(Objective.THROUGHPUT), outcomes(Objective.SIZE)
    assert by_time[f"{FAST} @8"] is by_time[f"{FAST} @8{TWIN}"] is None
    assert (by_time[f"{SMALL} @8"], by_time[f"{TEXT} @8"]) == ("slower", "faster")
    assert (by_size[f"{SMALL} @8"], by_size[f"{TEXT} @8"]) == ("faster", "slower")
    assert set(outcomes(Objective.MEMORY).values()) == {None}


def test_a_record_of_the_first_version_is_read_and_gets_its_verdicts_by_judging(
    record: dict[str, Any], tmp_path: Path
) -> None:
    old = {key: value for key, value in record.items() if key not in ("method", "exits", "require", "judged")}
    old["schema_version"] = 1
    old["interactions"] = [{"pipeline": "x", "predicted_place": 1, "measured_place": 2}]
    for r in old["results"]:
        r.pop("verdict")
    (tmp_path / "record.json").write_text(json.dumps(old))
    read = read_record(tmp_path)
    assert (read["schema_version"], read["exits"], read["interactions"]) == (2, [], [])
    assert markdown.render(read)
    judged = judge_folder(tmp_path)
    assert judged["objective"] == "throughput"
    assert sum(r["verdict"] is not None for r in judged["results"]) == len(ARMS) - 1


def test_dollars_weigh_cpu_against_storage_by_the_retention(record: dict[str, Any]) -> None:
    price = Price(1.0, "a page", "2000-01")
    # CPU at $1 an hour, storage at $1 per GB-month: bytes decide when kept for long, CPU when thrown away at once.
    tariff = Tariff("test", price, Price(0.0, "a page", "2000-01"), price)
    assert winner(record, Objective.COST, tariff.kept(0))["pipeline"] == LEAN
    assert winner(record, Objective.COST, tariff.kept(365))["pipeline"] == SMALL


def test_the_record_given_is_not_changed_and_samples_are_taken_over(record: dict[str, Any]) -> None:
    before = copy.deepcopy(record)
    judged = judge(record, Objective.COST, source_sha256=SHA)
    assert record == before
    assert [r["samples"] for r in judged["results"]] == [r["samples"] for r in record["results"]]
    assert judged["judged"]["from_objective"] == "throughput"
    assert judged["objective"] == "cost"
    assert judged["tariff"] == packaged_tariff().as_dict()


def test_judging_twice_ends_where_judging_once_does(record: dict[str, Any]) -> None:
    by_cost = judge(record, Objective.COST, source_sha256=SHA)
    again = judge(by_cost, Objective.SIZE, source_sha256=SHA)
    assert again == judge(record, Objective.SIZE, source_sha256=SHA)
    assert "tariff" not in again


def test_a_raced_record_judged_by_its_own_objective_keeps_its_verdict(tmp_path: Path) -> None:
    har = tmp_path / "a.har"
    har.write_text(json.dumps({"log": {"version": "1.2", "entries": [{"request": {"url": "x"}}] * 50}}))
    pipelines = ("json | zlib:1 | raw | memory", "json | none | raw | memory")
    raced = run_race(
        RaceOptions(
            captures=(har,),
            target="memory",
            quick=True,
            time_budget_s=2.0,
            pipelines=pipelines,
            in_flight=(2,),
            out_dir=tmp_path / "out",
            objective=Objective.COST,
        )
    )
    judged = judge_folder(tmp_path / "out", Objective.COST)
    assert {**judged, "judged": None} == {**raced, "judged": None}
    assert judged["judged"]["notes"] == []
    assert "## Dollars per million captures" in (tmp_path / "out" / "report.md").read_text()


def test_an_arm_that_another_objective_stopped_early_is_named_where_it_looks_better(record: dict[str, Any]) -> None:
    small = next(r for r in record["results"] if r["pipeline"] == SMALL)
    small.update(left_early="beaten", samples=small["samples"][:3], blocks=3)
    judged = judge(record, Objective.SIZE, source_sha256=SHA)
    assert judged["winner"]["pipeline"] == FAST
    assert any("Not judged" in note and SMALL in note for note in judged["judged"]["notes"])


def test_an_arm_that_left_early_with_enough_blocks_is_judged_by_another_objective(record: dict[str, Any]) -> None:
    small = next(r for r in record["results"] if r["pipeline"] == SMALL)
    small.update(left_early="beaten", samples=small["samples"][:8], blocks=8)
    assert winner(record, Objective.SIZE)["pipeline"] == SMALL
    assert winner(record, Objective.THROUGHPUT)["blocks"] == 12


def test_compressors_screened_out_by_another_objective_are_named(record: dict[str, Any]) -> None:
    def screened(name: str, out: int, cpu: float) -> dict[str, Any]:
        one = sample(name, 0, (cpu, cpu, out, 0), random.Random(1))
        return {"candidate": name, "samples": [one], "wall_s": cpu, "cpu_s": cpu, "bytes_out": float(out)}

    price = {"wall_s": 1e-3, "wall_s_per_byte": 0.0, "cpu_s": 1e-4, "cpu_s_per_byte": 0.0}
    record["target"]["ceiling"] = {**price, "puts_per_s": {}, "client": "obstore"}
    record["stages"] = {
        "compress": [
            screened("bz2:9", 100_000, 0.02),
            screened("lzma:6", 80_000, 0.5),
            screened("lz4:0", 300_000, 0.01),
        ]
    }
    notes = judge(record, Objective.SIZE, source_sha256=SHA)["judged"]["notes"]
    assert any("lzma:6" in note and "lz4" not in note for note in notes)


def test_what_an_objective_needs_and_a_record_lacks_is_said(record: dict[str, Any]) -> None:
    for r in record["results"]:
        r["peak_rss_bytes"] = None
        for one in r["samples"]:
            one["latency_p50_s"] = None
    with pytest.raises(RecordError, match="peak_rss_bytes"):
        judge(record, Objective.MEMORY, source_sha256=SHA)
    with pytest.raises(RecordError, match="latency_p50_s"):
        judge(record, Objective.LATENCY, source_sha256=SHA)
    for r in record["results"]:
        r["samples"] = []
    with pytest.raises(RecordError, match="no end-to-end samples"):
        judge(record, Objective.SIZE, source_sha256=SHA)


def test_memory_within_a_tenth_is_equal_and_then_the_faster_wins(record: dict[str, Any]) -> None:
    next(r for r in record["results"] if r["pipeline"] == FAST)["peak_rss_bytes"] = 21_000_000
    assert winner(record, Objective.MEMORY)["pipeline"] == FAST
    decision = decide_peaks({"a": 100, "b": 109, "c": 112})
    assert decision.members == ("a", "b")
    with pytest.raises(ValueError, match="memory"):
        decide_peaks({})


def test_dollars_are_the_sum_of_cpu_put_and_storage() -> None:
    usd = packaged_tariff()
    # 1 CPU-second, 2^30 bytes for one month of 730 hours: the list prices themselves.
    parts = usd.kept(730 / 24).parts(cpu_s=3600.0, stored_bytes=2**30)
    assert parts == pytest.approx({"cpu": 1e6 * 0.04048, "put": 5.0, "storage": 1e6 * 0.023})
    cost = upload_cost(Objective.COST, usd)
    one = Sample.from_dict(sample("x", 0, (1.0, 1.0, 1000, 0), random.Random(1)))
    assert cost(one) == pytest.approx(usd.usd_per_million(cpu_s=one.cpu_s / 10, stored_bytes=1000))
    assert priced({"cpu_s": None, "bytes_out": 1}, usd) is None
    put = PutPrice(0.0, 0.0, 0.5, 0.0)
    predicted = predicted_cost(Objective.COST, put, cores=2, tariff=usd)(one)
    assert predicted == pytest.approx(usd.usd_per_million(cpu_s=one.cpu_s / 10 + 0.5, stored_bytes=1000))


def test_prices_say_where_they_stand_and_bad_files_are_refused(tmp_path: Path) -> None:
    for price in (packaged_tariff().vcpu_hour, packaged_tariff().put_per_1000, packaged_tariff().gb_month):
        assert price.source
        assert price.as_of
    good = 'schema_version = 1\nname = "mine"\n' + "".join(
        f'[{key}]\nusd = 1\nsource = "a page"\nas_of = "2000-01"\n' for key in ("vcpu_hour", "put_per_1000", "gb_month")
    )
    file = tmp_path / "prices.toml"
    file.write_text(good)
    assert load_prices(file).gb_month.usd == 1.0
    for bad, message in (
        ("x = ", "not valid TOML"),
        (good.replace("schema_version = 1", "schema_version = 2"), "schema_version"),
        (good.replace("usd = 1", "usd = -1"), "vcpu_hour.usd"),
        (good.replace('source = "a page"', 'source = ""'), "vcpu_hour.source"),
        (good + "[egress]\nusd = 1\n", "egress"),
        (good.replace("[gb_month]", "[gb]"), "gb"),
    ):
        with pytest.raises(InputError, match=message):
            parse_prices(bad, source="prices.toml")
    with pytest.raises(InputError, match=r"none\.toml"):
        load_prices(tmp_path / "none.toml")
    with pytest.raises(InputError, match="retention"):
        packaged_tariff().kept(-1)


def test_a_race_cannot_be_steered_by_memory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="packhorse judge DIR --objective memory"):
        run_race(RaceOptions(objective=Objective.MEMORY, out_dir=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="memory"):
        upload_cost(Objective.MEMORY)


def test_judge_on_the_command_line(
    record: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    source, out = tmp_path / "race", tmp_path / "judged"
    source.mkdir()
    write_record(record, source / "record.json")
    before = (source / "record.json").read_bytes()
    assert run(["judge", str(source), "--objective", "cost", "--retention-days", "90", "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"Winner by cost: {SMALL}" in shown
    assert "$/million" in shown
    assert "race by throughput" in shown
    written = read_record(out)
    assert written["tariff"]["retention_days"] == 90
    assert (out / "report.md").read_text() == markdown.render(written)
    assert "a race by throughput were judged by cost" in (out / "report.md").read_text()
    assert (source / "record.json").read_bytes() == before
    assert run(["judge", str(source), "--objective", "size", "--retention-days", "90"]) == 2
    assert run(["judge", str(tmp_path / "nowhere"), "--objective", "size"]) == 2
    with pytest.raises(InputError, match="never changed"):
        write_judged(written, source, source=source)


def test_a_race_by_dollars_tries_the_strong_compressors_too() -> None:
    by_cost = compressor_texts(RaceOptions(objective=Objective.COST))
    assert by_cost == compressor_texts(RaceOptions(objective=Objective.SIZE))
    assert set(by_cost) > set(compressor_texts(RaceOptions()))


def test_a_profile_published_from_a_judged_record_does_not_claim_to_be_the_fastest(record: dict[str, Any]) -> None:
    judged = judge(record, Objective.COST, source_sha256=SHA)
    toml = publish(judged, name="cheapest", record_text=b"{}")
    assert 'about = "the one best by cost"' in toml
    assert "fastest" not in toml
    assert 'judged_from = "throughput"' in toml
    cheapest = next(r for r in judged["results"] if r["pipeline"] == judged["winner"]["pipeline"])
    assert f"usd_per_million = {cheapest['usd_per_million']['total']}" in toml


def test_publishing_by_another_objective_or_condition_from_one_record(
    record: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(record, tmp_path / "record.json")
    wanted = {"smallest": ["--objective", "size"], "plain": ["--require", "plain"], "text": ["--require", "text"]}
    for name, how in wanted.items():
        assert run(["publish", str(tmp_path), *how, "--to", str(tmp_path / f"{name}.toml")]) == 0
    loaded = {name: load_profile(tmp_path / f"{name}.toml") for name in wanted}
    assert {name: str(one.pipeline) for name, one in loaded.items()} == {
        "smallest": SMALL,
        "plain": PLAIN,
        "text": TEXT,
    }
    sha256 = hashlib.sha256((tmp_path / "record.json").read_bytes()).hexdigest()
    assert {one.provenance["record_sha256"] for one in loaded.values()} == {sha256}
    capsys.readouterr()
    assert run(["publish", str(tmp_path), "--objective", "beauty"]) == 2


def test_a_verdict_that_the_data_cannot_give_has_its_own_exit_status(record: dict[str, Any], tmp_path: Path) -> None:
    for r in record["results"]:
        r["samples"], r["blocks"] = r["samples"][:4], 4
    write_record(record, tmp_path / "record.json")
    assert run(["judge", str(tmp_path), "--objective", "throughput"]) == 3
    assert run(["judge", str(tmp_path), "--objective", "size"]) == 0  # bytes do not vary
    assert run(["judge", str(tmp_path), "--objective", "throughput", "--require", "plain"]) == 3
