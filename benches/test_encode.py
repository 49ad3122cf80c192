"""Encoders: a capture in memory to wire bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benches.cases import CHUNKS, Size, choices
from benches.conftest import capture_of, drain, encoded_capture, made
from packhorse.stages.base import Stage


@pytest.mark.benchmark(group="encode")
@pytest.mark.parametrize("choice", choices(Stage.ENCODE, CHUNKS))
def test_encode(choice: str, size: Size, timed: Callable[[Callable[[], object], int, int], None]) -> None:
    encoder, capture = made(Stage.ENCODE, choice), capture_of(size)
    wire = list(encoder.encode(capture))
    assert encoder.decode(wire) == capture
    timed(lambda: drain(encoder.encode(capture)), len(encoded_capture(size)), sum(map(len, wire)))
