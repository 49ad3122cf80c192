"""Measuring one sample's cost vector: clocks, garbage collector, and what makes a sample suspect."""

from __future__ import annotations

import gc
import os
import resource
import time
from dataclasses import dataclass
from typing import Any

#: A sample is suspect when the hypervisor took more than this part of the machine's time during it.
STEAL_SHARE = 0.03
#: A CPU sample is suspect when the process was off the CPU for more than this part of it, though it never waits.
OFF_CPU_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Cost:
    """What a sample cost; the fields are those of :class:`packhorse.bench.race.spec.Sample`."""

    wall_s: float
    user_s: float
    system_s: float
    gc_s: float
    gc_collections: int
    involuntary_switches: int
    steal_s: float
    other_busy_s: float


class GcWatch:
    """Counts collections and the time inside them through ``gc.callbacks``."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.collections = 0
        self._since = 0.0
        gc.callbacks.append(self._on_gc)

    def close(self) -> None:
        """Stop watching."""
        gc.callbacks.remove(self._on_gc)

    def _on_gc(self, phase: str, _info: dict[str, Any]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._since = now
        else:
            self.seconds += now - self._since
            self.collections += 1


class Meter:
    """Measures between :meth:`start` and :meth:`stop`; slow readings (``/proc/stat``) lie outside the wall clock."""

    def __init__(self, watch: GcWatch) -> None:
        self._watch = watch

    def start(self) -> None:
        """Begin a sample."""
        self._machine = machine_times_s()
        self._gc = (self._watch.seconds, self._watch.collections)
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        self._wall = time.perf_counter()

    def stop(self) -> Cost:
        """End the sample."""
        wall_s = time.perf_counter() - self._wall
        usage = resource.getrusage(resource.RUSAGE_SELF)
        machine = machine_times_s()
        user_s = usage.ru_utime - self._usage.ru_utime
        system_s = usage.ru_stime - self._usage.ru_stime
        busy_s, steal_s = (after - before for after, before in zip(machine, self._machine, strict=True))
        return Cost(
            wall_s=wall_s,
            user_s=user_s,
            system_s=system_s,
            gc_s=self._watch.seconds - self._gc[0],
            gc_collections=self._watch.collections - self._gc[1],
            involuntary_switches=usage.ru_nivcsw - self._usage.ru_nivcsw,
            steal_s=steal_s,
            other_busy_s=max(0.0, busy_s - user_s - system_s),
        )


def machine_times_s() -> tuple[float, float]:
    """Busy and stolen CPU seconds of the whole machine since boot; zeros where ``/proc/stat`` does not exist.

    The kernel counts in ticks of 10 ms (proc(5)), so differences over a single short sample are coarse.
    """
    try:
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(text) for text in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return (0.0, 0.0)
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    per_second = os.sysconf("SC_CLK_TCK")
    return ((user + nice + system + irq + softirq) / per_second, steal / per_second)


def suspicions(cost: Cost, *, waits: bool, cores: int) -> list[str]:
    """Reasons to doubt a sample.

    Args:
        cost: The sample.
        waits: True when the work itself waits (for a server), so that time off the CPU means nothing.
        cores: Cores of the machine.
    """
    found = []
    if cost.steal_s > STEAL_SHARE * cost.wall_s * cores and cost.steal_s > 0.02:
        found.append(f"steal {cost.steal_s:.2f} s")
    off_s = cost.wall_s - cost.user_s - cost.system_s
    if not waits and off_s > OFF_CPU_SHARE * cost.wall_s:
        found.append(f"off the CPU for {off_s / cost.wall_s:.0%}")
    return found
