"""What a capture is taken to weigh before anything of it is encoded."""

from __future__ import annotations

from typing import Any

import pytest

from packhorse.uploader.prepare import estimate_bytes

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
    turns = entries // 48
    rest = turns * entries * 3000
    assert 0.9 * turns * HEAVY_BYTES < sum(estimate_bytes(capture) for _ in range(turns)) < turns * HEAVY_BYTES + rest
