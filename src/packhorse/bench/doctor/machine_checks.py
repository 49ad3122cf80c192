"""Checks of the machine. Each takes readings as arguments, None for one that the system does not give."""

from __future__ import annotations

from packhorse.bench.doctor.finding import Finding, finding
from packhorse.units import format_bytes

#: A race needs one core for its process and one for a local server.
CORES_WANTED = 2
#: Shares of all cores' time above which a reading is a warning. A report warns of other processes at the same share.
STEAL_SHARE = 0.01
BUSY_SHARE = 0.05


def cores(usable: int | None) -> Finding:
    """Cores that this process may run on."""
    return finding(
        "cores",
        "On one core the server, the harness and the pipeline take turns, and threads cannot overlap.",
        bad=None if usable is None else usable < CORES_WANTED,
        seen="not told" if usable is None else f"{usable} usable",
        advice="Give the process two cores or more (taskset, container settings).",
    )


def governor(name: str | None) -> Finding:
    """The CPU frequency governor, as the kernel names it."""
    return finding(
        "CPU governor",
        "A governor that follows load makes the first milliseconds of a sample slower than the rest.",
        bad=None if name is None else name != "performance",
        seen=name or "not told; usual inside virtual machines, whose host decides",
        advice="Set it to performance (cpupower frequency-set -g performance, or pyperf system tune)."
        if name
        else "Nothing to do here; on the host, set it to performance.",
    )


def turbo(on: bool | None) -> Finding:  # noqa: FBT001 - a reading, not a switch
    """Whether the CPU may exceed its base frequency."""
    return finding(
        "turbo",
        "Turbo depends on temperature and on what other cores do, so that equal work takes unequal time.",
        bad=on,
        seen="not told" if on is None else "on" if on else "off",
        advice="Turn it off while measuring (pyperf system tune); leave it on in production.",
    )


def cgroup_limit(cpu_max: str | None, usable: int | None) -> Finding:
    """The CPU limit of the control group.

    Args:
        cpu_max: First line of ``cpu.max``, ``QUOTA PERIOD`` in µs or ``max PERIOD`` (kernel: Control Group v2).
        usable: Cores that this process may run on.
    """
    why = "A process at its quota is stopped until the next period, usually 100 ms: longer than a sample."
    words = (cpu_max or "").split()
    if len(words) != 2 or not (words[0] == "max" or words[0].isdigit()) or not words[1].isdigit():
        return finding("CPU limit", why, bad=None, seen="no cgroup v2 limit to read here")
    if words[0] == "max":
        return finding("CPU limit", why, bad=False, seen="none")
    allowed = int(words[0]) / max(1, int(words[1]))
    return finding(
        "CPU limit",
        why,
        bad=usable is None or allowed < usable,
        seen=f"{allowed:.3g} cores' time for {usable if usable is not None else 'an unknown number of'} cores",
        advice="Raise or remove the container's CPU limit, or pin the process to as many cores as it pays for.",
    )


def throttled(periods: int | None) -> Finding:
    """Periods in which the control group was stopped (``nr_throttled`` of ``cpu.stat``), since it was made."""
    return finding(
        "throttling",
        "Every throttled period is a pause that no pipeline caused.",
        bad=None if periods is None else periods > 0,
        seen="no counter here" if periods is None else f"{periods} throttled periods since the group was made",
        advice="Raise the CPU limit; samples from throttled periods are not worth having." if periods else "",
    )


def steal(share: float | None) -> Finding:
    """Part of all cores' time that the hypervisor gave to others while the doctor looked."""
    return finding(
        "steal",
        "Stolen time is time in which the machine stood still without knowing.",
        bad=None if share is None else share > STEAL_SHARE,
        seen="not told" if share is None else f"{share:.1%}",
        advice="Measure on another machine or at another time; races mark samples with steal as suspect.",
    )


def other_load(share: float | None) -> Finding:
    """Part of all cores' time that was busy while the doctor slept."""
    return finding(
        "other load",
        "Other processes take cores, caches and memory bandwidth from whatever is measured.",
        bad=None if share is None else share > BUSY_SHARE,
        seen="not told" if share is None else f"{share:.1%} of the machine was busy while nothing was asked of it",
        advice="Stop what else is running, or expect wide intervals: races say so when the noise is too large.",
    )


def swap(used_bytes: int | None, moved_bytes: int | None) -> Finding:
    """Swap in use, and bytes moved in or out while the doctor looked."""
    known = used_bytes is not None and moved_bytes is not None
    return finding(
        "swap",
        "A page that has to come back from disk costs a thousand times a page that is there.",
        bad=bool(moved_bytes) if known else None,
        seen=f"{format_bytes(used_bytes or 0)} in use, {format_bytes(moved_bytes or 0)} moved" if known else "not told",
        advice="Free memory, or turn swap off while measuring.",
    )
