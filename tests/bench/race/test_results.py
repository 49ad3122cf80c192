"""From findings to a record: the A/A alarm, the busy machine, ratios to the presets, the sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from packhorse.bench.race.lineup import TWIN
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record_types import RaceRecord, RoundRow
from packhorse.bench.race.results import Asked, build_record, decision_of, twin_of
from packhorse.bench.race.spec import Role
from tests.bench.race.known import ARMS, COMMON, FAST, LEAN, PROCESSES, REFERENCE, ROUNDS, findings, samples


def built(**more: Any) -> RaceRecord:
    return build_record(RaceOptions(), findings(**more), ["packhorse"])


@pytest.mark.parametrize(("times", "alarm"), [(1.0, False), (1.004, False), (1.05, True), (0.95, True)])
def test_the_alarm_goes_off_only_where_two_names_of_one_pipeline_are_told_apart(times: float, alarm: bool) -> None:
    found = findings()
    twin = f"{FAST} @8{TWIN}"
    wall, *rest = ARMS[FAST]
    others = [s for s in found.samples["finals"] if s.arm != twin]
    found.samples["finals"] = [*others, *samples(twin, (wall * times, *rest))]  # type: ignore[arg-type]
    seen = twin_of(found, Asked(Objective.THROUGHPUT))
    assert seen is not None
    assert seen.differs is alarm
    assert seen.low is not None
    assert seen.high is not None
    assert seen.low < seen.log_ratio < seen.high
    before = decision_of(findings(), Asked(Objective.THROUGHPUT))
    after = decision_of(found, Asked(Objective.THROUGHPUT))
    assert before is not None
    assert after is not None
    assert after.standing == before.standing  # it is an alarm, and widens nobody's interval


def test_presets_are_compared_with_and_have_no_verdict() -> None:
    record = built()
    rows = {row.arm: row for row in record.results}
    assert rows[f"{FAST} @8"].speedup_over_reference == pytest.approx(10, rel=0.05)
    assert rows[f"{FAST} @8"].speedup_over_common == pytest.approx(5, rel=0.05)
    assert rows[f"{COMMON} @8"].speedup_over_common == 1.0
    for preset in (COMMON, REFERENCE):
        assert rows[f"{preset} @8"].verdict is rows[f"{preset} @8"].cpu_verdict is None
    assert [row.role for row in record.results[-2:]] == [Role.COMMON, Role.REFERENCE]
    assert record.reference["pipeline"] == REFERENCE


def test_rates_are_over_raw_bytes_whatever_captures_a_sample_had() -> None:
    found = findings()
    halves = [
        msgspec.structs.replace(s, captures=5, raw_bytes=5_000_000, wall_s=s.wall_s / 2)
        if s.arm == f"{FAST} @8" and s.round % 2
        else s
        for s in found.samples["finals"]
    ]
    found.samples["finals"] = halves
    record = build_record(RaceOptions(), found, ["packhorse"])
    assert record.winner.captures_per_s == pytest.approx(built().winner.captures_per_s)


def test_a_busy_machine_is_said_where_a_third_of_the_rounds_was_disturbed() -> None:
    calm = [RoundRow("finals", p, r, 0.0, counted=True) for p in range(PROCESSES) for r in range(ROUNDS)]
    disturbed = [RoundRow("finals", 0, r, 0.3, counted=False) for r in range(13)]
    assert not built(rounds=calm).busy
    assert not built(rounds=calm + disturbed[:12]).busy
    assert built(rounds=calm + disturbed).busy


def test_the_sentence_names_the_choice_the_company_and_what_the_importer_gets() -> None:
    assert built().winner.sentence == (
        f"Use {FAST} with 8 in flight: the fastest of 4; imported as it is, 67.3 captures/s, "
        "3 × orjson + gzip:6 + boto3 and 8.1 × the original design."
    )
    assert "Interrupted; ahead so far" in built(interrupted=True).winner.sentence
    found = findings()
    found.samples["finals"] = [
        *(s for s in found.samples["finals"] if s.arm != f"{LEAN} @8"),
        *samples(f"{LEAN} @8", (0.0101, *ARMS[LEAN][1:])),
    ]
    tied = build_record(RaceOptions(), found, ["packhorse"]).winner
    if len(tied.set_arms) == 2:
        assert "among the fastest of 4 (1 other is as good within" in tied.sentence
    del found.samples["published"]
    assert "captures/s in the race" in build_record(RaceOptions(), found, ["packhorse"]).winner.sentence


def test_nothing_measured_is_no_answer() -> None:
    found = findings()
    found.samples = {}
    assert build_record(RaceOptions(), found, ["packhorse"]).winner.sentence == (
        "No answer: nothing that may win was measured."
    )
