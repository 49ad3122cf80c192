"""Redaction of a synthetic capture of about 1 MB, next to the pipeline it stands before. Its cost is their ratio."""

from __future__ import annotations

import json
from typing import Any

import pytest

from packhorse.bench.synth import KINDS, sized
from packhorse.pipeline import Pipeline
from packhorse.redact import Redactor
from packhorse.redact.scanner import ScannerName

pytestmark = pytest.mark.bench
PIPELINE = "orjson-stream | zstd:1 | raw"
SIZE_BYTES = 1_100_000


@pytest.fixture(scope="module", params=KINDS)
def capture(request: pytest.FixtureRequest) -> Any:
    return sized(SIZE_BYTES, 1, request.param).materialize()


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_redact(benchmark: Any, capture: Any, scanner: ScannerName) -> None:
    redactor = Redactor(key=b"bench", scanner=scanner)
    once = redactor.capture(capture)
    assert redactor.report()
    assert redactor.capture(once) == once
    benchmark(redactor.capture, capture)


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_redact_encoded(benchmark: Any, capture: Any, scanner: ScannerName) -> None:
    redactor = Redactor(key=b"bench", scanner=scanner)
    text = json.dumps(capture, separators=(",", ":")).encode()
    once = redactor.encoded(text)
    assert json.loads(once) == redactor.capture(capture)
    assert redactor.encoded(once) == once
    benchmark(redactor.encoded, text)


def test_pipeline(benchmark: Any, capture: Any) -> None:
    codec = Pipeline.parse(PIPELINE).codec()
    assert codec.decode(codec.encode(capture)) == capture
    benchmark(lambda: sum(map(len, codec.encode(capture))))
