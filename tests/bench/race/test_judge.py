"""Judging a record again by another objective: the same samples, another winner, and what has to be said with it."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packhorse.bench.race.cost import Price, Tariff, load_prices, packaged_tariff, parse_prices, priced
from packhorse.bench.race.goals import Require
from packhorse.bench.race.judge import judge, judge_folder, write_judged
from packhorse.bench.race.lineup import compressor_texts
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import plain, read_record, write_record
from packhorse.bench.race.record_types import Leaver, Look, RaceRecord
from packhorse.bench.race.results import Asked
from packhorse.bench.race.run import run_race
from packhorse.bench.race.score import cost_of
from packhorse.bench.report import markdown
from packhorse.cli import run
from packhorse.errors import InputError, RecordError
from packhorse.profiles.loading import load_profile
from packhorse.profiles.publish import publish
from tests.bench.race.known import COMMON, FAST, LEAN, PLAIN, SHA, SMALL, TEXT, race, samples


def judged(objective: Objective, record: RaceRecord | None = None, **more: Any) -> RaceRecord:
    return judge(record or race(), Asked(objective, **more), source_sha256=SHA)


def arm(record: RaceRecord, pipeline: str) -> Any:
    return next(row for row in record.results if row.arm == f"{pipeline} @8")


def test_each_objective_finds_the_pipeline_that_is_best_by_it() -> None:
    best = {
        Objective.THROUGHPUT: FAST,
        Objective.LATENCY: FAST,
        Objective.CPU: LEAN,
        Objective.SIZE: SMALL,
        Objective.MEMORY: LEAN,
    }
    for objective, pipeline in best.items():
        winner = judged(objective).winner
        assert (winner.pipeline, winner.named, winner.conclusive) == (pipeline, True, True), objective
        assert winner.sentence.startswith(f"Use {pipeline} with 8 in flight: ")


def test_every_row_has_a_verdict_by_the_objective_and_one_by_cpu() -> None:
    record = race()
    assert arm(record, FAST).verdict.word == "fastest"
    assert arm(record, FAST).cpu_verdict.word == "slower"
    assert arm(record, LEAN).verdict.text.startswith("slower by 4")
    assert arm(record, LEAN).cpu_verdict.word == "fastest"
    assert record.winner.cpu_best == f"{LEAN} @8"
    for role_less in (TEXT, COMMON):
        assert arm(record, role_less).verdict is None
    by_size = judged(Objective.SIZE)
    assert arm(by_size, SMALL).verdict.word == "fastest"
    assert arm(by_size, FAST).verdict.word == "slower"


def test_a_condition_restricts_who_may_win_and_text_wins_only_where_it_is_required() -> None:
    plain_ = judged(Objective.THROUGHPUT, require=Require.PLAIN)
    text = judged(Objective.THROUGHPUT, require=Require.TEXT)
    assert (plain_.winner.pipeline, text.winner.pipeline) == (PLAIN, TEXT)
    assert plain_.require == "plain"
    assert plain_.judged is not None
    assert "gzip stream" in plain_.judged.notes[0]
    about = 'about = "the one fastest pipeline of its race of those whose objects are one gzip stream of JSON"'
    assert about in publish(plain(plain_), name="plain", record_text=b"{}")
    record = race()
    for row in record.results:
        row.eligible = row.pipeline == FAST
    assert judged(Objective.SIZE, record, require=Require.PLAIN).winner.pipeline is None


def test_who_left_early_by_the_races_objective_is_judged_by_another_and_named() -> None:
    record = race()
    record.looks = [Look(3, 0.01, 0.02, [Leaver(f"{SMALL} @8", f"{FAST} @8", 1.0, 0.9, 1.1)], last=False)]
    row = arm(record, SMALL)
    row.samples = samples(row.arm, (0.030, 0.028, 100_000, 1), processes=3)
    same = judged(Objective.THROUGHPUT, record)
    assert arm(same, SMALL).verdict.text == "slower 2.5–3.0 ×"
    assert arm(same, SMALL).left == f"beaten by {FAST} @8"
    by_size = judged(Objective.SIZE, record)
    assert by_size.winner.pipeline == SMALL
    assert by_size.judged is not None
    assert any("Left the race early" in note and SMALL in note for note in by_size.judged.notes)


def test_figures_as_imported_are_kept_only_for_the_choice_that_they_are_of() -> None:
    same = judged(Objective.THROUGHPUT)
    assert same.winner.held_out is not None
    assert same.winner.held_out.captures_per_s == pytest.approx(1 / 0.015, rel=0.05)
    assert same.winner.held_out.speedup_over_common == pytest.approx(3.0, rel=0.05)
    other = judged(Objective.SIZE)
    assert other.published is None
    assert other.winner.held_out is None
    assert other.judged is not None
    assert any("not measured with this choice" in note for note in other.judged.notes)


def test_dollars_weigh_cpu_against_storage_by_the_retention() -> None:
    price = Price(1.0, "a page", "2000-01")
    # CPU at $1 an hour, storage at $1 per GB-month: bytes decide when kept for long, CPU when thrown away at once.
    tariff = Tariff("test", price, Price(0.0, "a page", "2000-01"), price)
    assert judged(Objective.COST, tariff=tariff.kept(0)).winner.pipeline == LEAN
    assert judged(Objective.COST, tariff=tariff.kept(365)).winner.pipeline == SMALL


def test_the_record_given_is_not_changed_and_samples_are_taken_over() -> None:
    record = race()
    before = plain(record)
    by_cost = judged(Objective.COST, record)
    assert plain(record) == before
    kept = {row.arm: row.samples for row in record.results}
    assert {row.arm: row.samples for row in by_cost.results} == kept
    assert by_cost.judged is not None
    assert by_cost.judged.from_objective == "throughput"
    assert by_cost.tariff == packaged_tariff().as_dict()


def test_judging_twice_ends_where_judging_once_does() -> None:
    by_cost = judged(Objective.COST)
    again = judged(Objective.CPU, by_cost)
    once = judged(Objective.CPU)
    assert plain(again)["winner"] == plain(once)["winner"]
    assert again.tariff is None


def test_a_raced_record_judged_by_its_own_objective_keeps_its_verdict(tmp_path: Path) -> None:
    har = tmp_path / "a.har"
    har.write_text(json.dumps({"log": {"version": "1.2", "entries": [{"request": {"url": "x"}}] * 50}}))
    raced = run_race(
        RaceOptions(
            captures=(har,),
            target="memory",
            quick=True,
            time_budget_s=2.0,
            pipelines=("json | zlib:1 | raw | memory", "json | none | raw | memory"),
            in_flight=(2,),
            out_dir=tmp_path / "out",
            objective=Objective.COST,
        )
    )
    again = judge_folder(tmp_path / "out", Objective.COST)
    assert {**plain(again), "judged": None} == {**plain(raced), "judged": None}
    assert again.judged is not None
    assert again.judged.notes == []
    assert "## Dollars per million captures" in (tmp_path / "out" / "report.md").read_text()


def test_what_an_objective_needs_and_a_record_lacks_is_said() -> None:
    record = race()
    for row in record.results:
        row.peak_rss_bytes = None
        row.samples = [msgspec.structs.replace(one, latency_p50_s=None) for one in row.samples]
    with pytest.raises(RecordError, match="peak_rss_bytes"):
        judged(Objective.MEMORY, record)
    with pytest.raises(RecordError, match="latency_p50_s"):
        judged(Objective.LATENCY, record)
    for row in record.results:
        row.samples = []
    with pytest.raises(RecordError, match="no end-to-end samples"):
        judged(Objective.SIZE, record)


def test_memory_within_a_tenth_is_equal_and_then_the_faster_wins() -> None:
    record = race()
    arm(record, FAST).peak_rss_bytes = 21_000_000
    found = judged(Objective.MEMORY, record)
    assert found.winner.pipeline == FAST
    assert set(found.winner.set_arms) == {f"{FAST} @8", f"{LEAN} @8"}
    assert arm(found, SMALL).verdict.text == "200 % more memory"
    arm(record, FAST).peak_rss_bytes = 22_100_000
    assert judged(Objective.MEMORY, record).winner.pipeline == LEAN


def test_dollars_are_the_sum_of_cpu_put_and_storage() -> None:
    usd = packaged_tariff()
    # 1 CPU-second, 2^30 bytes for one month of 730 hours: the list prices themselves.
    parts = usd.kept(730 / 24).parts(cpu_s=3600.0, stored_bytes=2**30)
    assert parts == pytest.approx({"cpu": 1e6 * 0.04048, "put": 5.0, "storage": 1e6 * 0.023})
    one = samples("x", (1.0, 1.0, 1000, 0))[0]
    cost = cost_of(Objective.COST, 1_000_000, usd)
    assert cost(one) == pytest.approx(usd.usd_per_million(cpu_s=one.cpu_s / 10, stored_bytes=1000))
    assert priced({"cpu_s": None, "bytes_out": 1}, usd) is None
    with pytest.raises(ValueError, match="memory"):
        cost_of(Objective.MEMORY, 1.0)


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


def test_judge_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "race", tmp_path / "judged"
    source.mkdir()
    write_record(race(), source / "record.json")
    before = (source / "record.json").read_bytes()
    assert run(["judge", str(source), "--objective", "cost", "--retention-days", "90", "-o", str(out)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Use {SMALL} with 8 in flight: the cheapest of 4" in shown
    assert "$/million" in shown
    assert "race by throughput" in shown
    written = read_record(out)
    assert written.tariff is not None
    assert written.tariff["retention_days"] == 90
    assert (out / "report.md").read_text() == markdown.render(plain(written))
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


def test_a_profile_published_from_a_judged_record_does_not_claim_to_be_the_fastest() -> None:
    by_cost = judged(Objective.COST)
    toml = publish(plain(by_cost), name="cheapest", record_text=b"{}")
    assert 'about = "the one best by cost"' in toml
    assert "fastest" not in toml
    assert 'judged_from = "throughput"' in toml
    cheapest = arm(by_cost, str(by_cost.winner.pipeline))
    assert f"usd_per_million = {cheapest.usd_per_million['total']}" in toml


def test_publishing_by_another_objective_or_condition_from_one_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(race(), tmp_path / "record.json")
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


def test_an_answer_is_0_a_tie_too_and_3_where_a_quarter_could_not_have_been_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = race()
    twin = samples(f"{LEAN} @8", (0.01, 0.005, 900_000, 0))
    arm(record, LEAN).samples = twin
    write_record(record, tmp_path / "record.json")
    assert run(["judge", str(tmp_path)]) == 0
    assert "among the fastest of 4" in " ".join(capsys.readouterr().out.split())
    shake = random.Random(1)
    for row in record.results:
        row.samples = [
            msgspec.structs.replace(one, wall_s=one.wall_s * shake.lognormvariate(0, 1.0)) for one in row.samples
        ]
    write_record(record, tmp_path / "record.json")
    assert run(["judge", str(tmp_path)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "No answer: no difference below 25 % could have been seen" in said
    assert run(["judge", str(tmp_path), "--objective", "size"]) == 0  # bytes do not vary
