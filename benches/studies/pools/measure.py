"""Measuring a cell from outside: its process may have 500 threads and no time to look at a clock."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

import psutil

from benches.studies.pools.cell import LONGEST_WARM_UP_S, Job, main
from packhorse.bench.lab.link.start import RunningLink
from packhorse.bench.lab.link.wire import WireCounts

#: Seconds that a cell may take to start and to end before it is given up: 500 threads get their turns slowly.
GRACE_S = 25.0
#: Seconds for the connections of a process that was killed to end; the end travels over the link, too.
SETTLE_S = 2.0
#: Loaded once in the process that cells are forked from: importing them would take most of a cell's time.
PRELOAD = ("benches.studies.pools.cell", *(f"packhorse.stores.{name}" for name in (
    "boto3_put", "boto3_transfer", "boto3_crt", "aiobotocore_put", "obstore_sync", "obstore_async",
)))  # fmt: skip


def measure(context: ForkServerContext, job: Job, link: RunningLink, seconds: float) -> dict[str, Any]:
    """Run a cell in a fresh process for so many seconds; its figures, or ``failed`` with the reason."""
    ours, theirs = context.Pipe()
    child = context.Process(target=main, args=(job, theirs))
    child.start()
    theirs.close()
    try:
        assert child.pid is not None
        return _watch(ours, child.pid, link, seconds)
    except (EOFError, ConnectionError):
        child.join(GRACE_S)
        return {"failed": f"the process ended with exit status {child.exitcode}"}
    except TimeoutError as error:
        return {"failed": str(error)}
    finally:
        child.kill()
        child.join()
        ours.close()
        _settle(link)


def _settle(link: RunningLink) -> None:
    """Wait until the link has seen that all connections of the last cell are gone, two seconds at most."""
    deadline_s = time.monotonic() + SETTLE_S
    while link.counts().open_now and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _watch(child: Connection, pid: int, link: RunningLink, seconds: float) -> dict[str, Any]:
    told = _hear(child, LONGEST_WARM_UP_S + GRACE_S, "its first answers")
    if "failed" in told:
        return told
    before = _look(pid, link)
    time.sleep(seconds)
    after = _look(pid, link)
    child.send((before.at_s, after.at_s))
    outcome = _hear(child, GRACE_S, "its figures")
    if "failed" in outcome:
        return outcome
    figures = outcome["figures"]
    return {**figures, "warm": told["warm"], **_costs(before, after, figures["puts"])}


def _hear(child: Connection, limit_s: float, what: str) -> dict[str, Any]:
    if not child.poll(limit_s):
        raise TimeoutError(f"{what} did not come within {limit_s:g} s")
    message: dict[str, Any] = child.recv()
    return message


@dataclass(frozen=True, slots=True)
class _Look:
    """All clocks and counters at one moment."""

    at_s: float
    cpu_s: float
    wire: WireCounts
    link_cpu_s: float
    busy_s: float


def _look(pid: int, link: RunningLink) -> _Look:
    times = psutil.cpu_times()
    # Guests' time is in user time already.
    idle_s = (
        times.idle + getattr(times, "iowait", 0.0) + getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    )
    link_cpu_s, wire = link.cpu_s(), link.counts()
    return _Look(time.perf_counter(), _cpu_s(pid), wire, link_cpu_s, sum(times) - idle_s)


def _cpu_s(pid: int) -> float:
    if sys.platform == "linux":  # clock_getcpuclockid(3): nanoseconds, where /proc counts hundredths of a second
        return time.clock_gettime((~pid << 3) | 2)
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def _costs(before: _Look, after: _Look, puts: int) -> dict[str, Any]:
    wall_s = after.at_s - before.at_s
    wire = after.wire - before.wire
    cpu_s = after.cpu_s - before.cpu_s
    return {
        "seconds": wall_s,
        "puts_per_s": puts / wall_s,
        "cpu_ms_per_put": 1e3 * cpu_s / puts if puts else None,
        "client_cores": cpu_s / wall_s,
        "link_cores": (after.link_cpu_s - before.link_cpu_s) / wall_s,
        "busy_cores": (after.busy_s - before.busy_s) / wall_s,
        "machine_cores": os.cpu_count(),
        "connections_per_100_puts": 100 * wire.connections / puts if puts else None,
        "thrown_away_per_100_puts": 100 * wire.thrown_away / puts if puts else None,
        "wire": wire.to_record(),
        "wire_at_start": before.wire.to_record(),
    }
