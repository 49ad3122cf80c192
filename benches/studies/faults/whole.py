"""The whole study: every cell × transport × face, then the long black hole, each in words and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benches.studies.blocks import fresh
from benches.studies.fault_server.start import start_faults
from benches.studies.faults.cells import TRANSPORTS, WEATHER_RATIO, Cell, cells
from benches.studies.faults.outage import run_outage, specs
from benches.studies.faults.run import run_cell

FACES = ("sync", "async")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is uploaded in each cell: usually; where every request takes a timeout; as multipart.

    ``weather_ratio`` is the share of requests hit now and then; higher with few uploads, so that some are hit.
    """

    uploads: int
    slow_uploads: int
    multipart_uploads: int
    weather_ratio: float


QUICK = Size(40, 12, 4, 0.1)
WHOLE = Size(1000, 1000, 40, WEATHER_RATIO)


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the study and return its result document. Ctrl-C ends it early; what was done is in the document."""
    size = QUICK if quick else WHOLE
    document: dict[str, Any] = {
        "settings": {"seed": seed, "uploads": size.uploads, "multipart_uploads": size.multipart_uploads},
        "interrupted": False,
        "cells": [],
        "outages": [],
    }
    plan = list(_plan(size))
    outages = specs(quick=quick, transports=TRANSPORTS, seed=seed)
    seconds_all = sum(_seconds(size, cell) for cell, _, _ in plan) + sum(_outage_s(spec) for spec in outages)
    done_s = 0.0
    try:
        with ExitStack() as stack:
            servers = {tls: stack.enter_context(start_faults(tls=tls)) for tls in (False, True)}
            for cell, transport, face in plan:
                count = _count(size, cell)
                result = run_cell(servers[cell.tls], cell, transport, uploads=count, seed=seed, face=face)
                document["cells"].append({"owed": cell.owed_by(transport).value, **result.row()})
                done_s += _seconds(size, cell)
                progress(done_s / seconds_all)
        for spec in outages:
            document["outages"].append(fresh(run_outage, spec))
            done_s += _outage_s(spec)
            progress(done_s / seconds_all)
    except KeyboardInterrupt:
        document["interrupted"] = True
    document["problems"] = list(_problems(document))
    return document


def _plan(size: Size) -> Iterator[tuple[Cell, str, str]]:
    for cell in cells(size.weather_ratio):
        for transport in TRANSPORTS:
            for face in FACES:
                yield cell, transport, face


def _count(size: Size, cell: Cell) -> int:
    return size.multipart_uploads if cell.multipart else size.slow_uploads if cell.slow else size.uploads


def _seconds(size: Size, cell: Cell) -> float:
    """About how long a cell takes; for the progress bar alone."""
    each_s = 0.1 if cell.multipart else 0.07 if cell.slow else 0.006
    return 0.3 + each_s * _count(size, cell)


def _outage_s(spec: Any) -> float:
    return float(spec.before_s + spec.hole_s + spec.after_s) + 20.0


def _problems(document: dict[str, Any]) -> Iterator[str]:
    for row in document["cells"]:
        for problem in row["problems"]:
            yield f"{row['cell']}, {row['transport']}, {row['face']}: {problem}"
    for row in document["outages"]:
        for problem in row["problems"]:
            yield f"black hole of {row['spec']['hole_s']:.0f} s, {row['spec']['transport']}: {problem}"
