"""Peak memory of one arm in a process of its own, apart from timing because watching it perturbs time.

``ru_maxrss`` is a high-water mark of the whole process and never falls, so it cannot tell two arms apart. Linux lets a
process reset its mark ``VmHWM`` by writing 5 to ``/proc/self/clear_refs`` (proc(5)); where that is refused, the mark as
it stands is used and the answer says so.
"""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import msgspec

from packhorse.bench.child_side import Connection
from packhorse.bench.race.hot_path import parsed
from packhorse.bench.race.racers import make_lane
from packhorse.bench.race.spec import Task
from packhorse.stores.base import Endpoint
from packhorse.units import KIB


def main(connection: Connection) -> None:
    """Send one ``memory`` message per arm (the race sends one arm per process).

    ``peak_rss_bytes`` is the peak above the process with its captures loaded: libraries, clients, contexts and buffers.
    ``working_rss_bytes`` is the part of it above the clients and contexts made ready: what uploading itself needs.
    """
    task = msgspec.convert(connection.receive(), Task)
    texts = [(Path(task.folder) / name).read_bytes() for name in task.captures]
    captures = [parsed(text) for text in texts]
    for arm in task.arms:
        connection.send({"event": "start", "arm": arm.name})
        gc.collect()
        baseline = rss_bytes()
        exact = reset_peak()
        try:
            lane = make_lane(arm, Endpoint(**(task.endpoint or {"bucket": "none"})), f"{task.key_prefix}memory")
            set_up_peak, ready = peak_rss_bytes(), rss_bytes()
            exact = reset_peak() and exact
            lane.upload([captures[index % len(captures)] for index in range(max(2 * arm.in_flight, len(captures)))])
            peak = peak_rss_bytes()
            lane.close()
        except Exception as error:  # noqa: BLE001 - any library may fail in its own way; it becomes the arm's error row
            connection.send({"event": "error", "arm": arm.name, "error": f"{type(error).__name__}: {error}"})
            continue
        figures = {"peak_rss_bytes": max(peak, set_up_peak) - baseline, "working_rss_bytes": max(0, peak - ready)}
        connection.send({"event": "memory", "arm": arm.name, "exact": exact, **figures})
    connection.send({"event": "end"})


def reset_peak() -> bool:
    """Set the high-water mark to the present RSS. False where the system does not allow it."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


def rss_bytes() -> int:
    """Present resident set; the high-water mark where the system does not tell."""
    return _status("VmRSS") or _maxrss_bytes()


def peak_rss_bytes() -> int:
    """High-water mark of the resident set since the last reset."""
    return _status("VmHWM") or _maxrss_bytes()


def _status(field: str) -> int:
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return 0
    return int(line.split()[1]) * KIB


def _maxrss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KIB  # getrusage(2): macOS counts bytes, Linux KiB
