"""Stage rates for the regime map: what encoding, each compressor and a PUT cost here, by size."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from benches.studies.regimes.model import LinearCost, StageRates
from packhorse.bench.lab.targets import Target
from packhorse.bench.synth import sized
from packhorse.model import materialized
from packhorse.pipeline import Pipeline
from packhorse.stores.base import ObjectInfo

#: One encoder for all: it costs the same whatever comes after it. It is the packaged profile's.
ENCODER = "orjson-stream"
STORE = "obstore:pool=64"
COMPRESSORS = (
    "none", "lz4", "snappy", "zstd:-5", "zstd:1", "zstd:3", "zstd:6", "zstd:12", "zstd:19", "isal:0", "isal:2",
    "libdeflate:1", "libdeflate:6", "libdeflate:12", "gzip:6", "zlib-ng:1", "brotli:1", "brotli:5", "brotli:9",
    "brotli:11", "bz2:9", "lzma:1", "lzma:6",
)  # fmt: skip
KINDS = ("browser", "headers", "api")
#: The smallest capture that the generator makes.
SMALLEST_BYTES = 20_000
#: Bodies whose PUTs are timed for a cost per request and one per byte.
PUT_BODIES = (10_000, 4_000_000)


@dataclass(frozen=True, slots=True)
class RatesSpec:
    """What to measure.

    Attributes:
        sizes: Capture sizes in bytes, ascending.
        sample_s: Seconds that each figure should take at least; the median of repeats is kept.
        limit_s: A size at which one run would take longer than this is not run: rates are scaled from the size below.
    """

    sizes: tuple[int, ...]
    sample_s: float
    limit_s: float
    seed: int


def pipelines() -> tuple[dict[str, Pipeline], dict[str, str]]:
    """The compared pipelines' CPU stages by their compressor, and why others cannot run here."""
    found = {name: Pipeline.parse(f"{ENCODER} | {name} | raw") for name in COMPRESSORS}
    missing = {name: pipeline.unavailable for name, pipeline in found.items() if pipeline.unavailable}
    return {name: pipeline for name, pipeline in found.items() if name not in missing}, missing


def measure_rates(spec: RatesSpec, send: Callable[[Any], None]) -> dict[str, list[dict[str, Any]]]:
    """Rates of every available pipeline at every size, means over one capture of each kind.

    Run in a process of its own; ``send`` is told what is done. Each row is a :class:`StageRates` with
    ``scaled``: True when it was scaled from a smaller size.
    """
    usable, _ = pipelines()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in usable}
    for size in spec.sizes:
        encode_s, plain = _encoded(next(iter(usable.values())), size, spec)
        plain_bytes = sum(len(chunk) for chunks in plain for chunk in chunks) / len(KINDS)
        for name, pipeline in usable.items():
            rows[name].append(_compressed(pipeline, plain, (plain_bytes, encode_s), rows[name], spec))
            send((name, size))
    return rows


def captures_of(size: int, seed: int) -> list[Any]:
    """One synthetic capture of each kind, of about ``size`` bytes as JSON.

    Below what the generator makes, the first entries of its smallest capture: at least one.
    """
    captures = [materialized(sized(max(size, SMALLEST_BYTES), seed, kind)) for kind in KINDS]
    for capture in captures if size < SMALLEST_BYTES else ():
        entries = capture["log"]["entries"]
        del entries[max(1, round(len(entries) * size / SMALLEST_BYTES)) :]
    return captures


def plain_bytes_of(size: int, seed: int) -> float:
    """The mean size that :func:`captures_of` really gives."""
    encoder = Pipeline.parse(f"{ENCODER} | none | raw").codec().encoder
    return statistics.fmean(_drain(encoder.encode(capture)) for capture in captures_of(size, seed))


def _encoded(pipeline: Pipeline, size: int, spec: RatesSpec) -> tuple[float, list[list[bytes]]]:
    """CPU seconds of encoding one capture, and the chunks of one capture of each kind."""
    encoder = pipeline.codec().encoder
    captures = captures_of(size, spec.seed)
    seconds = _cpu_s(lambda: [_drain(encoder.encode(capture)) for capture in captures], spec.sample_s)
    return seconds / len(KINDS), [list(encoder.encode(capture)) for capture in captures]


def _compressed(
    pipeline: Pipeline,
    plain: list[list[bytes]],
    encoded: tuple[float, float],
    smaller: list[dict[str, Any]],
    spec: RatesSpec,
) -> dict[str, Any]:
    """One pipeline at one size; scaled from the size below when it would take too long."""
    plain_bytes, encode_s = encoded
    if smaller:
        factor = plain_bytes / smaller[-1]["plain_bytes"]
        if smaller[-1]["compress_s"] * factor * len(plain) > spec.limit_s:
            scaled = {key: smaller[-1][key] * factor for key in ("compress_s", "out_bytes")}
            return {"plain_bytes": plain_bytes, "encode_s": encode_s, **scaled, "scaled": True}
    compressor = pipeline.codec().compressor
    out: list[int] = []

    def run() -> None:
        out[:] = [_drain(compressor.forward(chunks)) for chunks in plain]

    compress_s = _cpu_s(run, spec.sample_s) / len(plain)
    rates = StageRates(plain_bytes, encode_s, compress_s, sum(out) / len(plain))
    return {**asdict(rates), "scaled": False}


def _drain(chunks: Any) -> int:
    return sum(len(chunk) for chunk in chunks)


def _cpu_s(work: Callable[[], object], sample_s: float) -> float:
    """CPU seconds of one run: the median of as many as fit into ``sample_s``, at least one."""
    seconds: list[float] = []
    while sum(seconds) < sample_s:
        start = time.process_time()
        work()
        seconds.append(max(time.process_time() - start, 1e-9))
    return statistics.median(seconds)


def measure_puts(target: Target, puts: int) -> dict[int, dict[str, float]]:
    """CPU seconds per PUT by body size, PUTs one after another: this process's, and that of its children.

    Also the bytes that go up beside the body, as the target's link counts them. The children are the local server and
    its link: they share the machine's cores with the client.
    """
    choice = Pipeline.parse(f"{ENCODER} | none | raw | {STORE}").store
    assert choice is not None
    assert target.link is not None
    store = choice.make(endpoint=target.endpoint)
    info = ObjectInfo()
    found = {}
    try:
        for body_bytes in PUT_BODIES:
            body = bytes(body_bytes)
            store.put("rates", body, info)
            counts = target.link.counts()
            children_s, start = children_cpu_s(), time.process_time()
            for _ in range(puts):
                store.put("rates", body, info)
            own_s = time.process_time() - start
            others_s = children_cpu_s() - children_s
            seen = target.link.counts() - counts
            found[body_bytes] = {
                "client_s": own_s / puts,
                "others_s": others_s / puts,
                "overhead_bytes": seen.bytes_up / puts - body_bytes,
            }
    finally:
        store.close()
    return found


def children_cpu_s() -> float:
    """CPU seconds of all processes below this one that are alive."""
    spent = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            spent += times.user + times.system
    return spent


def line_through(costs: dict[int, float]) -> LinearCost:
    """Cost per request and per byte through the costs of two bodies; neither below zero."""
    (small, small_s), (large, large_s) = sorted(costs.items())
    per_byte_s = max(0.0, (large_s - small_s) / (large - small))
    return LinearCost(max(0.0, small_s - per_byte_s * small), per_byte_s)
