"""What stands in reports/ and docs/img is what the records give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from packhorse.bench.race.record import read_plain, validate, write_record
from packhorse.bench.report import markdown, rendered
from packhorse.files import write_text
from tests.bench.report.records import ROOT, few, published, studies

RACES = sorted(file.parent for file in (ROOT / "reports").glob("race-*/record.json"))


@pytest.mark.parametrize("folder", RACES, ids=lambda folder: folder.name)
def test_published_reports_are_in_step_with_their_records(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text == markdown.render(read_plain(folder)), f"run: packhorse report reports/{folder.name}"


def test_rendering_twice_gives_the_same_bytes_in_every_format(tmp_path: Path) -> None:
    write_record(validate(published(), source="x"), tmp_path / "record.json")
    for record in few(studies()):
        write_text(tmp_path / f"study-{record['name']}.json", json.dumps(record))
    contents = []
    for _ in range(2):
        done = rendered.render(tmp_path)
        assert done.left_out == ()
        contents.append({path.name: path.read_bytes() for path in done.paths})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"report.md", "report.svg", "report.html", "samples.csv", "samples.parquet"}
    assert b"study-0" in contents[0]["report.html"]


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "img").glob("*.png")), ids=lambda file: file.name)
def test_pictures_are_small_and_come_in_both_schemes(picture: Path) -> None:
    assert picture.stat().st_size <= 300_000
    name, _, scheme = picture.stem.rpartition("-")
    assert (picture.parent / f"{name}-{'dark' if scheme == 'light' else 'light'}.png").is_file()
