"""Real uploads over a simulated link, to hold the regime model's predictions against."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benches.studies.regimes.rates import ENCODER, STORE, captures_of
from packhorse.bench.lab.link.model import Link
from packhorse.pipeline import Pipeline
from packhorse.stores.base import Endpoint
from packhorse.wire import describe

#: Round trip and service time of the checked links: those of the preset ``same-region``.
DELAY_MS, SERVICE_MS = 1.0, 28.0
#: Keys that are written again and again.
KEYS = 64


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the map: a size and a bandwidth."""

    plain_bytes: int
    mbit: float

    @property
    def link(self) -> Link:
        """The simulated link."""
        return Link(f"{self.mbit:g} Mbit/s", delay_ms=DELAY_MS, service_ms=SERVICE_MS, up_mbit=self.mbit)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One run: what to upload, through what, for how long.

    Attributes:
        stagger_s: Seconds between the starts of two threads: one round over all of them, so that completions do not
            come in bunches, which a rate over few of them would misread.
    """

    endpoint: Endpoint
    compressor: str
    plain_bytes: int
    in_flight: int
    stagger_s: float
    warmup_s: float
    window_s: float
    seed: int


def run_check(spec: CheckSpec, send: Callable[[Any], None]) -> dict[str, float]:
    """Captures per second with ``in_flight`` threads that each encode and put, one capture after another.

    The rate is that of completions: from the first one after the warm-up to the last one of the window.
    """
    del send
    pipeline = Pipeline.parse(f"{ENCODER} | {spec.compressor} | raw | {STORE}")
    assert pipeline.store is not None
    store = pipeline.store.make(endpoint=spec.endpoint)
    info = describe(pipeline, "regimes")
    captures = captures_of(spec.plain_bytes, spec.seed)
    ended_at_s: list[float] = []
    errors: list[BaseException] = []
    end = threading.Event()

    numbers = itertools.count()  # one for all threads, so that all kinds are sent equally often

    def work(worker: int) -> None:
        codec = pipeline.codec()
        end.wait(worker * spec.stagger_s)
        try:
            while not end.is_set():
                number = next(numbers)
                body = b"".join(codec.encode(captures[number % len(captures)], overlap=False))
                store.put(f"regimes-{number % KEYS}", body, info)
                ended_at_s.append(time.perf_counter())
        except Exception as error:  # noqa: BLE001  # raised again below
            errors.append(error)
            end.set()

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(spec.in_flight)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    end.wait(spec.warmup_s + spec.window_s)
    end.set()
    for thread in threads:
        thread.join()
    store.close()
    if errors:
        raise errors[0]
    return completion_rate(sorted(ended_at_s), start + spec.warmup_s, start + spec.warmup_s + spec.window_s)


def completion_rate(ended_at_s: list[float], begin_s: float, end_s: float) -> dict[str, float]:
    """Completions per second between the first and the last one within the window.

    Raises:
        ValueError: Fewer than three completions: too few for a rate.
    """
    within = [at for at in ended_at_s if begin_s <= at <= end_s]
    if len(within) < 3:
        raise ValueError(f"only {len(within)} captures were stored within the window: make it longer")
    return {"captures": float(len(within)), "captures_per_s": (len(within) - 1) / (within[-1] - within[0])}
