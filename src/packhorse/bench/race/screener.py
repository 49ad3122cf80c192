"""The child process of the screening: every candidate of every stage alone, checked and then timed in CPU seconds.

Runs as ``packhorse.bench.race.screener:main`` (:mod:`packhorse.bench.child`).
"""

from __future__ import annotations

import gc
import resource
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from packhorse.bench.child_side import Connection
from packhorse.bench.race.clock import no_collections
from packhorse.bench.race.hot_path import Lanes, Put, Run, make_store, parsed, with_pool
from packhorse.bench.race.racers import NotEligible
from packhorse.pipeline import Choice, Pipeline
from packhorse.stages.base import DEFAULT_CHUNK_BYTES, Stage
from packhorse.stores.base import Endpoint, ObjectInfo, Store

#: Bytes of plain JSON that two levels are compared on: enough to differ on, small for the slowest level.
LEVEL_PROBE_BYTES = 128 * 1024
#: A candidate that takes this many times its stage's best in the first pass is not timed again.
HOPELESS = 4.0
#: Puts of one sample of a client, as multiples of what is in flight.
PUTS = 3
_INFO = ObjectInfo()


class Candidate(msgspec.Struct, frozen=True):
    """A stage's candidate with its settings, as a pipeline writes it."""

    stage: str
    text: str


class ScreenTask(msgspec.Struct, frozen=True):
    """What is screened.

    Attributes:
        candidates: All stages', clients last.
        folder, captures: Where the captures lie, and their names.
        endpoint, key_prefix, in_flight: For the clients.
        limit_s: A candidate that is predicted to take longer on one capture is left out as slow.
        passes: Times that each is timed.
        bytes_a_pass: Captures of one pass have no more compact JSON than this, but there is always one.
        time_s: Seconds after which no further pass is begun.
    """

    candidates: tuple[Candidate, ...]
    folder: str
    captures: tuple[str, ...]
    endpoint: dict[str, Any] | None
    key_prefix: str
    in_flight: int
    limit_s: float
    passes: int
    bytes_a_pass: int
    time_s: float


class Screened(msgspec.Struct):
    """One timing of one candidate alone: CPU seconds of the client, wall seconds, bytes, over so many captures."""

    captures: int
    raw_bytes: int
    cpu_s: float
    wall_s: float
    bytes_out: int


#: One pass: returns bytes that came out.
Step = Callable[[Sequence[int]], int]


