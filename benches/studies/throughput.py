"""``packhorse study throughput``: the published uploader against the designs it replaces, and against its own parts.

One run, one capture, one server; every block is a fresh process that runs every arm. The figures are ratios within
blocks. Each arm reads back one of its objects before it is timed. Two rows beside: small captures, with what the server
takes for itself, and what handing a capture in costs its submitter.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from benches.studies import submit_cost
from benches.studies.blocks import fresh, median_ratio, orders
from packhorse.bench.lab.targets import start_target
from packhorse.bench.synth import sized
from packhorse.codec import Tally
from packhorse.fetching import fetch
from packhorse.model import materialized
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import load_profile
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.uploader.keys import new_key
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.wire import describe

#: One size, three shapes: few entries with large bodies, many with headers alone, and recorded API traffic.
KINDS = ("browser", "headers", "api")
CAPTURE_BYTES = 1_000_000
IN_FLIGHT = 8
#: With as many as the profile's own limit, fewer arms and half as many blocks: the original takes a minute for each.
MANY_IN_FLIGHT = 64
HAND_WRITTEN = "same parts, hand-written"
#: With the uploader's SHA-256 of the plain capture as one of the parts: on a machine whose cores are busy no other code
#: can have that for nothing, either.
HAND_HASHED = "same parts and SHA-256, hand-written"
ARMS = (
    "uploader",
    "uploader, no SHA-256",
    "uploader, redacting",
    HAND_WRITTEN,
    HAND_HASHED,
    "common",
    "original",
)
MANY_ARMS = ("uploader", HAND_HASHED, "common", "original")
SMALL_BYTES = 20_000
SMALL_IN_FLIGHT = 16
PUT_ALONE = "PUT alone, encoded beforehand"
SMALL_ARMS = ("uploader", "uploader, no SHA-256", HAND_WRITTEN, HAND_HASHED, PUT_ALONE)


@dataclass(frozen=True, slots=True)
class Spec:
    """One block: what to run, in which order, where.

    Attributes:
        endpoint: The running target.
        order: Arms in the order to run them.
        capture_bytes, kind, seed: The synthetic capture.
        in_flight: Captures in flight.
        sample_s: Seconds that a sample should last at least.
    """

    endpoint: Endpoint
    order: tuple[str, ...]
    capture_bytes: int
    kind: str
    seed: int
    in_flight: int
    sample_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One arm in one block: captures uploaded, wall and CPU seconds of this process."""

    arm: str
    captures: int
    wall_s: float
    cpu_s: float

    @property
    def captures_per_s(self) -> float:
        """The rate."""
        return self.captures / self.wall_s


def run_arms(spec: Spec) -> list[Sample]:
    """Run every arm once."""
    return _samples(spec, materialized(sized(spec.capture_bytes, spec.seed, spec.kind)))


def run_block(spec: Spec) -> tuple[list[Sample], dict[str, float]]:
    """Run every arm once; also the CPU seconds of the uploader and of its parts, each alone."""
    capture = materialized(sized(spec.capture_bytes, spec.seed, spec.kind))
    return _samples(spec, capture), _alone_cpu_s(spec, capture)


def _samples(spec: Spec, capture: Any) -> list[Sample]:
    samples = []
    for arm in spec.order:
        with _arm(arm, spec, capture) as (send, key):
            send(spec.in_flight)
            stored = fetch(f"s3://{spec.endpoint.bucket}/{key()}", endpoint=spec.endpoint)
            if "redacting" not in arm and stored != capture:
                raise AssertionError(f"{arm} stored something else than it was given")
            samples.append(_sample(arm, send, spec))
    return samples


def _sample(arm: str, send: Callable[[int], object], spec: Spec) -> Sample:
    """Time batches until ``sample_s`` have passed."""
    captures = 0
    cpu, wall = time.process_time(), time.perf_counter()
    while (elapsed := time.perf_counter() - wall) < spec.sample_s:
        rate = captures / elapsed if captures else 0.0
        batch = max(min(2 * spec.in_flight, MANY_IN_FLIGHT), int(rate * spec.sample_s / 2))
        send(batch)
        captures += batch
    return Sample(arm, captures, time.perf_counter() - wall, time.process_time() - cpu)


@contextmanager
def _arm(arm: str, spec: Spec, capture: Any) -> Iterator[tuple[Callable[[int], object], Callable[[], str]]]:
    """A function that uploads the capture so many times, and one that names an object it wrote."""
    if arm.startswith("uploader"):
        options = UploaderOptions(
            endpoint=spec.endpoint, max_in_flight=spec.in_flight, plain_sha256="no SHA-256" not in arm
        )
        url = f"s3://{spec.endpoint.bucket}/{_folder()}"
        with Uploader(url, options=options, redact="redacting" in arm) as uploader:
            keys: list[str] = []

            def send(count: int) -> None:
                tickets = [uploader.submit(capture) for _ in range(count)]
                keys[:] = [ticket.result(120).key for ticket in tickets]

            yield send, lambda: keys[-1]
        return
    published = load_profile().pipeline
    pipeline = published if arm.startswith(("same", "PUT")) else Pipeline.parse(arm)
    yield from _hand_written(pipeline, spec, capture, hashed=arm == HAND_HASHED, encoded=arm == PUT_ALONE)


