"""Base64: compressed bytes, in chunks, to text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benches.cases import Size, choices
from benches.conftest import drain, encoded_capture, made
from packhorse.stages.base import Stage


@pytest.mark.benchmark(group="base64")
@pytest.mark.parametrize("choice", choices(Stage.BASE64, {}))
def test_base64(choice: str, size: Size, timed: Callable[[Callable[[], object], int, int], None]) -> None:
    chunks = list(made(Stage.COMPRESS, "zstd:1").forward([encoded_capture(size)]))
    transform, plain = made(Stage.BASE64, choice), b"".join(chunks)
    chunks = [plain[start : start + 131_071] for start in range(0, len(plain), 131_071)]
    text = list(transform.forward(chunks))
    assert b"".join(transform.backward(text)) == plain
    timed(lambda: drain(transform.forward(chunks)), len(encoded_capture(size)), sum(map(len, text)))
