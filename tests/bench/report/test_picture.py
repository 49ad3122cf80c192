"""The picture of a race's summary: well-formed whatever its files are called."""

from __future__ import annotations

from xml.etree import ElementTree

from packhorse.bench.report.picture import render
from tests.bench.report.records import published


def test_control_characters_in_names_leave_it_well_formed() -> None:
    record = {**published(), "command": "packhorse race a\x1b[2Jb\x00\ufffe.har"}
    svg = render(record)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in svg.replace("&#160;", " ")
    svg.encode("utf-8")
