"""The child process of finals and publication: makes its arms ready outside the clock, then samples them in turns.

Runs as ``packhorse.bench.race.racers:main`` (:mod:`packhorse.bench.child`).
"""

from __future__ import annotations

import gc
import math
import os
import random
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import msgspec

from packhorse.bench.child_side import Connection
from packhorse.bench.race.clock import Foreign, GcWatch, Meter, no_collections, sockets
from packhorse.bench.race.hot_path import Lanes, Uploads, bare_parts, hot_path, make_store, parsed, with_pool
from packhorse.bench.race.spec import Arm, Role, Sample, Task, Way
from packhorse.bench.sampler import orders, take_rounds
from packhorse.errors import PackhorseError
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.redact import Redactor
from packhorse.stores.base import Endpoint

#: A sample that would take longer is given fewer captures, though never fewer than there are cores.
LONG_SAMPLE_S = 0.4
#: The same for a preset's one sample.
LONG_PRESET_S = 0.5
#: Tries to find the number of captures in a sample, and the part of the least time that is near enough.
CALIBRATIONS, CLOSE_ENOUGH = 2, 0.7
#: Bytes of compact JSON that are parsed for each second of a publication's sample at the most.
COPIED_BYTES_PER_S = 80_000_000
#: A publication's sample that would take so many times what is wanted has only as many captures as there are cores.
LONG_COPIES = 6
#: The most copies of a capture in one sample of a publication, as a user's own measurement takes.
MOST_COPIES = 300
#: Bytes of compact JSON that are parsed for a publication's sample of 0.7 s at the most, for a shorter one by as much
#: less; as objects they take several times that.
MOST_BYTES, MOST_BYTES_S = 48_000_000, 0.7
#: The same for a sample of the finals, which has so many: parsing takes as long as what is timed.
MOST_BUNDLE_BYTES = 12_000_000
#: Mean size of captures above which the original design goes without a warm-up: it takes half a second for a megabyte.
REFERENCE_WARM_BYTES = 300_000
#: Opens a connection at next to no cost.
TINY = b'{"log":{"version":"1.2","creator":{"name":"packhorse","version":"0"},"entries":[]}}'


class NotEligible(PackhorseError):
    """An arm does not do what its name says."""


class Lane(Protocol):
    """An arm made ready."""

    def upload(self, captures: Sequence[Any]) -> Uploads:
        """Upload every capture once."""
        ...

    def close(self) -> None:
        """Close clients and end threads."""
        ...


class UploaderLane:
    """:class:`packhorse.Uploader` itself, with its default settings."""

    def __init__(self, arm: Arm, endpoint: Endpoint, prefix: str) -> None:
        from packhorse import Uploader, UploaderOptions

        pipeline = Pipeline.parse(arm.pipeline)
        profile = Profile("raced", pipeline, arm.in_flight)
        assert pipeline.store is not None
        memory = pipeline.store.candidate.name == "memory"
        options = UploaderOptions(endpoint=endpoint, store=pipeline.store.make(endpoint=endpoint) if memory else None)
        self._uploader = Uploader(f"s3://{endpoint.bucket}/{prefix}", profile=profile, options=options)
        self._prefix = prefix

    def upload(self, captures: Sequence[Any]) -> Uploads:
        """Submit every capture, then wait for all receipts."""
        tickets = [self._uploader.submit(capture) for capture in captures]
        return Uploads(sum(ticket.result().stored_bytes for ticket in tickets), [], 0.0)

    def close(self) -> None:
        """See :class:`Lane`."""
        self._uploader.close()


