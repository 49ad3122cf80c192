"""A race declares its link: what stands before the server, what the record and the report say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import plain
from packhorse.bench.race.record_types import RaceRecord
from packhorse.bench.race.run import run_race
from packhorse.bench.report import markdown
from packhorse.cli import run
from packhorse.errors import InputError

PIPELINE = "json | zlib:1 | raw | boto3"


def race(tmp_path: Path, **more: Any) -> RaceRecord:
    capture = tmp_path / "a.har"
    capture.write_text(json.dumps({"log": {"version": "1.2", "entries": [{"request": {"url": "x"}}] * 30}}))
    return run_race(
        RaceOptions(
            captures=(capture,),
            target="rclone",
            quick=True,
            time_budget_s=120.0,
            pipelines=(PIPELINE,),
            in_flight=(2,),
            out_dir=tmp_path / "out",
            **more,
        )
    )


@pytest.mark.needs(PIPELINE)
def test_a_link_is_asked_for_achieved_recorded_and_reported(tmp_path: Path) -> None:
    record = race(tmp_path, link="delay_ms=4,service_ms=10")
    assert record.link == "delay_ms=4,service_ms=10"
    figures = record.link_figures
    assert figures is not None
    assert figures["asked"]["delay_ms"] == 4
    assert figures["achieved"]["answer_ms"] > 17  # two delays and the service; how far above is the machine's matter
    assert set(figures["achieved"]["errors"]) == {"answer", "first_answer"}
    for row in record.results:
        assert all(sample.latency_p50_s is not None and sample.latency_p50_s > 0.017 for sample in row.samples)
    text = markdown.render(plain(record))
    assert "18 ms to a small PUT's answer were asked for" in text
    assert "hardly count" not in text


@pytest.mark.needs(PIPELINE)
def test_loopback_puts_nothing_before_the_server(tmp_path: Path) -> None:
    record = race(tmp_path, link="loopback")
    assert record.link_figures is not None
    assert record.link == record.link_figures["asked"]["name"] == "loopback"
    assert record.link_figures["achieved"] is None
    assert "on it pool sizes and round trips hardly count" in markdown.render(plain(record))


def test_same_region_is_the_default_before_local_servers_and_nothing_elsewhere() -> None:
    for target in ("moto", "rclone"):
        assert RaceOptions(target=target).link_name == "same-region"
    assert RaceOptions(target="memory").link_name == "loopback"
    assert "as it is" in RaceOptions(target="https://s3.test").link_name
    with pytest.raises(InputError, match=r"https://s3\.test.*local servers"):
        RaceOptions(target="https://s3.test", link="home")
    with pytest.raises(InputError, match="moonbase"):
        RaceOptions(link="moonbase")


def test_eight_are_in_flight_unless_told_otherwise_and_one_for_latency() -> None:
    assert RaceOptions().levels == RaceOptions(link="home").levels == (8,)
    assert RaceOptions(in_flight=(32, 8, 8)).levels == (8, 32)
    assert RaceOptions(objective=Objective.LATENCY).levels == (1,)


def test_an_unknown_link_is_one_clear_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["race", "--link", "moonbase", "-o", str(tmp_path / "out")]) == 2
    assert "moonbase" in capsys.readouterr().err
