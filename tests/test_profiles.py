"""Profiles: data that is checked, and published from a record."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from packhorse import Uploader
from packhorse.errors import ProfileError, RecordError, UnavailableError
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile, load_profile, packaged_profiles, parse_profile
from packhorse.profiles.publish import extras, publish, write_profile

GOOD = 'schema_version = 1\nname = "mine"\npipeline = "json | gzip:6 | raw | boto3:pool=8"\nmax_in_flight = 8\n'


def record(**winner: Any) -> dict[str, Any]:
    text = "orjson | zstd:3 | raw | obstore:pool=16"
    return {
        "winner": {
            "pipeline": text,
            "in_flight": 16,
            "set": [text],
            "named": True,
            "captures_per_s": 123.5,
            "wall_s": None,
            "peak_rss_bytes": 4096,
            **winner,
        },
        "results": [{"pipeline": text, "in_flight": 16, "role": "aa-twin", "captures_per_s": 99.0, "wall_s": None}],
        "captures": [{"name": "a.har", "sha256": "00"}],
        "versions": {"packhorse": "0.1", "libraries": {"orjson": "3.0", "obstore": "1.0", "boto3": "9"}},
        "machine": {"cores": 2, "governor": None},
        "command": ["packhorse", "race"],
    }


def test_the_packaged_profiles_load() -> None:
    assert "default" in packaged_profiles()
    for name in packaged_profiles():
        assert load_profile(name).pipeline.store is not None
    assert load_profile() == load_profile("default")


def test_a_profile_from_a_file_or_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    profile = load_profile(path)
    assert profile.pipeline == Pipeline.parse("json | gzip:6 | raw | boto3:pool=8")
    assert load_profile(str(path)) == profile
    assert load_profile(profile) is profile


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("schema_version = 1", "schema_version = 9"), "schema_version is 9"),
        (("max_in_flight = 8", "max_in_flight = 0"), "max_in_flight is 0"),
        (("max_in_flight = 8", 'max_in_flight = "8"'), "max_in_flight must be a int"),
        (("max_in_flight = 8", "maximum = 8"), "unknown field 'maximum'"),
        (("gzip:6", "gzip:60"), "out of bounds"),
        ((" | boto3:pool=8", ""), "no store stage"),
        (('name = "mine"', "name = "), "not valid TOML"),
    ],
)
def test_bad_profiles_name_file_and_field(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ProfileError, match=message) as caught:
        parse_profile(GOOD.replace(*change), source="some.toml")
    assert "some.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["nope", "no/such/file.toml", "nope.toml"])
def test_missing_profiles(name: str) -> None:
    with pytest.raises(ProfileError, match=r"nope|no/such"):
        load_profile(name)


def test_a_profile_whose_library_is_missing_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "brotli":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    def imported(name: str) -> ModuleType:
        if name.endswith("brotli_br"):
            raise ModuleNotFoundError("No module named 'brotli'")
        return import_module(name)

    import_module = importlib.import_module
    monkeypatch.setattr("importlib.metadata.version", version)
    monkeypatch.setattr("packhorse.stages.registry.importlib.import_module", imported)
    path = tmp_path / "smallest.toml"
    path.write_text(GOOD.replace("gzip:6", "brotli:9").replace("mine", "smallest"), encoding="utf-8")
    with pytest.raises(
        UnavailableError, match=r"'smallest'.*brotli not installed: pip install 'packhorse\[compress\]'"
    ):
        Uploader("s3://bucket/prefix", profile=str(path))


def test_publishing_and_loading_again(tmp_path: Path) -> None:
    toml = publish(record(speedup_over_reference=31.5), name="fast", record_text=b"{}")
    profile = write_profile(toml, tmp_path / "fast.toml")
    assert profile == load_profile(tmp_path / "fast.toml")
    assert isinstance(profile, Profile)
    assert profile.max_in_flight == 16
    assert profile.figures["captures_per_s"] == 123.5
    assert profile.figures["speedup_over_reference"] == 31.5
    assert profile.figures["measured_on"] == "the captures that were raced on"
    assert "raced" not in profile.figures
    assert profile.provenance["captures"] == [{"name": "a.har", "sha256": "00"}]
    assert profile.provenance["versions"] == {"orjson": "3.0", "obstore": "1.0"}
    assert [path.name for path in tmp_path.iterdir()] == ["fast.toml"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("orjson-stream | isal:2 | raw | obstore", []),
        ("orjson-stream | brotli:6 | raw | obstore", ["compress"]),
        ("orjson-stream | zstd-backports:3 | base64-pybase64 | boto3", ["base64", "compress", "store"]),
        ("json | gzip:6 | raw | obstore", []),
    ],
)
def test_the_extras_that_a_pipeline_needs(monkeypatch: pytest.MonkeyPatch, text: str, wanted: list[str]) -> None:
    brought = ["orjson>=3.10", "isal>=1.7", "obstore>=0.12", 'brotli>=1.2; extra == "compress"']
    monkeypatch.setattr("importlib.metadata.requires", lambda _: brought)
    assert extras(Pipeline.parse(text)) == wanted


def test_a_record_without_what_is_required_says_how_to_race_for_it() -> None:
    without = {**record(pipeline=None), "require": "text"}
    with pytest.raises(RecordError, match=r"base64 text.*--require text.*race --also text"):
        publish(without, name="mine", record_text=b"")


def test_an_inconclusive_race_is_published_as_such() -> None:
    toml = publish(record(conclusive=False, why="only 1 complete block"), name="x", record_text=b"{}")
    assert "inconclusive race (only 1 complete block)" in parse_profile(toml, source="x").about


def test_held_out_figures_are_published_and_raced_ones_beside_them(tmp_path: Path) -> None:
    held_out = {"captures_per_s": 100.0, "speedup_over_reference": 20.0, "on": "2 of the 7 given captures"}
    made = record(speedup_over_reference=31.5, held_out=held_out)
    figures = write_profile(publish(made, name="fast", record_text=b"{}"), tmp_path / "fast.toml").figures
    assert figures["captures_per_s"] == 100.0
    assert figures["speedup_over_reference"] == 20.0
    assert figures["measured_on"] == "2 of the 7 given captures"
    assert figures["peak_rss_bytes"] == 4096
    assert figures["raced"] == {"captures_per_s": 123.5, "speedup_over_reference": 31.5}


def test_a_record_without_a_winner_cannot_be_published() -> None:
    with pytest.raises(RecordError, match="no winner"):
        publish(record(pipeline=None), name="x", record_text=b"{}")
    with pytest.raises(RecordError, match="no store"):
        publish(record(pipeline="orjson | zstd | raw"), name="x", record_text=b"{}")