def make_lane(arm: Arm, endpoint: Endpoint, prefix: str, redactor: Redactor | None = None) -> Lane:
    """Make an arm ready: contexts, client, threads. An arm that redacts makes a redactor of its own unless given one.

    Raises:
        PackhorseError: It cannot be made; the race goes on without it.
    """
    if arm.way is Way.UPLOADER:
        return UploaderLane(arm, endpoint, prefix)
    pipeline = with_pool(Pipeline.parse(arm.pipeline), arm.in_flight)
    store = make_store(pipeline, endpoint)
    if arm.way is Way.BARE:
        return Lanes([bare_parts(pipeline, store) for _ in range(arm.in_flight)], store, prefix)
    scrub = (redactor or Redactor()) if arm.way is Way.HOT else None
    return Lanes([hot_path(pipeline, scrub, store) for _ in range(arm.in_flight)], store, prefix)


def check(arm: Arm, texts: Sequence[bytes]) -> None:
    """Every capture has to come back as equal data.

    Raises:
        NotEligible: One does not.
    """
    codec = Pipeline.parse(arm.pipeline).codec()
    for number, text in enumerate(texts):
        capture = parsed(text)
        if codec.decode(list(codec.encode(capture))) != capture:
            raise NotEligible(f"capture {number + 1} does not come back as equal data")


def nearest_rank(part: float, count: int) -> int:
    """Index of a quantile among ``count`` ascending values: the nearest-rank definition, whose ranks begin at 1."""
    return max(1, math.ceil(part * count)) - 1


def captures_in_sample(once_s: float, in_flight: int, sample_s: float, cores: int) -> int:
    """How many captures a sample has: enough for ``sample_s``, and to keep all in flight busy where that is short.

    Args:
        once_s: Seconds per capture, with as many in flight.
        in_flight: The most that any arm has in flight.
        sample_s: Least seconds of a sample.
        cores: Of the machine: fewer captures than that would leave some idle.
    """
    wanted = max(1, math.ceil(sample_s / max(once_s, 1e-6)))
    if in_flight * once_s <= max(LONG_SAMPLE_S, sample_s):
        return max(wanted, in_flight)
    return max(wanted, min(in_flight, cores))


