"""The pools study: which cells, what a cell sees, what is concluded; and two real cells over a link."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest

from benches.studies.pools import markdown, pictures, run
from benches.studies.pools.cell import Tally
from benches.studies.pools.findings import findings
from benches.studies.pools.measure import measure
from benches.studies.pools.plan import CLIENTS, FULL, LARGE, LINKS, MIDDLE, QUICK, SMALL, Cell, Plan


def row(client: str, pool: int, in_flight: int, puts_per_s: float, **more: Any) -> dict[str, Any]:
    return {
        "client": client,
        "pool": pool,
        "in_flight": in_flight,
        "body_bytes": SMALL,
        "link": "same-region",
        "puts": round(puts_per_s),
        "puts_per_s": puts_per_s,
        "latency_p50_ms": 30.0,
        "latency_p99_ms": 60.0,
        "waited_all_through": 0,
        "served": in_flight,
        "warm": True,
        "errors": {},
        "memory_bytes": 30_000_000,
        "cpu_ms_per_put": 1.5,
        "client_cores": 0.5,
        "link_cores": 0.1,
        "busy_cores": 1.0,
        "machine_cores": 2,
        "connections_per_100_puts": 0.0,
        "wire": {"thrown_away": 0, "open_now": pool},
        **more,
    }


def document(samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "command": ["packhorse", "study", "pools"],
        "interrupted": True,
        "cells_measured": len(samples),
        "cells_planned": 9,
        "findings": findings(samples),
        "unavailable": {"boto3-crt": "awscrt is not installed"},
        "settings": {"seconds": 1.0},
        "noise": {"cells": 2, "median_ratio": 1.02, "worst_ratio": 1.2, "samples": []},
        "links": {},
        "samples": samples,
    }


def test_the_full_grid_is_the_one_that_was_asked_for() -> None:
    cells = FULL.cells(1)
    assert {cell.client for cell in cells} == set(CLIENTS)
    assert {cell.pool for cell in cells} == {1, 10, 50, 100, 256}
    assert {cell.body_bytes for cell in cells} == {SMALL, MIDDLE, LARGE}
    assert {cell.link for cell in cells} == set(LINKS)
    assert (min(cell.in_flight for cell in cells), max(cell.in_flight for cell in cells)) == (1, 500)
    assert all(cell.pool <= cell.in_flight for cell in cells)


def test_plans_are_seeded_and_their_repeats_are_cells_of_theirs() -> None:
    for plan in (FULL, QUICK):
        cells = plan.cells(1)
        distinct = set(cells)
        assert cells == plan.cells(1) != plan.cells(2)
        assert 0 < len(cells) - len(distinct) <= 0.11 * len(distinct)
        assert [cell.client for cell in cells[:12]] != sorted(cell.client for cell in cells[:12])
    assert {cell.client for cell in FULL.cells(1, ["obstore"])} == {"obstore"}


def test_what_waits_all_through_counts_in_the_percentile() -> None:
    tally = Tally(done=[(10.0 + n / 100, 0.01, 0) for n in range(1, 51)], began_s={0: 10.9, 1: 4.0, 2: 5.0})
    figures = tally.figures((10.0, 11.0))
    assert (figures["puts"], figures["served"], figures["waited_all_through"]) == (50, 1, 2)
    assert figures["latency_p50_ms"] == pytest.approx(10)
    assert figures["latency_p99_ms"] == pytest.approx(7000)
    assert tally.figures((20.0, 21.0))["puts"] == 0


def test_a_finding_says_what_the_default_pool_costs() -> None:
    rows = [
        row("boto3", 10, 100, 200, connections_per_100_puts=60.0, cpu_ms_per_put=6.0),
        row("boto3", 50, 100, 500),
        row("boto3", 100, 100, 720, client_cores=0.97),
        row("obstore", 10, 100, 1000),
        row("obstore", 100, 100, 1010),
    ]
    boto3, obstore = findings(rows)
    assert "Its default pool of 10 costs 3.6× at 100 in flight on same-region with bodies of 20 kB" in boto3["text"]
    assert "200 PUT/s; 720 with a pool of 100" in boto3["text"]
    assert "60 connections per 100 PUTs, each a TLS handshake" in boto3["text"]
    assert "the client's own CPU was the limit" in boto3["text"]
    assert boto3["figures"]["pools"][0]["ratio"] == pytest.approx(3.6)
    assert "A pool of 10 costs no rate" in obstore["text"]
    assert "keeps its connections" in obstore["text"]


def test_a_queue_that_is_not_fair_is_found() -> None:
    starving = row("aiobotocore", 10, 500, 310, served=10, waited_all_through=490)
    late = row("boto3", 10, 500, 310, served=300, waited_all_through=190)
    unfair, fair = findings([starving, late])
    assert "490 of the 500 in flight on same-region had no answer" in unfair["text"]
    assert "not fair" not in fair["text"]


def test_the_report_is_whole_also_with_cells_that_failed() -> None:
    failed = {**{name: row("boto3", 1, 1, 1)[name] for name in Cell.__dataclass_fields__}, "failed": "exit status 134"}
    samples = [row("boto3", 10, 100, 200, warm=False), row("boto3", 100, 100, 700), failed]
    text = markdown(document(samples))
    assert text == markdown(json.loads(json.dumps(document(samples))))
    for part in (
        "**Interrupted**: 3 of 9",
        "exit status 134",
        "cold",
        "awscrt is not installed",
        "study-pools-rates.svg",
    ):
        assert part in text
    drawn = pictures(document(samples))
    assert set(drawn) == {"rates", "connections", "p99"}
    assert all(svg.startswith("<svg") and ">boto3<" in svg for svg in drawn.values())
    assert pictures(document([failed])) == {}


@pytest.mark.needs("json | none | raw | obstore")
def test_real_cells_in_processes_of_their_own() -> None:
    with ExitStack() as stack:
        links = run._links(stack, ["same-region"])
        link = links["same-region"]
        context = run._context()
        for client, pool, flying in (("obstore", 4, 4), ("obstore-async", 2, 6)):
            figures = measure(context, run._job(Cell(client, pool, flying, SMALL, "same-region"), link), link, 1.5)
            assert figures["warm"], figures
            assert figures["errors"] == {}
            assert figures["puts"] > flying
            assert figures["served"] == flying
            assert figures["wire"]["bytes_up"] > figures["puts"] * SMALL / 2
            assert figures["cpu_ms_per_put"] > 0
            assert figures["latency_p50_ms"] >= 29.9
        broken = run._job(Cell("obstore", 0, 1, SMALL, "same-region"), link)
        assert "failed" in measure(context, broken, link, 0.1)


def test_ctrl_c_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Plan({SMALL: {1: (1,)}}, {SMALL: ("loopback",)}, seconds=0.1, repeated_ratio=0.0)
    done: list[int] = []

    def measured(*_: Any) -> dict[str, Any]:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return row("obstore", 1, 1, 100)

    monkeypatch.setattr(run, "QUICK", tiny)
    monkeypatch.setattr(run, "measure", measured)
    result = run.study(quick=True, seed=1, progress=lambda _: None)
    assert (result["interrupted"], result["cells_measured"]) == (True, 1)
    assert result["cells_planned"] > 1
    assert len(result["findings"]) == 1
