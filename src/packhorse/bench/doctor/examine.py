"""All checks in their order."""

from __future__ import annotations

import os
from typing import Any

from packhorse.bench.doctor import machine_checks, python_checks, readings, s3_checks
from packhorse.bench.doctor.finding import Finding
from packhorse.profiles.loading import Profile


def examine(profile: Profile, endpoint_url: str | None = None, *, look_s: float | None = None) -> list[Finding]:
    """Take every reading and judge it.

    Args:
        profile: Whose S3 settings are looked at.
        endpoint_url: Where one unsigned HEAD request asks for the time; None sends nothing anywhere.
        look_s: Seconds to watch the machine for; None for :data:`readings.LOOK_S`.

    Raises:
        InputError: ``endpoint_url`` is not a URL.
    """
    if endpoint_url is not None:
        s3_checks.endpoint_host(endpoint_url)
    return [*_machine(readings.LOOK_S if look_s is None else look_s), *_python(), *_s3(profile, endpoint_url)]


def _machine(look_s: float) -> list[Finding]:
    load, usable = readings.load(look_s), readings.usable_cores()
    governor, turbo = readings.cpu_config()
    cpu_max, throttled = readings.cgroup_cpu()
    return [
        machine_checks.cores(usable),
        machine_checks.governor(governor),
        machine_checks.turbo(turbo),
        machine_checks.cgroup_limit(cpu_max, usable),
        machine_checks.throttled(throttled),
        machine_checks.steal(load.steal_share),
        machine_checks.other_load(load.busy_share),
        machine_checks.swap(load.swap_used_bytes, load.swap_moved_bytes),
    ]


def _python() -> list[Finding]:
    found: dict[str, Any] = readings.python()
    return [
        python_checks.build(**found["build"]),
        python_checks.modes(**found["modes"]),
        python_checks.tracing(**found["tracing"]),
        python_checks.environment(os.environ),
    ]


def _s3(profile: Profile, endpoint_url: str | None) -> list[Finding]:
    store = profile.pipeline.store
    found = []
    if store is not None:
        named = dict(store.given).get("pool")
        calculation = os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION")
        found += [
            s3_checks.pool(None if named is None else int(named), profile.max_in_flight),
            s3_checks.checksums(store.candidate.name, calculation, custom=endpoint_url is not None),
        ]
    found.append(s3_checks.addressing(endpoint_url))
    if endpoint_url is not None:
        seen_s, reason = readings.clock_offset(endpoint_url)
        found.append(s3_checks.clock_skew(seen_s, reason=reason))
    return found
