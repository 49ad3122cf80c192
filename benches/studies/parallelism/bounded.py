"""Running something in a fresh process under bounds on memory and time, so that the machine survives it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import psutil

Spec = TypeVar("Spec")
#: Seconds between looks at the process's memory.
LOOK_S = 0.05
#: The hard limit lies above the bound that is watched: it stops what grows faster than one looks.
HARD_OVER_BOUND = 1.5
FINISHED, MEMORY, TIME, DIED = "finished", "memory bound", "time bound", "died"


@dataclass(slots=True)
class Outcome:
    """How a bounded run ended.

    Attributes:
        how: ``finished``, ``memory bound``, ``time bound`` or ``died``.
        result: What the function returned; None unless it finished.
        samples: What it sent on its way, in order; complete up to its end however it ended.
        peak_rss_bytes: The most resident memory that was seen from outside.
        seconds: From start to end, start-up included.
        error: Why it died, in words.
    """

    how: str
    result: Any = None
    samples: list[Any] = field(default_factory=list)
    peak_rss_bytes: int = 0
    seconds: float = 0.0
    error: str = ""


def run_bounded(
    function: Callable[[Spec, Callable[[Any], None]], Any], spec: Spec, *, memory_bytes: int, time_s: float
) -> Outcome:
    """Run ``function(spec, send)`` in a fresh interpreter; ``send(sample)`` may be called from any one thread.

    The process is ended when its resident memory passes ``memory_bytes`` or it runs longer than ``time_s``, and
    always when this returns or raises. ``function`` and ``spec`` must be picklable.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, spec, sender, memory_bytes), daemon=True)
    outcome = Outcome(DIED)
    start = time.monotonic()
    process.start()
    sender.close()
    try:
        _watch(process, receiver, outcome, (memory_bytes, start + time_s))
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        receiver.close()
        outcome.seconds = time.monotonic() - start
    if outcome.how == DIED and not outcome.error:
        outcome.error = f"exit status {process.exitcode}"
    return outcome


def _watch(process: Any, receiver: Connection, outcome: Outcome, bounds: tuple[int, float]) -> None:
    memory_bytes, end = bounds
    watched = psutil.Process(process.pid)
    while True:
        with contextlib.suppress(psutil.Error):
            outcome.peak_rss_bytes = max(outcome.peak_rss_bytes, watched.memory_info().rss)
        if outcome.peak_rss_bytes > memory_bytes:
            outcome.how = MEMORY
            return
        if time.monotonic() > end:
            outcome.how = TIME
            return
        if not receiver.poll(LOOK_S):
            continue
        try:
            kind, value = receiver.recv()
        except (EOFError, OSError):
            return
        if kind == "sample":
            outcome.samples.append(value)
        elif kind == "result":
            outcome.how, outcome.result = FINISHED, value
            return
        else:
            outcome.how, outcome.error = (MEMORY if kind == "memory" else DIED), value
            return


def _child(function: Callable[..., Any], spec: Any, sender: Connection, memory_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    _limit(int(memory_bytes * HARD_OVER_BOUND))
    try:
        result = function(spec, lambda sample: sender.send(("sample", sample)))
    except MemoryError:
        sender.send(("memory", "MemoryError"))
    except BaseException as error:  # noqa: BLE001  # the parent is told whatever it was
        sender.send(("error", f"{type(error).__name__}: {error}"))
    else:
        sender.send(("result", result))


def _limit(memory_bytes: int) -> None:
    """Let allocations fail beyond the bound. Linux: private writable memory (setrlimit(2), RLIMIT_DATA).

    RLIMIT_AS would count address space that is only reserved, 64 MiB for each thread's arena.
    """
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
