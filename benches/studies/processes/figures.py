"""The study's figures, from its raw rows alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benches.studies.blocks import median_ratio
from benches.studies.processes.arms import (
    AGAIN,
    KEPT,
    NOTHING,
    ONE,
    ORJSON,
    PICKLE,
    TEXT_PROCESSES,
    TEXT_THREADS,
    THREADS,
    TURNS,
)
from packhorse.bench.race.clock import STEAL_SHARE

Rows = list[dict[str, Any]]
#: What each arm is set against, within blocks.
AGAINST = {
    ONE: THREADS,
    AGAIN: THREADS,
    TURNS: THREADS,
    PICKLE: THREADS,
    ORJSON: THREADS,
    KEPT: THREADS,
    TEXT_PROCESSES: TEXT_THREADS,
}
#: Cores for which the model says what threads and processes would reach.
CORES = (2, 4, 8, 16)
#: A sample is suspect when other programs had more than this part of the machine's two busiest cores.
OTHERS_SHARE = 0.1


def summed_up(rows: dict[str, Rows]) -> dict[str, Any]:
    """Medians over blocks; ratios within blocks; what is modelled for more cores, from the same medians."""
    kept = {table: [row for row in found if not row.get("retaken")] for table, found in rows.items()}
    cells = [
        _cell(case, redaction, samples, _of(rows["costs"], case=case, redaction=redaction))
        for (case, redaction), samples in _groups(kept["samples"], "case", "redaction")
    ]
    timed = kept["samples"] + kept["loop"]
    return {
        "cells": cells,
        "loop": [_loop(*group) for group in _groups(kept["loop"], "redaction", "arm", "paced")],
        "starts": {
            redaction: {name: _median(found, name) for name in found[0] if name not in {"block", "redaction"}}
            for (redaction,), found in _groups(rows["starts"], "redaction")
        },
        "retaken_samples": len(rows["samples"] + rows["loop"]) - len(timed),
        "suspect_samples": sum(map(suspect, timed)),
        "timed_samples": len(timed),
    }


def suspect(row: dict[str, Any]) -> bool:
    """Whether other programs, or the hypervisor, had enough of the machine during a sample to spoil it."""
    cores_s = 2 * row["wall_s"]
    tick_s = 0.02  # the machine's time is counted in ticks of 10 ms
    return bool(
        row["steal_s"] > max(STEAL_SHARE * cores_s, tick_s)
        or row["others_busy_s"] > max(OTHERS_SHARE * cores_s, tick_s)
    )


def _cell(case: str, redaction: str, samples: Rows, costs: Rows) -> dict[str, Any]:
    by_arm = {arm: found for (arm,), found in _groups(samples, "arm")}
    rates = {arm: [row["captures_per_s"] for row in found] for arm, found in by_arm.items()}
    cost = {name: _median(costs, name) for name in costs[0] if name not in {"block", "case", "redaction"}}
    arms: dict[str, dict[str, Any]] = {}
    for arm, found in by_arm.items():
        arms[arm] = {name: _median(found, name) for name in ("captures_per_s", "parent_cpu_s", "workers_cpu_s")}
        arms[arm]["late_p99_s"] = statistics.median(row["late"]["p99_s"] for row in found)
        arms[arm]["late_max_s"] = max(row["late"]["max_s"] for row in found)
        if arm in AGAINST:
            arms[arm]["over"] = {"arm": AGAINST[arm], **median_ratio(rates[arm], rates[AGAINST[arm]])}
    return {"case": case, "redaction": redaction, "arms": arms, "costs": cost, "model": model(arms, cost["held_s"])}


def model(arms: dict[str, Any], held_s: float) -> dict[str, Any]:
    """What threads and processes would reach on more cores, if CPU time and the parent's GIL were the only limits.

    ``n`` cores give ``n`` CPU seconds a second. Whatever the cores, threads share one GIL, and so do the parent's
    threads that hand captures over: they are taken to hold it for all of their CPU time, though not in system calls.
    So both bounds are low ones: for threads by Hyperscan's scans, for processes by their reading and writing.
    """
    threads_s = arms[THREADS]["parent_cpu_s"]
    found: dict[str, Any] = {"threads_at_most_per_s": 1 / held_s}
    for arm in (PICKLE, ORJSON):
        parent_s = arms[arm]["parent_cpu_s"]
        whole_s = parent_s + arms[arm]["workers_cpu_s"]
        found[arm] = {
            "at_most_per_s": 1 / parent_s,
            "pays_from_cores": whole_s / held_s if parent_s < held_s else None,
            "over_threads_by_cores": {
                str(cores): min(cores / whole_s, 1 / parent_s) / min(cores / threads_s, 1 / held_s) for cores in CORES
            },
        }
    return found


def _loop(key: Sequence[Any], found: Rows) -> dict[str, Any]:
    redaction, arm, paced = key
    return {
        "redaction": redaction,
        "arm": arm,
        "paced": paced,
        **{
            name: _median(found, name) for name in ("captures_per_s", "parent_cpu_s", "workers_cpu_s", "requests_per_s")
        },
        "late_p99_s": statistics.median(row["late"]["p99_s"] for row in found),
        "late_max_s": max(row["late"]["max_s"] for row in found),
    }


def _groups(rows: Rows, *fields: str) -> list[tuple[tuple[Any, ...], Rows]]:
    """Rows that agree in the fields, in their blocks' order; groups in a fixed order."""
    keys = sorted({tuple(row[field] for field in fields) for row in rows}, key=_place)
    return [(key, _of(rows, **dict(zip(fields, key, strict=True)))) for key in keys]


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    known = [
        NOTHING,
        ONE,
        THREADS,
        AGAIN,
        TURNS,
        PICKLE,
        ORJSON,
        KEPT,
        TEXT_THREADS,
        TEXT_PROCESSES,
        "off",
        "hyperscan",
        "plain",
    ]
    return tuple(known.index(part) if part in known else part for part in key)


def _of(rows: Rows, **wanted: Any) -> Rows:
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return sorted(found, key=lambda row: int(row["block"]))


def _median(rows: Iterable[dict[str, Any]], name: str) -> float:
    return statistics.median(float(row[name]) for row in rows)
