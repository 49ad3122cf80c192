"""What a gate's record makes public of a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from packhorse.bench.gate.measure import BASE, HEAD, Bench
from packhorse.bench.gate.probe import Probe
from packhorse.bench.gate.rows import row_record
from packhorse.bench.race.machine import scrub


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://me:hush@pypi.example/simple", "https://pypi.example/simple"),
        ("https://me:hu@sh@pypi.example/simple", "https://pypi.example/simple"),
        ("git+https://hush@host/x.git@main", "git+https://host/x.git@main"),
        ("No such file: '/home/alice/shop/a.har'", "No such file: 'a.har'"),
        ("--find-links=file:///home/alice/wheels", "--find-links=file:///wheels"),
        ("--find-links=/home/alice/wheels", "--find-links=wheels"),
    ],
)
def test_what_is_made_public_holds_no_credential_and_no_folder(text: str, left: str) -> None:
    assert scrub(text) == left


def test_the_error_of_a_row_is_scrubbed(tmp_path: Path) -> None:
    errors: dict[str, dict[str, str]] = {BASE: {}, HEAD: {"encode": "OSError: https://me:hush@host/x of /home/alice/x"}}
    seen = Probe({BASE: {}, HEAD: {}}, errors, {})
    row = row_record("encode", None, Bench({}, {}, tmp_path, [], 1, 0.01), 0.01, seen)
    assert row.outcome == "broken"
    assert row.error == "OSError: https://host/x of x"