class Screener:
    """Checks and times candidates."""

    def __init__(self, task: ScreenTask, connection: Connection) -> None:
        self._task = task
        self._tell = connection.send
        self._plain = [(Path(task.folder) / name).read_bytes() for name in task.captures]
        self._packed = [zlib.compress(plain, 1) for plain in self._plain]
        self._captures: dict[int, Any] = {}

    def run(self) -> None:
        """Check every candidate, then time them in turns."""
        begun = time.monotonic()
        fit = [one for one in self._task.candidates if self._checked(one)]
        gc.collect()
        gc.freeze()
        cheapest: dict[str, float] = {}
        hopeless: set[Candidate] = set()
        steps: dict[Candidate, Step] = {}
        self._lanes: list[Lanes] = []
        for number in range(self._task.passes):
            for one in fit:
                if one in hopeless or (number and time.monotonic() - begun > self._task.time_s):
                    continue
                try:
                    if one not in steps:
                        steps[one] = self._step(one)
                    took = self._timed(one, steps[one])
                except Exception as error:  # noqa: BLE001 - any library may fail in its own way; it is out
                    hopeless.add(one)
                    self._error(one, error)
                    continue
                self._tell({"event": "screened", "stage": one.stage, "text": one.text, "sample": took})
                each = took.cpu_s / took.raw_bytes
                cheapest[one.stage] = min(cheapest.get(one.stage, each), each)
                if each > HOPELESS * cheapest[one.stage] and one.stage != Stage.STORE:
                    hopeless.add(one)
        for lanes in self._lanes:
            lanes.close()

    def _error(self, one: Candidate, error: Exception) -> None:
        self._tell({"event": "error", "arm": f"{one.stage}/{one.text}", "error": f"{type(error).__name__}: {error}"})

    def _checked(self, one: Candidate) -> bool:
        self._tell({"event": "start", "arm": f"{one.stage}/{one.text}"})
        if one.stage == Stage.STORE:
            return True
        try:
            slow = self._check(one)
        except Exception as error:  # noqa: BLE001 - that is what is being found out
            self._error(one, error)
            return False
        if slow:
            self._tell({"event": "slow", "stage": one.stage, "text": one.text, "reason": slow})
        return slow is None

    def _check(self, one: Candidate) -> str | None:
        """Every capture has to come back as equal data, the smallest first; levels have to change the output.

        Returns:
            Why it is too slow to be screened, or None.
        """
        choice = Choice.parse(Stage(one.stage), one.text)
        made = choice.make()
        per_byte = 0.0
        for index in sorted(range(len(self._plain)), key=lambda i: len(self._plain[i])):
            plain = self._plain[index]
            predicted_s = per_byte * len(plain)
            if predicted_s > self._task.limit_s:
                return f"about {predicted_s:.1f} s for the capture of {len(plain)} bytes"
            begun = time.thread_time()
            if one.stage == Stage.ENCODE:
                capture = self._captures.get(index) or self._captures.setdefault(index, parsed(plain))
                same = made.decode(list(made.encode(capture))) == capture
            else:
                if one.stage == Stage.COMPRESS and not per_byte:
                    level_takes_effect(choice, plain[:LEVEL_PROBE_BYTES])
                same = b"".join(made.backward(list(made.forward(iter(cut(plain)))))) == plain
            per_byte = max(per_byte, (time.thread_time() - begun) / max(len(plain), 100_000))
            if not same:
                raise NotEligible(f"capture {index + 1} does not come back as equal data")
        return None

    def _step(self, one: Candidate) -> Step:
        if one.stage == Stage.STORE:
            return self._client(one)
        made = Choice.parse(Stage(one.stage), one.text).make()
        if one.stage == Stage.COMPRESS:
            return lambda picked: sum(length(made.forward(iter(cut(self._plain[i])))) for i in picked)
        if one.stage == Stage.BASE64:
            return lambda picked: sum(length(made.forward(iter(cut(self._packed[i])))) for i in picked)
        return lambda picked: sum(length(made.encode(self._captures.pop(i))) for i in picked)

    def _client(self, one: Candidate) -> Step:
        task = self._task
        pipeline = with_pool(Pipeline.parse(f"json | none | raw | {one.text}"), task.in_flight)
        store = make_store(pipeline, Endpoint(**(task.endpoint or {"bucket": "none"})))
        runs = [_put(store) for _ in range(task.in_flight)]
        lanes = Lanes(runs, store, f"{task.key_prefix}{zlib.crc32(one.text.encode()):08x}")
        self._lanes.append(lanes)
        # Alone first: servers that keep objects as files answer 500 when many first puts make one folder at once.
        lanes.upload(self._packed[:1])
        lanes.upload([min(self._packed, key=len)] * task.in_flight)
        return lambda picked: lanes.upload([self._packed[i] for i in picked]).bytes_out

    def _timed(self, one: Candidate, step: Step) -> Screened:
        picked = self._picked(one)
        if one.stage == Stage.ENCODE:  # fresh objects: an encoder may leave something in those that it has seen
            with no_collections():
                self._captures = {index: parsed(self._plain[index]) for index in picked}
        cpu, wall = _process_cpu_s(), time.perf_counter()
        bytes_out = step(picked)
        wall_s, cpu_s = time.perf_counter() - wall, _process_cpu_s() - cpu
        return Screened(len(picked), sum(len(self._plain[i]) for i in picked), cpu_s, wall_s, bytes_out)

    def _picked(self, one: Candidate) -> list[int]:
        """Captures of a pass, the smallest first, up to a bound of bytes; for a client enough for all in flight."""
        order = sorted(range(len(self._plain)), key=lambda i: len(self._plain[i]))
        picked: list[int] = []
        left = self._task.bytes_a_pass
        for index in order:
            left -= len(self._plain[index])
            if picked and left < 0:
                break
            picked.append(index)
        if one.stage == Stage.STORE:
            count = PUTS * self._task.in_flight
            return [order[i % len(order)] for i in range(count)]
        return picked


def _put(store: Store) -> Run:
    def run(capture: Any, key: str) -> Put:
        body: bytes = capture  # a ready one: the client alone is timed
        store.put(key, body, _INFO)
        return Put(len(body), 0.0)

    return run


def _process_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cut(data: bytes) -> list[bytes]:
    """``data`` in chunks of the size that streaming encoders hand on."""
    return [data[i : i + DEFAULT_CHUNK_BYTES] for i in range(0, len(data), DEFAULT_CHUNK_BYTES)]


def length(chunks: Any) -> int:
    """Consume a stream, keeping nothing."""
    return sum(map(len, chunks))


def level_takes_effect(choice: Choice, plain: bytes) -> None:
    """Compress a probe at this level and at another: the outputs have to differ.

    Raises:
        NotEligible: They are equal, so that the setting does nothing.
    """
    level = next((s for s in choice.candidate.settings if s.name == "level"), None)
    if level is None or not plain:
        return
    mine = int(choice.setting("level"))
    other = level.low if mine - level.low > 1 else min(level.high, max(mine + 3, 3))
    if other == mine:
        other = level.low
    texts = [f"{choice.candidate.name}:{value}" for value in (mine, other)]
    outputs = [b"".join(Choice.parse(choice.candidate.stage, text).make().forward(iter([plain]))) for text in texts]
    if outputs[0] == outputs[1]:
        raise NotEligible(f"{texts[0]} and {texts[1]} give the same output: the level has no effect")


def main(connection: Connection) -> None:
    """Screen what the task names."""
    Screener(msgspec.convert(connection.receive(), ScreenTask), connection).run()
    connection.send({"event": "end"})
