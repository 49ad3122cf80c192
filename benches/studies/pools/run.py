"""Running the study: links once, then every cell in a fresh process in front of its link."""

from __future__ import annotations

import multiprocessing
import re
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from multiprocessing.context import ForkServerContext
from typing import Any

from benches.studies.pools.cell import Job
from benches.studies.pools.findings import findings
from benches.studies.pools.measure import PRELOAD, measure
from benches.studies.pools.plan import CLIENTS, FULL, QUICK, Cell
from packhorse.bench.lab.link.model import parse_link
from packhorse.bench.lab.link.start import RunningLink, start_link
from packhorse.bench.lab.server import environment, start
from packhorse.stages import registry
from packhorse.stages.base import Stage
from packhorse.stores.base import Endpoint

#: Nobody checks them: the sink takes what it gets. Clients sign with them.
_ACCESS_KEY, _SECRET_KEY = "pools", "pools-secret"


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the study and return its result document.

    Ctrl-C ends it; the document then holds the cells that were measured and says ``interrupted``.

    Raises:
        UnavailableError: The link simulator's libraries are not installed.
    """
    plan = QUICK if quick else FULL
    missing = {row.name: registry.availability(row).reason for row in registry.candidates(Stage.STORE)}
    cells = plan.cells(seed, [client for client in CLIENTS if not missing[client]])
    rows: list[dict[str, Any]] = []
    achieved: dict[str, dict[str, Any]] = {}
    interrupted = False
    try:
        with ExitStack() as stack:
            links = _links(stack, sorted({cell.link for cell in cells}))
            achieved = {name: link.achieved().to_record() for name, link in links.items()}
            context = _context()
            for number, cell in enumerate(cells):
                link = links[cell.link]
                rows.append({**asdict(cell), **measure(context, _job(cell, link), link, plan.seconds)})
                progress((number + 1) / len(cells))
            for name, link in links.items():
                achieved[name] |= {"after": link.achieved().to_record()}
    except KeyboardInterrupt:
        interrupted = True
    measured, repeats = _apart(rows)
    return {
        "interrupted": interrupted,
        "cells_planned": len(cells),
        "cells_measured": len(rows),
        "unavailable": {client: missing[client] for client in CLIENTS if missing[client]},
        "links": {name: {**parse_link(name).to_record(), "achieved": achieved[name]} for name in achieved},
        "noise": {**_noise(measured, repeats), "samples": repeats},
        "findings": findings(measured),
        "settings": {"seconds": plan.seconds, "server": "packhorse.bench.lab.link.sink", "tls": True},
        "samples": measured,
    }


def _links(stack: ExitStack, names: list[str]) -> dict[str, RunningLink]:
    command = [sys.executable, "-m", "packhorse.bench.lab.link.sink"]
    sink = start(command, env=environment(), port_pattern=re.compile(r"^port (\d+)$", re.MULTILINE))
    stack.push(lambda *_: sink.stop())  # holds the server too, which stops when nobody does
    url = f"http://127.0.0.1:{sink.port}"
    return {name: stack.enter_context(start_link(parse_link(name), url, tls=True)) for name in names}


def _context() -> ForkServerContext:
    """Fresh processes that need not import everything: forked from one that has imported it and done no more."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    return context


def _job(cell: Cell, link: RunningLink) -> Job:
    return Job(cell, Endpoint("pools", link.url, "us-east-1", _ACCESS_KEY, _SECRET_KEY, ca_file=link.ca_file))


def _apart(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The first row of every cell, and the rows of cells that were measured again."""
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    repeats = []
    for row in rows:
        key = tuple(row[name] for name in Cell.__dataclass_fields__)
        if first.setdefault(key, row) is not row:
            repeats.append(row)
    return list(first.values()), repeats


def _noise(rows: list[dict[str, Any]], repeats: list[dict[str, Any]]) -> dict[str, Any]:
    """How far apart two measurements of the same cell were: the larger rate over the smaller."""
    first = {tuple(row[name] for name in Cell.__dataclass_fields__): row for row in rows}
    ratios = []
    for again in repeats:
        before = first[tuple(again[name] for name in Cell.__dataclass_fields__)]
        rates = [row.get("puts_per_s", 0.0) for row in (before, again)]
        if min(rates) > 0:
            ratios.append(max(rates) / min(rates))
    median, worst = (statistics.median(ratios), max(ratios)) if ratios else (None, None)
    return {"cells": len(ratios), "median_ratio": median, "worst_ratio": worst}
