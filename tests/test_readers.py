"""The table of readers in the docs says what the readers do that are installed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benches import readers

PAGE = Path(__file__).parents[1] / "docs/howto/read-with-standard-tools.md"
_ROW = re.compile(r"\| (.+) \|")


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, readers.Stored]]:
    with readers.objects() as stored:
        yield stored


def told() -> dict[str, dict[str, str]]:
    rows = [match[1].split(" | ") for match in _ROW.finditer(PAGE.read_text("utf-8"))]
    titles = next(row for row in rows if row[0] == "profile")
    return {row[0]: dict(zip(titles, row, strict=True)) for row in rows if row[0] in readers.PROFILES}


@pytest.mark.parametrize("reader", readers.READERS)
def test_the_table_says_what_is(found: dict[str, readers.Stored], reader: str) -> None:
    for profile, row in told().items():
        now = readers.cell(reader, found[profile])
        assert now in ("?", row[reader]) or row[reader] == "?", f"{profile}: {now}"
    assert set(told()) == set(readers.PROFILES)


def test_every_profile_has_a_reader_beside_packhorse() -> None:
    assert all("yes" in row.values() for row in told().values())
