"""Whole CPU pipelines, contexts kept as a service keeps them: a capture in memory to the bytes that are stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benches.cases import PIPELINES, Size
from benches.conftest import capture_of, drain, encoded_capture
from packhorse.pipeline import Pipeline


@pytest.mark.benchmark(group="pipeline")
@pytest.mark.parametrize("text", PIPELINES)
def test_pipeline(text: str, size: Size, timed: Callable[[Callable[[], object], int, int], None]) -> None:
    codec, capture = Pipeline.parse(text).codec(), capture_of(size)
    stored = list(codec.encode(capture))
    assert codec.decode(stored) == capture
    timed(lambda: drain(codec.encode(capture)), len(encoded_capture(size)), sum(map(len, stored)))
