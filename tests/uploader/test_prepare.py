"""What a capture is taken to weigh before anything of it is encoded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import UploadFailed
from packhorse.uploader.prepare import estimate_bytes
from packhorse.uploader.sync import Uploader
from packhorse.uploader.weight import guess
from tests.uploader.fakes import PROFILE, FakeStore, options

HEAVY_BYTES = 5_000_000


def har(entries: int, heavy_at: int) -> dict[str, Any]:
    """A capture with one heavy body in a place that all of its shape share."""
    bodies = ["x" * (HEAVY_BYTES if number == heavy_at else 100) for number in range(entries)]
    return {
        "log": {"entries": [{"request": {"method": "GET"}, "response": {"content": {"text": body}}} for body in bodies]}
    }


@pytest.mark.parametrize("heavy_at", [0, 1, 30, 47])
def test_every_body_of_a_capture_of_few_entries_counts(heavy_at: int) -> None:
    assert HEAVY_BYTES < estimate_bytes(har(48, heavy_at)) < HEAVY_BYTES + 48 * 3000


@pytest.mark.parametrize("entries", [100, 150, 500])
@pytest.mark.parametrize("heavy_at", [0, 1, 57, 99])
def test_captures_with_one_heavy_body_in_the_same_place_count_in_the_sum_as_what_they_are(
    entries: int, heavy_at: int
) -> None:
    capture = har(entries, heavy_at)
    turns = 20 * (entries // 48)
    rest = turns * entries * 3000
    assert 0.8 * turns * HEAVY_BYTES < _sum(turns, capture) < 1.2 * turns * HEAVY_BYTES + rest


def _sum(turns: int, capture: Any) -> int:
    return sum(estimate_bytes(capture) for _ in range(turns))


@pytest.mark.parametrize("heavy_at", range(4))
def test_captures_of_two_shapes_in_turn_are_looked_at_in_every_place(heavy_at: int) -> None:
    ours, others = har(200, heavy_at), har(100, 0)
    total = 0
    for _ in range(40):
        total += estimate_bytes(ours)
        estimate_bytes(others)
    assert 0.7 * 40 * HEAVY_BYTES < total < 1.3 * 40 * HEAVY_BYTES + 40 * 200 * 3000


def test_a_capture_that_fits_is_never_refused_for_what_a_sample_of_it_says() -> None:
    capture = har(10_000, 777)
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        engine = up._engine
        budget_bytes = engine.core.account.budget_bytes
        assert max(guess(capture, at_most=2**60) for _ in range(30_000)) > budget_bytes
        assert all(engine.core.hopeless(engine.job(capture, None)) is None for _ in range(3000))


class Raising(list[Any]):
    """Of the application's: it says what nobody should read."""

    def __len__(self) -> int:
        raise ValueError("hunter2")

    def __iter__(self) -> Iterator[Any]:
        raise ValueError("hunter2")


class Empty(dict[str, Any]):
    """Changed by another thread while it is looked at."""

    def values(self) -> Any:
        return iter(())


@pytest.mark.parametrize("capture", [{"log": {"entries": Raising([1])}}, {"a": Empty(b=1)}, [Raising([1])]])
def test_what_cannot_be_looked_at_has_a_fate(capture: Any) -> None:
    with Uploader("s3://bucket", profile=PROFILE, options=options(FakeStore())) as up:
        ticket = up.submit_nowait(capture)
        with contextlib.suppress(UploadFailed):
            ticket.result(30)
        assert ticket.fate in {"failed", "uploaded"}
        assert "hunter2" not in ticket.reason
        assert up.stats().in_flight == 0


def test_an_open_file_and_its_lines_are_not_taken_for_entries(tmp_path: Path) -> None:
    path = tmp_path / "pretty.har"
    path.write_text(json.dumps(har(2, 5), indent=1))
    store = FakeStore()
    with Uploader("s3://bucket", profile=PROFILE, options=options(store)) as up, path.open() as file:
        captures: list[Any] = [file, iter(path.read_text().splitlines()), iter([{}, b"{}"])]
        tickets = [up.submit(given) for given in captures]
        for ticket in tickets:
            with pytest.raises(UploadFailed):
                ticket.result(30)
    assert "give its path" in tickets[0].reason
    assert "gave text (str) where entries are expected; of a file, give the path" in tickets[1].reason
    assert "entries[1]" in tickets[2].reason
    assert store.objects == {}
