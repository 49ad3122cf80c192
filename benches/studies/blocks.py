"""Blocks of a study: each runs in a fresh process, with its arms in a seeded random order, counterbalanced in pairs."""

from __future__ import annotations

import multiprocessing
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from packhorse.bench.flamegraph.allocations import tracked
from packhorse.bench.race.memory import reset_peak, rss_bytes
from packhorse.errors import UnavailableError

#: Seconds of each wait for a block's end: a signal that comes just before a wait begins is seen only after it.
LOOK_S = 0.5
Spec = TypeVar("Spec")
Result = TypeVar("Result")


def fresh(function: Callable[[Spec], Result], spec: Spec) -> Result:
    """Run ``function(spec)`` in a fresh interpreter and hand back its result, or raise what it raised.

    When this is interrupted, so is the interpreter: a terminal's Ctrl-C reaches both, a signal only us.
    """
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(max_workers=1, mp_context=context)
    try:
        result = pool.submit(tracked, function, spec)
        while wait([result], LOOK_S).not_done:
            pass
        return result.result()
    except KeyboardInterrupt:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        with suppress(RuntimeError):  # interrupted as it started, it may have a thread that does not run yet
            pool.shutdown()


def orders(arms: Sequence[str], blocks: int, seed: int) -> Iterator[tuple[str, ...]]:
    """An order of the arms for each block: random in even blocks, that order reversed in the odd ones after them."""
    source = random.Random(seed)
    order: tuple[str, ...] = ()
    for block in range(blocks):
        order = tuple(source.sample(list(arms), len(arms))) if block % 2 == 0 else tuple(reversed(order))
        yield order


def median_ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest of the ratios taken within blocks."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def begin_peak() -> int:
    """Reset this process's high-water mark and return its resident bytes.

    Raises:
        UnavailableError: The system does not allow it.
    """
    if not reset_peak():
        raise UnavailableError("this system cannot reset a process's peak of memory; run this study on Linux")
    return rss_bytes()