def _folder() -> str:
    """A folder that no other arm has: servers get slower as one grows."""
    return f"study-{time.time_ns()}"


def _hand_written(
    pipeline: Pipeline, spec: Spec, capture: Any, *, hashed: bool, encoded: bool
) -> Iterator[tuple[Callable[[int], object], Callable[[], str]]]:
    """What one would write without packhorse: a thread pool, each task encodes and puts."""
    assert pipeline.store is not None
    store = pipeline.store.make(endpoint=spec.endpoint)
    folder = _folder()
    mine = threading.local()
    ready = b"".join(pipeline.encode(capture)) if encoded else None

    def put(body: bytes, info: ObjectInfo) -> str:
        key = new_key(folder, "")  # new objects, as the uploader's: to replace one is less work for the server
        store.put(key, body, info)
        return key

    def task(_: int) -> str:
        if ready is not None:
            return put(ready, describe(pipeline, "study"))
        if not hasattr(mine, "codec"):
            mine.codec = pipeline.codec()
        tally = Tally(digest=sha256() if hashed else None)
        body = b"".join(mine.codec.encode(capture, tally=tally))
        info = describe(pipeline, "study", sha256=tally.hexdigest() or None)
        return put(body, info)

    first = task(0)  # rclone sometimes answers 500 when several requests make the same folder at once
    with ThreadPoolExecutor(spec.in_flight) as pool:
        yield lambda count: deque(pool.map(task, range(count)), 0), lambda: first
    store.close()


def _alone_cpu_s(spec: Spec, capture: Any) -> dict[str, float]:
    """CPU seconds of each part of the published pipeline alone, and of the uploader with one capture at a time.

    Alone, since with many captures in flight on few cores any work costs more CPU time than by itself: caches, memory
    and hyper-threads are shared, by hand-written code as well.
    """
    pipeline = load_profile().pipeline
    assert pipeline.store is not None
    codec = pipeline.codec()
    plain = list(codec.encoder.encode(capture))
    body = b"".join(codec.base64.forward(codec.compressor.forward(plain)))
    store = pipeline.store.make(endpoint=spec.endpoint)
    info = describe(pipeline, "study")
    try:
        with Uploader(f"s3://{spec.endpoint.bucket}/alone", options=UploaderOptions(spec.endpoint), redact=False) as up:
            uploader = _cpu_s(lambda: up.upload(capture))
        return {
            "uploader": uploader,
            "encode": _cpu_s(lambda: list(codec.encoder.encode(capture))),
            "compress": _cpu_s(lambda: list(codec.base64.forward(codec.compressor.forward(plain)))),
            "put": _cpu_s(lambda: store.put("part", body, info)),
            "sha256": _cpu_s(lambda: deque(Tally().watch(plain), 0)),
        }
    finally:
        store.close()


