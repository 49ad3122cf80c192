"""The uploader under every fault of the lab: nothing lost, corrupt or stored twice, and every fate counted.

The quick part of the reliability study: its cells with dozens of uploads each; ``tox -e reliability`` has the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benches.studies.blocks import fresh
from benches.studies.fault_server import Fault, FaultScript, FaultyS3, start_faults
from benches.studies.faults.cells import TRANSPORTS, Cell, Owed, cells
from benches.studies.faults.outage import Outage, run_outage
from benches.studies.faults.run import run_cell
from packhorse.errors import UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

SEED = 1  # hits something in every cell
UPLOADS, SLOW_UPLOADS, MULTIPART_UPLOADS = 40, 12, 4
CELLS = {cell.name: cell for cell in cells(weather_ratio=0.1)}
#: Cells that are run through the asyncio face as well: one of each layer, the engine below being the same.
ASYNC_CELLS = (
    "refuse for 0.3 s",
    "lost-answer, now and then",
    "503, now and then",
    "denied, now and then",
    "tls-expired, always",
    "stall, now and then",
)

#: Seconds after which captures are given up in total outages, which last as long.
OUTAGE_S = 1.0


def by_transport() -> list[Any]:
    """Each in a group of its own: one pair of servers for all of its cells."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"faults-{name}")) for name in TRANSPORTS]


@pytest.fixture(autouse=True)
def _short_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benches.studies.faults.cells.OUTAGE_S", OUTAGE_S)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[bool, FaultyS3]]:
    with start_faults() as plain, start_faults(tls=True) as secure:
        yield {False: plain, True: secure}


def uploads(cell: Cell) -> int:
    return MULTIPART_UPLOADS if cell.multipart else SLOW_UPLOADS if cell.slow else UPLOADS


@pytest.mark.parametrize("transport", by_transport())
@pytest.mark.parametrize("name", CELLS)
def test_what_is_owed_is_kept(name: str, transport: str, servers: dict[bool, FaultyS3]) -> None:
    cell = CELLS[name]
    result = run_cell(servers[cell.tls], cell, transport, uploads=uploads(cell), seed=SEED)
    assert result.problems == ()
    assert result.submitted == uploads(cell)
    assert result.uploaded + result.failed == result.submitted


@pytest.mark.parametrize("transport", by_transport())
@pytest.mark.parametrize("name", ASYNC_CELLS)
def test_the_asyncio_face_keeps_it_too(name: str, transport: str, servers: dict[bool, FaultyS3]) -> None:
    cell = CELLS[name]
    result = run_cell(servers[cell.tls], cell, transport, uploads=uploads(cell), seed=SEED + 1, face="async")
    assert result.problems == ()


@pytest.mark.xdist_group("faults-obstore")
def test_a_broken_promise_would_be_seen(servers: dict[bool, FaultyS3]) -> None:
    """The same run, judged by what another cell owes: refusals for good are not "all uploaded"."""
    told = Cell("wrongly told", CELLS["denied, now and then"].faults, Owed.ALL)
    assert "not uploaded" in run_cell(servers[False], told, "obstore", uploads=UPLOADS, seed=SEED).problems[0]
    retried = Cell("wrongly told", CELLS["503, now and then"].faults, Owed.NO_RETRY)
    assert "tried again" in run_cell(servers[False], retried, "obstore", uploads=UPLOADS, seed=SEED).problems[0]


@pytest.mark.xdist_group("black-hole")
def test_a_black_hole_at_twice_the_drain_rate() -> None:
    """The account and what is stored stay true, and uploading goes on by itself.

    Memory and the rate are judged by the reliability suite, over ten minutes: seconds on a busy machine say nothing.
    """
    spec = Outage("obstore", 3.0, 3.0, 5.0, read_timeout_s=1.5, close_s=1.0)
    found = fresh(run_outage, spec)
    judged_later = ("resident memory", "of the rate")
    assert [problem for problem in found["problems"] if not any(word in problem for word in judged_later)] == []
    assert found["swallowed"] > 0
    looks = found["samples"]["looks"]
    in_hole = [uploaded for at, _, uploaded in looks if 4.0 < at < 6.0]
    assert in_hole[-1] == in_hole[0] > 0
    assert looks[-1][2] > in_hole[-1]


def _options(s3: FaultyS3, **more: float) -> UploaderOptions:
    return UploaderOptions(endpoint=s3.endpoint(), backoff_base_s=0.01, backoff_max_s=0.02, **more)  # type: ignore[arg-type]


@pytest.mark.xdist_group("faults-boto3")
def test_a_retry_waits_as_long_as_the_server_asks(servers: dict[bool, FaultyS3]) -> None:
    """boto3 hands ``Retry-After`` on; obstore does not tell it (packhorse.stores.obstore_config)."""
    s3 = servers[False]
    s3.play(FaultScript((Fault("503", first_requests=1, retry_after_s=1.0),)))
    profile = Profile("faults", Pipeline.parse("json | gzip:1 | raw | boto3:pool=8"), 4)
    with Uploader("s3://packhorse/x", profile=profile, options=_options(s3), redact=False) as uploader:
        receipt = uploader.upload({"log": {"entries": []}}, timeout_s=60)
    assert receipt.attempts == 2
    first, second = s3.report().arrivals[receipt.key]
    assert second - first >= 1.0


@pytest.mark.parametrize("transport", by_transport())
def test_a_capture_is_not_tried_beyond_its_deadline(transport: str, servers: dict[bool, FaultyS3]) -> None:
    s3 = servers[False]
    s3.play(FaultScript((Fault("500"),)))
    profile = Profile("faults", Pipeline.parse(f"json | gzip:1 | raw | {transport}:pool=8"), 4)
    options = _options(s3, deadline_s=0.001)
    with Uploader("s3://packhorse/x", profile=profile, options=options, redact=False) as uploader:
        ticket = uploader.submit({"log": {"entries": []}})
        with pytest.raises(UploadFailed, match="store: server"):
            ticket.result(60)
    assert len(s3.report().arrivals[ticket.key]) == 1
