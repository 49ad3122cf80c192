"""The sampling mode of a block process: prepare every arm outside the clock, then sample each in the order given."""

from __future__ import annotations

import gc
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from packhorse.bench.race.child import SILENCE_LIMIT_S
from packhorse.bench.race.clock import GcWatch, Meter, suspicions
from packhorse.bench.race.driver import Driver, Uploads, encoders, make_driver, with_pool
from packhorse.bench.race.inputs import Inputs
from packhorse.bench.race.spec import Arm, BlockSpec, Kind, Sample
from packhorse.errors import PackhorseError
from packhorse.pipeline import Pipeline
from packhorse.stages.base import DEFAULT_CHUNK_BYTES
from packhorse.stores.base import Endpoint

Emit = Callable[[dict[str, Any]], None]
#: Uploads of a ready body before the ceiling is read.
CEILING_UPLOADS = 64
#: An upload's sample is this many times as long as a CPU sample: threads, client and server take turns by chance, and
#: the clients that have to be told apart differ by less than that scatters over 50 ms.
UPLOAD_SAMPLE_FACTOR = 3
#: Predicted seconds above which an upload's sample is not begun. A process that is silent for twice as long is killed.
LONGEST_SAMPLE_S = SILENCE_LIMIT_S / 2


class TooSlowError(PackhorseError):
    """An arm's sample with enough captures in flight would last too long."""


@dataclass(slots=True)
class Work:
    """An arm made ready: ``run(rounds)`` is what the clock sees; ``close`` lies outside of it."""

    run: Callable[[int], Uploads]
    close: Callable[[], None] = lambda: None
    items: int = 1


def cut(data: bytes) -> list[bytes]:
    """``data`` in chunks of the size that streaming encoders hand on."""
    return [data[i : i + DEFAULT_CHUNK_BYTES] for i in range(0, len(data), DEFAULT_CHUNK_BYTES)]


