"""What parts cost alone: handing a capture over, redacting and encoding it, and starting workers."""

from __future__ import annotations

import pickle
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.studies.processes.arms import LANES, Scene
from benches.studies.processes.encoding import Encoding, Redaction, texts
from benches.studies.processes.worker import PICKLE_PROTOCOL, Workers
from packhorse.bench.synth import sized
from packhorse.model import materialized

_REPEATS = 3


def hand_over(now: Scene) -> dict[str, float]:
    """CPU seconds and bytes of handing a capture over, the median over the scene's captures.

    ``*_write_s`` holds the GIL of the parent, in one call of a library that does not let go of it: no other thread of
    the parent runs meanwhile. It is also what a submitter pays if it is made to write, so that it may go on changing
    its object.
    """
    codec = texts()
    capture, text = now.captures[0], now.text[0]
    pickled = pickle.dumps(capture, PICKLE_PROTOCOL)
    return {
        "pickle_bytes": float(len(pickled)),
        "pickle_write_s": _cpu_s(lambda: pickle.dumps(capture, PICKLE_PROTOCOL)),
        "pickle_read_s": _cpu_s(lambda: pickle.loads(pickled)),  # made above
        "orjson_bytes": float(len(text)),
        "orjson_write_s": _cpu_s(lambda: list(codec.encode(capture, overlap=False))),
        "orjson_read_s": _cpu_s(lambda: codec.decode([text])),
    }


def held_s(now: Scene) -> float:
    """CPU seconds for which a thread holds the GIL to encode a capture, at most.

    Redacting and encoding; compressing and hashing let go of it. So does Hyperscan while it scans, which is counted
    here: with it the true figure is lower, and threads reach more than this says.
    """
    encoding = Encoding(now.redaction)
    return statistics.median(_cpu_s(lambda capture=capture: encoding.plain(capture)) for capture in now.captures[:2])  # type: ignore[misc]


def _cpu_s(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(_REPEATS):
        begun = time.thread_time()
        work()
        seconds.append(time.thread_time() - begun)
    return min(seconds)


@dataclass(frozen=True, slots=True)
class StartSpec:
    """Workers to start: what they redact, and the capture that each of them encodes first."""

    redaction: Redaction
    capture_bytes: int
    kind: str
    seed: int


def run_start(spec: StartSpec) -> dict[str, float]:
    """Start workers in a fresh process; seconds until all are ready, and until each has encoded a capture; bytes held.

    ``private_bytes`` is what would be free if one worker were not there, and ``resident_bytes`` what one shows as
    resident (Linux: proc(5), smaps_rollup), each after twenty captures.
    """
    capture = materialized(sized(spec.capture_bytes, spec.seed, spec.kind))
    begun = time.perf_counter()
    with Workers(LANES) as workers, ThreadPoolExecutor(LANES) as pool:
        for worker in workers:
            worker.ready()
        ready_s = time.perf_counter() - begun
        bodies = list(pool.map(lambda worker: worker.body("pickle", spec.redaction, capture), workers))
        first_s = time.perf_counter() - begun
        if bodies[0] != Encoding(spec.redaction).body(capture):
            raise AssertionError("a worker makes another body than the engine")
        cpu_s = sum(worker.cpu_s() for worker in workers)
        list(pool.map(lambda worker: [worker.body("pickle", spec.redaction, capture) for _ in range(20)], workers))
        held = [_memory(worker.pid) for worker in workers]
        return {
            "ready_s": ready_s,
            "first_s": first_s,
            "cpu_s": cpu_s / LANES,
            "private_bytes": statistics.mean(one["Private_Clean"] + one["Private_Dirty"] for one in held),
            "resident_bytes": statistics.mean(one["Rss"] for one in held),
        }


def _memory(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def captures_of(kind: str, capture_bytes: int, seed: int, count: int) -> Sequence[Any]:
    """Captures of one kind and size that differ in content."""
    return [materialized(sized(capture_bytes, seed + number, kind)) for number in range(count)]
