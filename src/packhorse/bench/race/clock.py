"""Clocks: what a sample costs this process and the servers, and how busy everybody else was meanwhile."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A block of a study is suspect when the hypervisor took more than this part of the machine's time during it.
STEAL_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work cost.

    Attributes:
        wall_s: Seconds on the wall.
        user_s, system_s: CPU seconds of this process, all threads.
        server_s: CPU seconds of the local server and the link; 0 where there is none. Counted in ticks of 10 ms.
        foreign_s: CPU seconds of everybody else, the hypervisor's other guests included. In ticks, too.
        gc_s, gc_collections: Time inside the garbage collector, and how often it ran.
    """

    wall_s: float
    user_s: float
    system_s: float
    server_s: float
    foreign_s: float
    gc_s: float
    gc_collections: int


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
    """Measures between :meth:`start` and :meth:`stop`; slow readings (``/proc``) lie outside the wall clock."""

    def __init__(self, watch: GcWatch, servers: Sequence[int] = ()) -> None:
        self._watch = watch
        self._servers = servers

    def start(self) -> None:
        """Begin a sample."""
        self._machine, self._server = sum(machine_times_s()), cpu_of(self._servers)
        self._gc = (self._watch.seconds, self._watch.collections)
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        self._wall = time.perf_counter()

    def stop(self) -> Cost:
        """End the sample."""
        wall_s = time.perf_counter() - self._wall
        usage = resource.getrusage(resource.RUSAGE_SELF)
        server_s = cpu_of(self._servers) - self._server
        user_s = usage.ru_utime - self._usage.ru_utime
        system_s = usage.ru_stime - self._usage.ru_stime
        busy_s = sum(machine_times_s()) - self._machine
        return Cost(
            wall_s=wall_s,
            user_s=user_s,
            system_s=system_s,
            server_s=server_s,
            foreign_s=max(0.0, busy_s - user_s - system_s - server_s),
            gc_s=self._watch.seconds - self._gc[0],
            gc_collections=self._watch.collections - self._gc[1],
        )


class Foreign:
    """What part of the machine others took since :meth:`start`: neither our processes nor the servers.

    Args:
        ours: Process ids of ours, this one included where its work counts.
    """

    def __init__(self, ours: Sequence[int]) -> None:
        self._ours = ours
        self._cores = os.cpu_count() or 1

    def start(self) -> None:
        """Begin."""
        self._begun = (time.perf_counter(), sum(machine_times_s()), cpu_of(self._ours))

    def share(self) -> float:
        """From 0 to 1; 0 where the system does not say how busy it is."""
        wall_s, busy_s, ours_s = self._begun
        spent_s = max(1e-9, time.perf_counter() - wall_s)
        foreign_s = sum(machine_times_s()) - busy_s - (cpu_of(self._ours) - ours_s)
        return min(1.0, max(0.0, foreign_s) / (spent_s * self._cores))


@contextmanager
def no_collections() -> Any:
    """Keep the garbage collector away from what is done beside the clock."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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


def cpu_of(processes: Sequence[int]) -> float:
    """CPU seconds of some processes so far, their ended threads included; one that is gone counts nothing."""
    ticks = 0
    for process in processes:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def with_children(process: int) -> list[int]:
    """A process and all that it has started, as they are now."""
    found = [process]
    for one in found:
        try:
            text = Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii")
        except OSError:
            continue
        found += [int(word) for word in text.split()]
    return found


def sockets() -> frozenset[str]:
    """The sockets that this process has open; empty where the system does not tell.

    ``/proc/net/tcp`` would tell which of them are connected to what, and takes 15 ms on a machine with much memory.
    """
    found = set()
    with suppress(OSError):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # closed meanwhile, as the folder itself
                found.add(os.readlink(f"/proc/self/fd/{number}"))
    return frozenset(target for target in found if target.startswith("socket:"))
