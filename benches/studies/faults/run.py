"""Running one cell: many distinct captures through a real uploader and the fault server, then the comparison."""

from __future__ import annotations

import asyncio
import hashlib
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benches.studies.fault_server.ledger import Verdict
from benches.studies.fault_server.script import FaultScript
from benches.studies.fault_server.start import FaultyS3, Report
from benches.studies.faults.cells import Cell, Owed
from packhorse.errors import PackhorseError, UploadFailed
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.units import MIB
from packhorse.uploader.account import Stats
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Ticket

IN_FLIGHT = 8
#: Small captures: what is tested is what happens to requests, and thousands of them must go through.
TEXT_BYTES = 20_000
#: Sent as two parts: base64 of random bytes loses a quarter by compression.
MULTIPART_TEXT_BYTES = 14 * MIB
#: Retries per capture in a total outage, and those that an uploader may spend before it has earned them.
RETRIES_PER_CAPTURE, RETRIES_LENT = 0.1, 10
RESULT_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell's outcome.

    Attributes:
        cell, transport, face: What ran.
        submitted, uploaded, spooled, dropped, failed: Captures by fate.
        reasons: Why the dropped and failed ones were.
        attempts: PUTs and multipart uploads begun, as the uploader counts them.
        requests: Requests that arrived, by operation; ``injected``: faults by kind.
        verdict: Counts of the ledger's comparison.
        open_uploads: Multipart uploads that were begun and neither finished nor aborted.
        problems: What was owed and not kept, in words; empty when all is well.
    """

    cell: str
    transport: str
    face: str
    submitted: int
    uploaded: int
    spooled: int
    dropped: int
    failed: int
    reasons: Mapping[str, int]
    attempts: int
    requests: Mapping[str, int]
    injected: Mapping[str, int]
    verdict: Mapping[str, int]
    open_uploads: int
    problems: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def run_cell(s3: FaultyS3, cell: Cell, transport: str, *, uploads: int, seed: int, face: str = "sync") -> CellResult:
    """Upload ``uploads`` distinct captures while the cell's faults are played, and compare with the ledger.

    Args:
        s3: A running fault server; with TLS when the cell needs it. Its store is emptied first.
        cell: The row.
        transport: A store stage of a pipeline.
        uploads: Captures to submit.
        seed: Of the faults and of the captures.
        face: ``sync`` or ``async``.
    """
    script = FaultScript(cell.faults, seed)
    s3.play(script)
    pipeline = Pipeline.parse(f"orjson-stream | isal:2 | raw | {transport}:pool={IN_FLIGHT}")
    endpoint = s3.endpoint(connect_timeout_s=cell.read_timeout_s * 4, read_timeout_s=cell.read_timeout_s)
    assert pipeline.store is not None
    store = pipeline.store.make(endpoint=endpoint)
    options = UploaderOptions(
        endpoint=endpoint,
        store=store,
        max_in_flight=IN_FLIGHT,
        backoff_base_s=0.02,
        backoff_max_s=0.2,
        deadline_s=cell.deadline_s,
        close_deadline_s=RESULT_LIMIT_S,
    )
    profile = Profile("faults", pipeline, IN_FLIGHT)
    made = captures(uploads, seed, MULTIPART_TEXT_BYTES if cell.multipart else TEXT_BYTES)
    upload = _upload_async if face == "async" else _upload
    codec = pipeline.codec()
    expected: dict[str, str] = {}

    def key(number: int, capture: Any) -> str:
        name = f"faults/{seed}/{number:06d}"
        expected[name] = hashlib.sha256(b"".join(codec.encoder.encode(capture))).hexdigest()
        return name

    work = ((key(number, capture), capture) for number, capture in enumerate(made))
    s3.play(script)  # again: making a client takes a while, and the script's clock runs
    try:
        outcome = upload(profile, options, work)
    finally:
        store.close()
    return _judged(cell, (transport, face), outcome, s3.report(), expected)


def captures(count: int, seed: int, text_bytes: int) -> Iterator[dict[str, Any]]:
    """Distinct captures; most of their text is shared, as making it is not what is tested."""
    text = b64encode(random.Random(seed).randbytes(text_bytes * 3 // 4)).decode()
    half = len(text) // 2
    shared = [{"response": {"content": {"text": part}}} for part in (text[:half], text[half:])]
    for number in range(count):
        first = {"comment": f"{seed}-{number}", "response": {"content": {"text": "é\u2028" * 10}}}
        yield {"log": {"version": "1.2", "entries": [first, *shared]}}


Outcome = tuple[list[Ticket], Stats, int]
Work = Iterator[tuple[str, Any]]


def _upload(profile: Profile, options: UploaderOptions, work: Work) -> Outcome:
    tickets, unbalanced = [], 0
    with Uploader("s3://packhorse/faults", profile=profile, options=options, redact=False) as uploader:
        for key, capture in work:
            tickets.append(uploader.submit(capture, key=key))
            unbalanced += not balanced(uploader.stats())
        for ticket in tickets:
            try:
                ticket.result(RESULT_LIMIT_S)
            except UploadFailed:
                continue
    return tickets, uploader.stats(), unbalanced


def _upload_async(profile: Profile, options: UploaderOptions, work: Work) -> Outcome:
    async def run() -> Outcome:
        tickets, unbalanced = [], 0
        async with AsyncUploader("s3://packhorse/faults", profile=profile, options=options, redact=False) as uploader:
            for key, capture in work:
                tickets.append(await uploader.submit(capture, key=key))
                unbalanced += not balanced(uploader.stats())
            async with asyncio.timeout(RESULT_LIMIT_S):
                results = await asyncio.gather(*(_settled(ticket) for ticket in tickets))
        del results
        return tickets, uploader.stats(), unbalanced

    return asyncio.run(run())


async def _settled(ticket: Ticket) -> None:
    try:
        await ticket
    except PackhorseError:
        return


def balanced(stats: Stats) -> bool:
    """The identity of fates."""
    fates = stats.uploaded + stats.spooled + stats.dropped + stats.failed + stats.in_flight
    return stats.submitted == fates and sum(stats.reasons.values()) == stats.dropped + stats.failed


def _judged(
    cell: Cell, how: tuple[str, str], outcome: Outcome, report: Report, expected: Mapping[str, str]
) -> CellResult:
    tickets, stats, unbalanced = outcome
    said = {ticket.key for ticket in tickets if ticket.fate.value == "uploaded"}
    verdict = report.ledger.compare(expected, claimed=said)
    problems = [*_always(stats, verdict, unbalanced), *_owed(cell, how[0], outcome, report)]
    if said and cell.owed is not Owed.BOUNDED and verdict.checked < len(said):
        problems.append(f"only {verdict.checked} of {len(said)} objects could be compared")
    if report.requests.get("put", 0) > stats.attempts:
        problems.append(f"{report.requests['put']} PUTs arrived, {stats.attempts} were counted: somebody else retries")
    fates = Counter(ticket.fate.value for ticket in tickets)
    if any(fates[name] != getattr(stats, name) for name in ("uploaded", "spooled", "dropped", "failed")):
        problems.append(f"tickets say {dict(fates)}, the account says otherwise")
    return CellResult(
        cell=cell.name,
        transport=how[0],
        face=how[1],
        submitted=stats.submitted,
        uploaded=stats.uploaded,
        spooled=stats.spooled,
        dropped=stats.dropped,
        failed=stats.failed,
        reasons=stats.reasons,
        attempts=stats.attempts,
        requests=report.requests,
        injected=report.counts,
        verdict=verdict.counts(),
        open_uploads=len(report.ledger.open_uploads),
        problems=tuple(problems),
    )


def _always(stats: Stats, verdict: Verdict, unbalanced: int) -> Iterator[str]:
    """What is owed under every fault."""
    for name in ("lost", "corrupt", "duplicated"):
        keys = getattr(verdict, name)
        if keys:
            yield f"{len(keys)} {name}, e.g. {keys[0]}"
    if unbalanced or not balanced(stats) or stats.in_flight:
        yield f"the account does not balance ({unbalanced} times, {stats.in_flight} still in flight)"
    if stats.held_bytes:
        yield f"{stats.held_bytes} bytes are still held"


def _owed(cell: Cell, transport: str, outcome: Outcome, report: Report) -> Iterator[str]:
    owed, (tickets, stats, _) = cell.owed_by(transport), outcome
    hits = Counter(hit.key for hit in report.hits)
    if owed is Owed.ALL and stats.uploaded < stats.submitted:
        yield f"{stats.submitted - stats.uploaded} not uploaded, though the fault passes: {dict(stats.reasons)}"
    if owed is Owed.NO_RETRY:
        retried = [key for key in hits if len(report.arrivals[key]) > 1]
        if retried:
            yield f"{len(retried)} were tried again after a permanent refusal, e.g. {retried[0]}"
        untold = [ticket.key for ticket in tickets if (ticket.key in hits) != (ticket.fate.value == "failed")]
        if untold:
            yield f"{len(untold)} fates do not follow from the refusals, e.g. {untold[0]}"
    allowed = stats.submitted * (1 + RETRIES_PER_CAPTURE)
    if owed is Owed.BOUNDED and stats.attempts > max(allowed, stats.submitted + RETRIES_LENT):
        yield f"{stats.attempts} attempts for {stats.submitted} captures: above 1.1"
    if owed is Owed.BOUNDED and "lost-answer" not in report.counts and stats.uploaded:
        yield f"{stats.uploaded} are said to be uploaded in a total outage"
    if report.ledger.open_uploads:
        yield f"{len(report.ledger.open_uploads)} multipart uploads were left open"
    if not report.counts and not any(fault.kind == "dns" for fault in cell.faults):
        yield "no fault was injected: the cell proves nothing"
