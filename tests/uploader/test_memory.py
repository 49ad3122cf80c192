"""The memory budget counts what captures really hold, however small they are."""

from __future__ import annotations

import pytest

from benches.studies.blocks import fresh
from benches.studies.faults.overhead import measure
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options


@pytest.mark.parametrize("text_bytes", [20, 2_000, 20_000])
def test_resident_memory_is_what_is_counted(text_bytes: int) -> None:
    found = fresh(measure, text_bytes)
    assert found["captures"] > 1000
    assert found["resident_bytes"] <= 1.05 * found["counted_bytes"]
    assert found["counted_bytes"] <= found["resident_bytes"] + 2048  # nor is the budget wasted


def test_many_tiny_captures_fill_the_budget() -> None:
    store = FakeStore()
    store.gate.clear()
    with Uploader(
        "s3://bucket/x", profile=PROFILE, redact=False, memory_budget_bytes=2**20, options=options(store)
    ) as up:
        for _ in range(2000):
            up.submit_nowait([1])
        assert up.stats().in_flight <= 341
        assert up.stats().dropped >= 2000 - 341
        store.gate.set()
    assert up.stats().held_bytes == 0
