"""Compressors: an encoded capture, in chunks, to fewer bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benches.cases import FED_CHUNK_BYTES, MORE_LEVELS, SIZES, TINY_CHUNK_SIZE, Size, choices
from benches.conftest import drain, encoded_capture, made
from packhorse.stages.base import Stage

CHOICES = choices(Stage.COMPRESS, MORE_LEVELS)
TINY = next(size for size in SIZES if size.name == TINY_CHUNK_SIZE)


def _compress(choice: str, size: Size, chunk: int, timed: Callable[[Callable[[], object], int, int], None]) -> None:
    compressor, plain = made(Stage.COMPRESS, choice), encoded_capture(size)
    chunks = [plain[start : start + chunk] for start in range(0, len(plain), chunk)]
    packed = list(compressor.forward(chunks))
    assert b"".join(compressor.backward(packed)) == plain
    timed(lambda: drain(compressor.forward(chunks)), len(plain), sum(map(len, packed)))


@pytest.mark.benchmark(group="compress")
@pytest.mark.parametrize("choice", CHOICES)
def test_compress(choice: str, size: Size, timed: Callable[[Callable[[], object], int, int], None]) -> None:
    _compress(choice, size, FED_CHUNK_BYTES[-1], timed)


@pytest.mark.benchmark(group="compress, 64-byte chunks")
@pytest.mark.parametrize("choice", choices(Stage.COMPRESS, {}))
def test_compress_tiny_chunks(choice: str, timed: Callable[[Callable[[], object], int, int], None]) -> None:
    _compress(choice, TINY, FED_CHUNK_BYTES[0], timed)