def length(chunks: Iterable[bytes]) -> int:
    """Consume a stream, keeping nothing."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
    return total


def _repeat(step: Callable[[Any], int], items: Sequence[Any]) -> Work:
    def run(rounds: int) -> Uploads:
        bytes_out = 0
        for _ in range(rounds):
            for item in items:
                bytes_out += step(item)
        return Uploads(bytes_out, [])

    return Work(run, items=len(items))


def _upload(arm: Arm, spec: BlockSpec, inputs: Inputs) -> Work:
    pipeline = with_pool(Pipeline.parse(arm.pipeline), arm.in_flight)
    endpoint = Endpoint(**(spec.endpoint or {"bucket": "none"}))
    prefix = f"{spec.key_prefix}{zlib.crc32(arm.name.encode()):08x}"
    if arm.kind is Kind.CEILING:
        body = os.urandom(arm.body_bytes)
        driver = make_driver(pipeline, endpoint, [lambda _: body] * arm.in_flight, prefix)
        items: Sequence[Any] = [None] * CEILING_UPLOADS
        if "/" in spec.key_prefix:
            _put_one_alone(driver)
    else:
        driver = make_driver(pipeline, endpoint, encoders(pipeline, arm.in_flight), prefix)
        items = inputs.captures
    return Work(lambda rounds: driver.run(items, rounds), driver.close, len(items))


def _put_one_alone(driver: Driver) -> None:
    """Make the race's folder: servers that keep objects as files answer 500 when many first PUTs make one at once.

    The ceiling is what a race measures first, so that no other sample's clients have to.
    """
    try:
        driver.run([None], 1)
    except BaseException:
        driver.close()
        raise


def _forward(transform: Any) -> Callable[[Any], int]:
    return lambda chunks: length(transform.forward(iter(chunks)))


def _encode_only(arm: Arm, _spec: BlockSpec, inputs: Inputs) -> Work:
    encoder = Pipeline.parse(arm.pipeline).encode_with.make()
    return _repeat(lambda capture: length(encoder.encode(capture)), inputs.captures)


def _compress_only(arm: Arm, _spec: BlockSpec, inputs: Inputs) -> Work:
    return _repeat(_forward(Pipeline.parse(arm.pipeline).compress.make()), [cut(plain) for plain in inputs.plain])


def _base64_only(arm: Arm, _spec: BlockSpec, inputs: Inputs) -> Work:
    packed = [cut(zlib.compress(plain, 1)) for plain in inputs.plain]
    return _repeat(_forward(Pipeline.parse(arm.pipeline).base64.make()), packed)


def _cpu(arm: Arm, _spec: BlockSpec, inputs: Inputs) -> Work:
    codec = Pipeline.parse(arm.pipeline).codec()
    return _repeat(lambda capture: length(codec.encode(capture)), inputs.captures)


def _null(_arm: Arm, _spec: BlockSpec, inputs: Inputs) -> Work:
    return _repeat(lambda capture: 0, inputs.captures)


_PREPARE: dict[Kind, Callable[[Arm, BlockSpec, Inputs], Work]] = {
    Kind.NULL: _null,
    Kind.ENCODE: _encode_only,
    Kind.COMPRESS: _compress_only,
    Kind.BASE64: _base64_only,
    Kind.CPU: _cpu,
    Kind.UPLOAD: _upload,
    Kind.CEILING: _upload,
}


def prepare(arm: Arm, spec: BlockSpec, inputs: Inputs) -> Work:
    """Make an arm ready: contexts, clients, inputs.

    Raises:
        PackhorseError: The arm cannot be made; the block goes on without it.
    """
    return _PREPARE[arm.kind](arm, spec, inputs)


def rounds_for(once_s: float, arm: Arm, items: int, spec: BlockSpec) -> int:
    """Rounds of a sample: at least ``min_sample_s`` of work, and for uploads enough captures to keep all workers busy.

    With few captures per worker the last ones run alone, which charges the drain to the pipeline: four captures per
    worker are wanted, and never fewer than two are had, however long they take.

    Args:
        once_s: Seconds that one warm round took.
        arm: The arm.
        items: Captures in a round.
        spec: The bounds.

    Raises:
        TooSlowError: Two captures per worker would take longer than :data:`LONGEST_SAMPLE_S`.
    """
    once_s = max(once_s, 1e-7)
    affordable = max(1, int(spec.max_sample_s / once_s))
    if arm.kind is not Kind.UPLOAD:
        return min(max(1, math.ceil(spec.min_sample_s / once_s)), affordable)
    wanted = math.ceil(UPLOAD_SAMPLE_FACTOR * spec.min_sample_s / once_s)
    if arm.in_flight > 1:
        wanted = max(wanted, math.ceil(4 * arm.in_flight / items))
    fewest = math.ceil(2 * arm.in_flight / items)
    if fewest * once_s > LONGEST_SAMPLE_S:
        raise TooSlowError(_too_slow(fewest * items, arm, fewest * once_s))
    return max(fewest, min(wanted, affordable))


def nearest_rank(part: float, count: int) -> int:
    """Index of a quantile among ``count`` ascending values: the nearest-rank definition, whose ranks begin at 1."""
    return max(1, math.ceil(part * count)) - 1


def _too_slow(captures: int, arm: Arm, predicted_s: float) -> str:
    return (
        f"{captures} captures, which {arm.in_flight} in flight need, would take about {predicted_s:.0f} s, and a "
        f"sample is given {LONGEST_SAMPLE_S:.0f} s; race smaller captures or fewer in flight"
    )


class Sampler:
    """Runs one arm after the other and emits what happened, a line each."""

    def __init__(self, spec: BlockSpec, inputs: Inputs, emit: Emit) -> None:
        self._spec = spec
        self._inputs = inputs
        self._emit = emit
        self._watch = GcWatch()
        self._meter = Meter(self._watch)
        self._cores = os.cpu_count() or 1

    def run(self) -> None:
        """Sample all arms. An arm that fails becomes an ``error`` line; the others go on."""
        works: dict[str, Work] = {}
        for arm in self._spec.arms:
            self._emit({"event": "start", "arm": arm.name})
            try:
                works[arm.name] = prepare(arm, self._spec, self._inputs)
            except Exception as error:  # noqa: BLE001 - any library may fail in its own way; the race goes on without the arm
                self._fail(arm, error)
        gc.collect()
        gc.freeze()
        for arm in self._spec.arms:
            if arm.name in works:
                self._emit({"event": "start", "arm": arm.name})
                self._one(arm, works[arm.name])
        for arm in self._spec.arms:
            if arm.name in works:
                self._close(arm, works[arm.name])

    def _one(self, arm: Arm, work: Work) -> None:
        try:
            warm_up = self._sample(arm, work, 1)
            self._emit({"event": "warmup", **warm_up.as_dict()})
            once_s = self._settle(arm, work, warm_up)
            rounds = arm.rounds or rounds_for(once_s, arm, work.items, self._spec)
            self._emit({"event": "sample", **self._sample(arm, work, rounds).as_dict()})
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(arm, error)

    def _settle(self, arm: Arm, work: Work, first: Sample) -> float:
        """Finish warming up and return seconds per warm round.

        The first round pays for lazy set-up; and with fewer captures than are in flight it opens too few connections,
        which would then be opened under the clock. So it is left at the first round only where that had enough captures
        and was slow.

        Raises:
            TooSlowError: Even if all waiting overlapped, that many captures would take too long.
        """
        needed = math.ceil(arm.in_flight / work.items)
        if needed == 1 and first.wall_s > self._spec.max_sample_s:
            return first.wall_s
        predicted_s = first.wall_s + (needed - 1) * first.cpu_s / self._cores
        if needed > 1 and predicted_s > LONGEST_SAMPLE_S:
            raise TooSlowError(_too_slow(needed * work.items, arm, predicted_s))
        begun = time.perf_counter()
        work.run(needed)
        return (time.perf_counter() - begun) / needed

    def _sample(self, arm: Arm, work: Work, rounds: int) -> Sample:
        self._meter.start()
        out = work.run(rounds)
        cost = self._meter.stop()
        waits = arm.kind in (Kind.UPLOAD, Kind.CEILING)
        ordered = sorted(out.latencies_s)
        return Sample(
            arm=arm.name,
            block=-1,
            rounds=rounds,
            captures=rounds * work.items,
            bytes_out=out.bytes_out,
            latency_p50_s=ordered[len(ordered) // 2] if ordered else None,
            latency_p99_s=ordered[nearest_rank(0.99, len(ordered))] if ordered else None,
            put_s=out.put_s if waits else None,
            suspect=suspicions(cost, waits=waits, cores=self._cores),
            **asdict(cost),
        )

    def _close(self, arm: Arm, work: Work) -> None:
        try:
            work.close()
        except Exception as error:  # noqa: BLE001 - a client that cannot be closed cleanly is not fit for a service
            self._fail(arm, error)

    def _fail(self, arm: Arm, error: Exception) -> None:
        self._emit({"event": "error", "arm": arm.name, "error": f"{type(error).__name__}: {error}"})
