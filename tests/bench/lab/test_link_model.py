"""Links as data: presets, what users write, records."""

from __future__ import annotations

import json

import pytest

from packhorse.bench.lab.link.model import FIGURES, Link, parse_link, presets
from packhorse.errors import InputError


def test_presets_name_their_sources() -> None:
    assert set(presets()) == {"loopback", "same-region", "cross-region", "home"}
    for name, link in presets().items():
        assert link.name == name
        assert len(link.source) > 40
        assert parse_link(name) == link


def test_presets_are_the_published_networks() -> None:
    same, cross, home = (presets()[name] for name in ("same-region", "cross-region", "home"))
    assert same.answer_ms == 30
    assert same.up_mbit_per_connection == 85 * 8
    assert cross.answer_ms == 90
    assert (home.up_mbit, home.round_trip_ms) == (20, 40)
    assert presets()["loopback"].answer_ms == 0


def test_a_user_writes_figures() -> None:
    link = parse_link("delay_ms=30, up_mbit=20")
    assert (link.delay_ms, link.up_mbit, link.service_ms, link.down_mbit) == (30, 20, 0, None)
    assert link.name == "delay_ms=30,up_mbit=20"
    changed = parse_link("same-region,delay_ms=5,up_mbit=none")
    assert (changed.delay_ms, changed.up_mbit, changed.service_ms) == (5, None, 28)
    assert changed.name == "same-region,delay_ms=5,up_mbit=none"
    assert "Changed by the user" in changed.source


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("moon", "same-region"),
        ("", "unknown"),
        ("delay=3", "unknown field 'delay'; known are delay_ms"),
        ("same-region,name=x", "unknown field 'name'"),
        ("delay_ms=3,delay_ms=4", "twice"),
        ("delay_ms=fast", "not a number"),
        ("delay_ms=none", "not a number"),
        ("delay_ms=-1", "from 0"),
        ("delay_ms=nan", "from 0"),
        ("up_mbit=0", "from 0.01"),
        ("delay_ms=1,jitter_ms=2", "above delay_ms"),
    ],
)
def test_what_is_no_link_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_link(text)


def test_records_come_back() -> None:
    for link in (*presets().values(), parse_link("delay_ms=30,jitter_ms=3")):
        assert Link.from_record(json.loads(json.dumps(link.to_record()))) == link
    assert set(FIGURES) < set(Link().to_record())