class Racers:
    """One process's arms."""

    def __init__(self, task: Task, connection: Connection) -> None:
        self._task = task
        self._tell = connection.send
        self._texts = [(Path(task.folder) / name).read_bytes() for name in task.captures]
        self._endpoint = Endpoint(**(task.endpoint or {"bucket": "none"}))
        # Arms share it, as threads of a service do.
        self._redactor = Redactor() if any(arm.way is Way.HOT for arm in task.arms) else None
        self._cores = os.cpu_count() or 1
        self._most_bytes = int(MOST_BYTES * min(1.0, task.sample_s / MOST_BYTES_S))
        self._watch = GcWatch()
        self._meter = Meter(self._watch, task.servers)
        self._lanes: dict[str, Lane] = {}
        self._arms = {arm.name: arm for arm in task.arms}
        self._once_s: dict[str, float] = {}
        self._bundle = task.bundle
        self._checked: set[str] = set()
        self._check_s = 0.0  # of the first process alone: no other one's time is planned by it

    def run(self) -> None:
        """Sample all arms. An arm that fails becomes an ``error`` message; the others go on."""
        begun = time.monotonic()
        for arm in self._task.arms:
            self._attempt(arm, self._prepare)
        gc.collect()
        gc.freeze()
        for arm in self._task.arms:
            self._attempt(arm, self._warm_up)
        if not self._lanes:
            return
        racing = [name for name in self._lanes if not self._arms[name].preset]
        if racing and not self._bundle and not self._task.apart:
            self._calibrate(racing)
        begun += self._check_s
        self._tell({"event": "ready", "bundle": self._bundle, "checks": self._check_s})
        self._rounds(racing, begun)
        for arm in self._task.arms:
            if arm.name in self._lanes:
                self._attempt(arm, lambda one: self._lanes[one.name].close())

    def _attempt(self, arm: Arm, step: Any) -> None:
        if arm.name not in self._arms:
            return
        self._tell({"event": "start", "arm": arm.name})
        try:
            step(arm)
        except Exception as error:  # noqa: BLE001 - any library may fail in its own way; the race goes on without the arm
            self._fail(arm.name, error)

    def _fail(self, name: str, error: Exception) -> None:
        self._tell({"event": "error", "arm": name, "error": f"{type(error).__name__}: {error}"})
        self._arms.pop(name, None)
        self._lanes.pop(name, None)

    def _prepare(self, arm: Arm) -> None:
        cpu = str(Pipeline.parse(arm.pipeline).cpu)
        if self._task.check and cpu not in self._checked:
            begun = time.monotonic()
            check(arm, self._texts)
            self._checked.add(cpu)
            self._check_s += time.monotonic() - begun
        prefix = f"{self._task.key_prefix}{zlib.crc32(f'{arm.name}{arm.way}'.encode()):08x}"
        self._lanes[arm.name] = make_lane(arm, self._endpoint, prefix, self._redactor)

    def _warm_up(self, arm: Arm) -> None:
        """Open every connection with a tiny capture, go through a real one, and find out how long captures take."""
        if arm.name not in self._lanes:
            return
        lane, begun = self._lanes[arm.name], sockets()
        if "/" in self._task.key_prefix:
            # Alone: servers that keep objects as files answer 500 when many first puts make one folder at once.
            lane.upload([parsed(TINY)])
        lane.upload([parsed(TINY) for _ in range(arm.in_flight)])
        opened = len(sockets() - begun)
        order = sorted(range(len(self._texts)), key=lambda index: len(self._texts[index]))
        mean_bytes = sum(map(len, self._texts)) / len(self._texts)
        if arm.role is Role.REFERENCE and mean_bytes > REFERENCE_WARM_BYTES:
            self._once_s[arm.name] = math.inf  # as few captures as there are cores take long enough
            return
        if self._task.apart:
            picked = [order[len(order) // 2]] * self._affordable(arm, order)
        else:
            picked = [order[len(order) // 2]]
        sample = self._sample(arm, -1, picked)
        # Many at once take what they take in CPU time: threads share one interpreter lock, and waits overlap.
        spent_s = sample.wall_s if self._task.apart else sample.cpu_s
        self._once_s[arm.name] = spent_s / sample.raw_bytes * mean_bytes
        self._tell({"event": "warmup", "sample": msgspec.structs.replace(sample, connections=opened)})

    def _affordable(self, arm: Arm, order: Sequence[int]) -> int:
        """Copies of the middle capture for a warm-up: as many as are in flight, of large ones as few as cores."""
        large = len(self._texts[order[len(order) // 2]]) * arm.in_flight > self._most_bytes
        return self._cores if large else arm.in_flight

    def _calibrate(self, racing: Sequence[str]) -> None:
        """Find out how many captures make a sample: with as many in flight as there will be."""
        fastest = min(racing, key=lambda name: self._once_s[name])
        most = max(self._arms[name].in_flight for name in racing)
        self._bundle = captures_in_sample(self._once_s[fastest], most, self._task.sample_s, self._cores)
        for _ in range(CALIBRATIONS):
            sample = self._sample(self._arms[fastest], -1, next(self._bundles()))
            if CLOSE_ENOUGH <= sample.wall_s / self._task.sample_s <= 1 / CLOSE_ENOUGH:
                break
            scaled = math.ceil(sample.captures * self._task.sample_s / sample.wall_s)
            self._bundle = max(scaled, min(self._bundle, most if sample.wall_s <= LONG_SAMPLE_S else self._cores))

    def _rounds(self, racing: list[str], begun: float) -> None:
        """The rounds, and the presets' one sample: before them in every second process, after them in the others."""
        task = self._task
        presets = [arm for arm in task.arms if arm.preset and arm.name in self._lanes and not task.apart]
        after = task.process % 2 == 0
        bundles = self._bundles()
        if not after:
            self._presets(presets, next(bundles))
        foreign = Foreign((os.getpid(), *task.servers))
        left = list(self._lanes) if task.apart else racing
        picked: dict[int, list[int]] = {}

        def take(name: str, index: int) -> Sample | None:
            if name not in self._lanes:
                return None
            if index not in picked:
                picked.clear()
                picked[index] = next(bundles)
            try:
                return self._sample(self._arms[name], index, self._copies(name, index) or picked[index])
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(name, error)
                left.remove(name)
                return None

        order = orders(left, seed=task.seed, process=task.process)
        slowest_s, last = 0.0, time.monotonic()

        def another(_: int) -> bool:
            return time.monotonic() - begun + slowest_s <= task.time_s

        for done in take_rounds(left, take, foreign, rounds=task.rounds, order=order, another=another):
            now = time.monotonic()
            took_s, last = now - last, now
            slowest_s = max(slowest_s, took_s)
            samples = [sample for sample in done.samples if sample is not None]
            message = {"event": "round", "index": done.index, "share": done.foreign_share, "seconds": took_s}
            self._tell({**message, "samples": samples})
        if after:
            self._presets(presets, next(bundles))

    def _copies(self, name: str, index: int) -> list[int] | None:
        """For a publication: as many copies of the round's one capture as a user's own measurement would take."""
        if not self._task.apart:
            return None
        which = index % len(self._texts)
        mean_bytes = sum(map(len, self._texts)) / len(self._texts)
        size, in_flight = len(self._texts[which]), self._arms[name].in_flight
        once_s = self._once_s[name] * size / mean_bytes
        # Parsing the copies takes time, too, beside the clock.
        most = min(int(COPIED_BYTES_PER_S * self._task.sample_s), self._most_bytes) // size
        count = max(in_flight, min(MOST_COPIES, most, int(self._task.sample_s / max(once_s, 1e-6))))
        if count * once_s > LONG_COPIES * self._task.sample_s or count * size > self._most_bytes:
            count = self._cores
        return [which] * count

    def _presets(self, presets: Sequence[Arm], bundle: list[int]) -> None:
        for arm in presets:
            if arm.name not in self._lanes:
                continue
            affordable = max(self._cores, int(LONG_PRESET_S / max(self._once_s[arm.name], 1e-6)))
            try:
                sample = self._sample(arm, 0, bundle[:affordable])
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(arm.name, error)
                continue
            self._tell({"event": "preset", "sample": sample})

    def _bundles(self) -> Iterator[list[int]]:
        """Which captures each round's samples are of: all arms of a round get the same, over rounds each its turn."""
        drawn = random.Random(f"{self._task.seed}:bundles:{self._task.process}")
        waiting: list[int] = []
        while True:
            picked: list[int] = []
            bytes_left = MOST_BUNDLE_BYTES
            while len(picked) < max(1, self._bundle):
                if not waiting:
                    waiting = list(range(len(self._texts)))
                    drawn.shuffle(waiting)
                bytes_left -= len(self._texts[waiting[-1]])
                if picked and bytes_left < 0:
                    break
                picked.append(waiting.pop())
            yield picked

    def _sample(self, arm: Arm, index: int, picked: Sequence[int]) -> Sample:
        with no_collections():
            captures = [parsed(self._texts[which]) for which in picked]
        lane, before = self._lanes[arm.name], sockets()
        self._meter.start()
        out = lane.upload(captures)
        cost = self._meter.stop()
        ordered = sorted(out.latencies_s)
        one = {self._task.captures[which] for which in picked}
        return Sample(
            arm=arm.name,
            process=self._task.process,
            round=index,
            captures=len(captures),
            raw_bytes=sum(len(self._texts[which]) for which in picked),
            bytes_out=out.bytes_out,
            connections=len(sockets() - before),
            latency_p50_s=ordered[len(ordered) // 2] if ordered else None,
            latency_p99_s=ordered[nearest_rank(0.99, len(ordered))] if ordered else None,
            put_s=out.put_s or None,
            capture=one.pop() if self._task.apart and len(one) == 1 else None,
            **asdict(cost),
        )


def main(connection: Connection) -> None:
    """Do one task."""
    task = msgspec.convert(connection.receive(), Task)
    Racers(task, connection).run()
    connection.send({"event": "end"})
