"""Captures, encoded once per session, and the options of ``pytest benches/``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import orjson
import pytest

from benches.cases import LARGEST_SLOW_BYTES, QUICK_SIZES, SEED, SIZES, SLOW, VERY_SLOW, Size
from packhorse.bench.synth import sized
from packhorse.stages import registry
from packhorse.stages.base import Stage

#: Wall time a bench may take for its samples, and the fewest samples (pytest-benchmark's own default is 1 s and 5).
MAX_S, QUICK_MAX_S, MIN_ROUNDS = 0.5, 0.1, 3


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--quick``."""
    parser.addoption("--quick", action="store_true", help="benches: one capture of 1 MB, few samples")


def pytest_configure(config: pytest.Config) -> None:
    """Set shorter sampling than pytest-benchmark's, unless the command line asks for something else."""
    quick = config.getoption("--quick")
    if config.getoption("benchmark_max_time", None) in (None, 1.0):
        config.option.benchmark_max_time = QUICK_MAX_S if quick else MAX_S
    if config.getoption("benchmark_min_rounds", None) in (None, 5):
        config.option.benchmark_min_rounds = MIN_ROUNDS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every bench that asks for one a capture of each size."""
    if "size" in metafunc.fixturenames:
        sizes = QUICK_SIZES if metafunc.config.getoption("--quick") else SIZES
        metafunc.parametrize("size", sizes, ids=lambda size: size.name)


def _too_slow(params: dict[str, Any], *, quick: bool) -> bool:
    written, size = params.get("choice"), params.get("size")
    if quick and written in VERY_SLOW:
        return True
    return written in SLOW and isinstance(size, Size) and size.target_bytes > LARGEST_SLOW_BYTES


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all as benches, and leave out what cases.py says takes too long."""
    quick = bool(config.getoption("--quick"))
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        item.add_marker("bench")
        callspec = getattr(item, "callspec", None)
        slow = callspec is not None and _too_slow(callspec.params, quick=quick)
        (dropped if slow else kept).append(item)
    if dropped:
        items[:] = kept
        config.hook.pytest_deselected(items=dropped)


@cache
def capture_of(size: Size) -> Any:
    """The synthetic capture of a size, as an object."""
    return orjson.loads(encoded_capture(size))


@cache
def encoded_capture(size: Size) -> bytes:
    """The same as compact JSON."""
    return orjson.dumps(sized(size.target_bytes, SEED).materialize())


def made(stage: Stage, written: str) -> Any:
    """Make a candidate as it is written in a pipeline; its library must be installed."""
    from packhorse.pipeline import Choice

    choice = Choice.parse(stage, written)
    state = registry.availability(choice.candidate)
    if state.reason:
        pytest.fail(f"{choice.candidate.name}: {state.reason}")
    return choice.make()


def drain(chunks: Iterable[bytes]) -> None:
    """Run a stream to its end, keeping nothing."""
    deque(chunks, maxlen=0)


@pytest.fixture
def timed(benchmark: Any) -> Callable[[Callable[[], object], int, int], None]:
    """Time ``work`` and note raw bytes, bytes out, their ratio; pytest-benchmark's rates are per call."""

    def run(work: Callable[[], object], raw_bytes: int, out_bytes: int) -> None:
        benchmark.extra_info.update(
            raw_bytes=raw_bytes, out_bytes=out_bytes, ratio=round(raw_bytes / max(out_bytes, 1), 3)
        )
        benchmark(work)
        if benchmark.stats is not None:  # None with --benchmark-disable
            benchmark.extra_info["raw_mb_per_s"] = round(raw_bytes / benchmark.stats.stats.median / 1e6, 1)

    return run
