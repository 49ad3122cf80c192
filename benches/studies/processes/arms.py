"""Ways of encoding, and one timed sample of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benches.studies.processes.encoding import Encoding, Redaction, texts
from benches.studies.processes.worker import Transport, Worker
from packhorse.bench.race.clock import machine_times_s

#: As many as the engine has threads by default.
LANES = 2
ONE = "1 thread"
THREADS = "2 threads"
#: The same once more: how far it is from its twin is the noise of the run.
AGAIN = "2 threads, again"
#: One lock around redaction, which is mostly Python: two threads that redact only take the GIL from each other.
TURNS = "2 threads, redacting in turn"
PICKLE = "2 processes, pickle"
ORJSON = "2 processes, orjson"
#: No design can have it: what two processes reach when captures are in them already and bodies stay there.
KEPT = "2 processes, nothing handed over"
ARMS = (ONE, THREADS, AGAIN, TURNS, PICKLE, ORJSON, KEPT)
#: Captures that were submitted as JSON text, which threads parse and workers take as it is.
TEXT_THREADS = "2 threads, from text"
TEXT_PROCESSES = "2 processes, from text"
TEXT_ARMS = (TEXT_THREADS, TEXT_PROCESSES)
NOTHING = "nothing"
_TRANSPORTS: dict[str, Transport] = {PICKLE: "pickle", ORJSON: "orjson", TEXT_PROCESSES: "text"}
#: Captures per order where nothing is handed over, so that the order itself costs next to nothing.
_KEPT_BATCH_S = 0.02

#: What one thread of the parent does: take the next capture through, and tell how many were.
Lane = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Scene:
    """Captures to encode in turn, as objects and as JSON text, how, and the bodies that the engine makes of them."""

    captures: Sequence[Any]
    text: Sequence[bytes]
    redaction: Redaction
    bodies: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """One arm, timed.

    Attributes:
        captures_per_s: Of all lanes together, each over its own time.
        captures: How many were encoded.
        parent_cpu_s, workers_cpu_s: CPU seconds per capture.
        steal_s, others_busy_s: Of the whole machine meanwhile, in ticks of 10 ms: what makes a sample suspect.
        wall_s: How long it took.
    """

    captures_per_s: float
    captures: int
    parent_cpu_s: float
    workers_cpu_s: float
    steal_s: float
    others_busy_s: float
    wall_s: float


def scene(captures: Sequence[Any], redaction: Redaction) -> Scene:
    """With the texts of the captures and their bodies.

    Raises:
        AssertionError: Without redaction, a body does not decode to its capture.
    """
    codec, encoding = texts(), Encoding(redaction)
    text = [b"".join(codec.encode(capture, overlap=False)) for capture in captures]
    bodies = [encoding.body(capture) for capture in captures]
    if redaction == "off" and [encoding.decoded(body) for body in bodies] != list(captures):
        raise AssertionError("the engine stores something else than it was given")
    return Scene(captures, text, redaction, bodies)


def lanes(arm: str, now: Scene, workers: Sequence[Worker]) -> list[Lane]:
    """One for each thread that the arm has, each warmed up with a capture whose body is the engine's own.

    Raises:
        AssertionError: A body is something else than the engine makes of that capture.
    """
    if arm == NOTHING:
        return []
    if arm == KEPT:
        return [_kept(now, worker) for worker in workers]
    turns = threading.Lock() if arm == TURNS else None
    made = [_body(arm, now, worker, turns) for worker in workers[: 1 if arm == ONE else LANES]]
    for number, body in enumerate(made):
        if body(number) != now.bodies[number]:
            raise AssertionError(f"{arm} makes another body than the engine")
    return [_counted(body, len(now.bodies)) for body in made]


def _body(arm: str, now: Scene, worker: Worker, turns: threading.Lock | None) -> Callable[[int], bytes]:
    if arm not in _TRANSPORTS:
        encoding = Encoding(now.redaction, turns)
        given = now.text if arm == TEXT_THREADS else now.captures
        return lambda number: encoding.body(given[number])
    transport = _TRANSPORTS[arm]
    handed = now.text if transport == "text" else now.captures
    return lambda number: worker.body(transport, now.redaction, handed[number])


def _counted(body: Callable[[int], bytes], captures: int) -> Lane:
    def take(number: int) -> int:
        body(number % captures)
        return 1

    return take


def _kept(now: Scene, worker: Worker) -> Lane:
    worker.keep(now.captures)
    worker.again(now.redaction, 1)
    begun = time.perf_counter()
    worker.again(now.redaction, 1)
    batch = max(1, round(_KEPT_BATCH_S / (time.perf_counter() - begun)))

    def take(_: int) -> int:
        worker.again(now.redaction, batch)
        return batch

    return take


def timed(each: Sequence[Lane], workers: Sequence[Worker], sample_s: float, pause_s: float = 0.0) -> Sample:
    """Run all lanes at once for about ``sample_s``.

    Args:
        each: None of them: nothing is encoded, for as long.
        workers: Whose CPU time counts.
        sample_s: Seconds after which no lane begins another capture.
        pause_s: Seconds from the beginning of a lane's capture to that of its next, if that takes no longer.
    """
    found: list[tuple[int, float]] = []
    start = threading.Barrier(len(each) + 1)
    threads = [
        threading.Thread(target=lambda lane=lane: found.append(_run(lane, start, sample_s, pause_s))) for lane in each
    ]
    for thread in threads:
        thread.start()
    workers_s = sum(worker.cpu_s() for worker in workers)
    machine = machine_times_s()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    start.wait()
    if not each:
        time.sleep(sample_s)
    for thread in threads:
        thread.join()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    busy_s, steal_s = (after - before for after, before in zip(machine_times_s(), machine, strict=True))
    workers_s = sum(worker.cpu_s() for worker in workers) - workers_s
    if len(found) < len(each):
        raise RuntimeError("a way of encoding failed: see the traceback above")
    captures = sum(count for count, _ in found)
    return Sample(
        captures_per_s=sum(count / elapsed_s for count, elapsed_s in found),
        captures=captures,
        parent_cpu_s=cpu_s / max(captures, 1),
        workers_cpu_s=workers_s / max(captures, 1),
        steal_s=steal_s,
        others_busy_s=max(0.0, busy_s - cpu_s - workers_s),
        wall_s=wall_s,
    )


def _run(lane: Lane, start: threading.Barrier, sample_s: float, pause_s: float) -> tuple[int, float]:
    start.wait()
    begun = time.perf_counter()
    count = turn = 0
    while (elapsed_s := time.perf_counter() - begun) < sample_s:
        count += lane(turn)
        turn += 1
        if (early_s := turn * pause_s - (time.perf_counter() - begun)) > 0:
            time.sleep(early_s)
    return count, elapsed_s