def _cpu_s(work: Callable[[], object], runs: int = 20, repeats: int = 5) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(runs):
            work()
        seconds.append((time.process_time() - start) / runs)
    return statistics.median(seconds)


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study against ``rclone`` and return its result document."""
    blocks = 2 if quick else 4
    sample_s = 0.7 if quick else 1.5
    kinds: dict[str, dict[str, Any]] = {}
    many: dict[str, dict[str, Any]] = {}
    steps = 2 * len(KINDS) + 2
    with start_target("rclone") as target:
        for index, kind in enumerate(KINDS):
            samples: list[list[Sample]] = []
            alone: list[dict[str, float]] = []
            for number, order in enumerate(orders(ARMS, blocks, seed)):
                measured, cpu_s = fresh(
                    run_block, Spec(target.endpoint, order, CAPTURE_BYTES, kind, seed, IN_FLIGHT, sample_s)
                )
                samples.append(measured)
                alone.append(cpu_s)
                progress((index + (number + 1) / blocks) / steps)
            kinds[kind] = _figures(samples, alone)
        for index, kind in enumerate(KINDS):
            many[kind] = _many(
                Spec(target.endpoint, (), CAPTURE_BYTES, kind, seed, MANY_IN_FLIGHT, sample_s), blocks // 2
            )
            progress((len(KINDS) + index + 1) / steps)
        small = _small(target.endpoint, blocks, seed, sample_s)
        progress((steps - 1) / steps)
        submit = _submit(target.endpoint, 2 * blocks, seed)
    settings = {"capture_bytes": CAPTURE_BYTES, "in_flight": IN_FLIGHT, "seed": seed, "blocks": blocks}
    return {
        "settings": {
            **settings,
            "cores": os.cpu_count(),
            "target": target.version,
            "pipeline": str(load_profile().pipeline),
        },
        "kinds": kinds,
        "many_in_flight": many,
        "small_captures": small,
        "submit_nowait": submit,
    }


def _small(endpoint: Endpoint, blocks: int, seed: int, sample_s: float) -> dict[str, Any]:
    """Rates of small captures. ``put_alone`` is the most that client and server reach on these cores together."""
    measured = [
        fresh(run_arms, Spec(endpoint, order, SMALL_BYTES, KINDS[0], seed, SMALL_IN_FLIGHT, sample_s))
        for order in orders(SMALL_ARMS, blocks, seed)
    ]
    rates = {arm: [s.captures_per_s for block in measured for s in block if s.arm == arm] for arm in SMALL_ARMS}
    return {
        "settings": {"capture_bytes": SMALL_BYTES, "in_flight": SMALL_IN_FLIGHT, "kind": KINDS[0]},
        "captures_per_s": {arm: statistics.median(rates[arm]) for arm in SMALL_ARMS},
        "best_captures_per_s": {arm: max(rates[arm]) for arm in SMALL_ARMS},
        "uploader_over_hand_written": median_ratio(rates["uploader"], rates[HAND_WRITTEN]),
        "uploader_over_hand_written_hashed": median_ratio(rates["uploader"], rates[HAND_HASHED]),
        "uploader_over_put_alone": median_ratio(rates["uploader"], rates[PUT_ALONE]),
        "samples": _raw(measured),
    }


def _many(spec: Spec, blocks: int) -> dict[str, Any]:
    """Ratios with many captures in flight."""
    measured = [fresh(run_arms, replace(spec, order=order)) for order in orders(MANY_ARMS, blocks, spec.seed)]
    rates = {arm: [s.captures_per_s for block in measured for s in block if s.arm == arm] for arm in MANY_ARMS}
    return {
        "in_flight": spec.in_flight,
        "captures_per_s": {arm: statistics.median(rates[arm]) for arm in MANY_ARMS},
        "uploader_over_original": median_ratio(rates["uploader"], rates["original"]),
        "uploader_over_common": median_ratio(rates["uploader"], rates["common"]),
        "uploader_over_hand_written_hashed": median_ratio(rates["uploader"], rates[HAND_HASHED]),
        "samples": _raw(measured),
    }


def _raw(measured: list[list[Sample]]) -> list[dict[str, Any]]:
    return [
        {"block": n, "arm": s.arm, "captures": s.captures, "wall_s": s.wall_s, "cpu_s": s.cpu_s}
        for n, block in enumerate(measured)
        for s in block
    ]


def _submit(endpoint: Endpoint, blocks: int, seed: int) -> dict[str, Any]:
    """What ``submit_nowait`` costs, with and without redaction in the encoders beside it."""
    found = {}
    for redact in (False, True):
        spec = submit_cost.SubmitSpec(endpoint, CAPTURE_BYTES, KINDS[0], seed, redact, 2000, 4000, 50)
        measured = [fresh(submit_cost.run_block, spec) for _ in range(blocks)]
        arms = {arm: submit_cost.summary([block[arm] for block in measured]) for arm in measured[0]}
        found["redacting" if redact else "not redacting"] = arms
    return found


def _figures(blocks: list[list[Sample]], alone: list[dict[str, float]]) -> dict[str, Any]:
    by_arm = {arm: [next(s for s in block if s.arm == arm) for block in blocks] for arm in ARMS}
    rates = {arm: [sample.captures_per_s for sample in by_arm[arm]] for arm in ARMS}
    cpu_s = {arm: [sample.cpu_s / sample.captures for sample in by_arm[arm]] for arm in ARMS}
    sums = [block["encode"] + block["compress"] + block["put"] for block in alone]
    hashed = [total + block["sha256"] for total, block in zip(sums, alone, strict=True)]
    return {
        "captures_per_s": {arm: statistics.median(rates[arm]) for arm in ARMS},
        "cpu_s_per_capture": {arm: statistics.median(cpu_s[arm]) for arm in ARMS},
        "alone_cpu_s": {name: statistics.median(block[name] for block in alone) for name in alone[0]},
        "uploader_over_original": median_ratio(rates["uploader"], rates["original"]),
        "uploader_over_common": median_ratio(rates["uploader"], rates["common"]),
        "uploader_over_hand_written": median_ratio(rates["uploader"], rates[HAND_WRITTEN]),
        "uploader_over_hand_written_hashed": median_ratio(rates["uploader"], rates[HAND_HASHED]),
        "unhashed_over_hand_written": median_ratio(rates["uploader, no SHA-256"], rates[HAND_WRITTEN]),
        "redacting_over_not": median_ratio(rates["uploader, redacting"], rates["uploader"]),
        "uploader_cpu_over_parts": median_ratio([block["uploader"] for block in alone], sums),
        "uploader_cpu_over_hashed_parts": median_ratio([block["uploader"] for block in alone], hashed),
        "uploader_cpu_over_parts_in_flight": median_ratio(cpu_s["uploader"], sums),
        "samples": _raw(blocks),
    }
