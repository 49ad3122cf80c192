"""A long black hole at twice the drain rate: is memory bounded, the account exact, and the rate soon back?"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benches.studies.fault_server.ledger import Ledger
from benches.studies.fault_server.script import Fault, FaultScript
from benches.studies.fault_server.start import start_faults
from benches.studies.faults.run import balanced
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import DEFAULT_READ_TIMEOUT_S
from packhorse.units import MIB
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Ticket

#: Seconds that the store takes for each PUT: makes the drain rate known, ``in_flight / service_s``.
SERVICE_S = 0.05
IN_FLIGHT = 8
#: Arrivals over the drain rate.
OVERLOAD = 2.0
#: Goals: resident memory above the base over the budget; share of the earlier rate, and how soon it must be back.
MEMORY_RATIO, RATE_RATIO, RECOVERY_S = 1.1, 0.9, 10.0
#: Seconds over which a rate is taken, and between two looks.
WINDOW_S, LOOK_S = 1.0, 0.1
_CAPTURES_PREPARED = 64


@dataclass(frozen=True, slots=True)
class Outage:
    """One run.

    Attributes:
        transport: A store stage.
        before_s, hole_s, after_s: Seconds of load before, in and after the hole.
        budget_bytes: The uploader's memory budget.
        text_bytes: Incompressible text in each capture.
        read_timeout_s: The store's, beyond which an answer is given up.
        close_s: Seconds that the uploader may drain after the load; what is left then is dropped, counted.
    """

    transport: str
    before_s: float
    hole_s: float
    after_s: float
    budget_bytes: int = 64 * MIB
    text_bytes: int = 100_000
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S
    close_s: float = 120.0
    seed: int = 1


@dataclass(slots=True)
class _Seen:
    """What was looked at every :data:`LOOK_S`: seconds since the start, resident bytes, uploaded so far."""

    looks: list[tuple[float, int, int]] = field(default_factory=list)
    unbalanced: int = 0
    said: set[str] = field(default_factory=set)
    ended: int = 0

    def note(self, ticket: Ticket) -> None:
        """A ticket has ended. Tickets themselves are not kept: ten minutes of them would be what fills the memory."""
        self.ended += 1
        if ticket.fate.value == "uploaded":
            self.said.add(ticket.key)


def run_outage(spec: Outage) -> dict[str, Any]:
    """Run it in this process, which should be a fresh one: its memory is measured. Returns figures and problems."""
    script = FaultScript(
        (Fault("black-hole", at_s=spec.before_s, for_s=spec.hole_s), Fault("slow-answer", delay_s=SERVICE_S)), spec.seed
    )
    pipeline = Pipeline.parse(f"orjson-stream | isal:2 | raw | {spec.transport}:pool={IN_FLIGHT}")
    with start_faults() as s3:
        endpoint = s3.endpoint(connect_timeout_s=spec.read_timeout_s, read_timeout_s=spec.read_timeout_s)
        options = UploaderOptions(
            endpoint=endpoint, max_in_flight=IN_FLIGHT, close_deadline_s=spec.close_s, plain_sha256=True
        )
        texts = _texts(spec)
        seen = _Seen()
        with Uploader(
            "s3://packhorse/outage",
            profile=Profile("outage", pipeline, IN_FLIGHT),
            options=options,
            redact=False,
            memory_budget_bytes=spec.budget_bytes,
        ) as uploader:
            for number in range(IN_FLIGHT * 4):  # clients, connections and threads are made: not the hole's doing
                uploader.upload(_capture(texts, number), key=f"warm/{number}", timeout_s=60)
            base_bytes = resident_bytes()
            s3.play(script)
            _load(uploader, spec, texts, seen)
        report = s3.report()
    found = _figures(spec, seen, base_bytes)
    stats = uploader.stats()
    found |= {
        "submitted": stats.submitted - IN_FLIGHT * 4,
        "uploaded": stats.uploaded - IN_FLIGHT * 4,
        "dropped": stats.dropped,
        "failed": stats.failed,
        "spooled": stats.spooled,
        "degraded": stats.degraded,
        "reasons": dict(stats.reasons),
        "attempts": stats.attempts - IN_FLIGHT * 4,
        "peak_held_bytes": stats.peak_held_bytes,
        "swallowed": report.counts.get("black-hole", 0),
    }
    problems = [*_problems(spec, found, seen), *_untrue(found["submitted"], seen, report.ledger)]
    if not balanced(stats) or stats.in_flight:
        problems.append("the account does not balance at the end")
    return {"spec": asdict(spec), **found, "problems": problems, "samples": {"looks": seen.looks}}


def resident_bytes() -> int:
    """This process's resident memory (Linux: proc(5), status)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def _texts(spec: Outage) -> list[str]:
    source = random.Random(spec.seed)
    return [source.randbytes(spec.text_bytes // 2).hex() for _ in range(_CAPTURES_PREPARED)]


def _capture(texts: list[str], number: int) -> Any:
    """A capture of its own, as a service would hand it in: no memory is shared between two."""
    text = texts[number % len(texts)]
    return json.loads(json.dumps({"log": {"entries": [{"n": number, "response": {"content": {"text": text}}}]}}))


def _load(uploader: Uploader, spec: Outage, texts: list[str], seen: _Seen) -> None:
    """Open loop: captures at their times, whatever becomes of them; a second thread looks on."""
    start, done = time.monotonic(), threading.Event()

    def look() -> None:
        while not done.wait(LOOK_S):
            stats = uploader.stats()
            seen.unbalanced += not balanced(stats)
            seen.looks.append((time.monotonic() - start, resident_bytes(), stats.uploaded))

    watcher = threading.Thread(target=look, name="packhorse-study-look")
    watcher.start()
    every_s = SERVICE_S / IN_FLIGHT / OVERLOAD
    try:
        for number in range(int((spec.before_s + spec.hole_s + spec.after_s) / every_s)):
            pause = start + number * every_s - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            ticket = uploader.submit_nowait(_capture(texts, number), key=f"outage/{number:07d}")
            ticket.add_done_callback(seen.note)
    finally:
        done.set()
        watcher.join()


def _figures(spec: Outage, seen: _Seen, base_bytes: int) -> dict[str, Any]:
    hole_end_s = spec.before_s + spec.hole_s
    before = list(_rates(seen, WINDOW_S, spec.before_s))
    rate = sorted(value for _, value in before)[len(before) // 2]
    back = [at for at, value in _rates(seen, hole_end_s, hole_end_s + spec.after_s) if value >= RATE_RATIO * rate]
    after = sorted(value for _, value in _rates(seen, hole_end_s + RECOVERY_S, hole_end_s + spec.after_s))
    return {
        "rate_before_per_s": rate,
        "rate_after_per_s": after[len(after) // 2] if after else None,
        "recovery_s": back[0] - hole_end_s if back else None,
        "base_bytes": base_bytes,
        "peak_over_budget": max(rss - base_bytes for _, rss, _ in seen.looks) / spec.budget_bytes,
    }


def _rates(seen: _Seen, from_s: float, to_s: float) -> Iterator[tuple[float, float]]:
    """Uploads per second in windows of :data:`WINDOW_S` between two moments: each window's start, and its rate."""
    looks = [look for look in seen.looks if from_s <= look[0] < to_s]
    step = round(WINDOW_S / LOOK_S)
    for first, last in zip(looks, looks[step:], strict=False):
        yield first[0], (last[2] - first[2]) / (last[0] - first[0])


def _problems(spec: Outage, found: dict[str, Any], seen: _Seen) -> Iterator[str]:
    if found["peak_over_budget"] > MEMORY_RATIO:
        yield f"resident memory rose by {found['peak_over_budget']:.2f} times the budget"
    if found["recovery_s"] is None or found["recovery_s"] > RECOVERY_S:
        yield f"{RATE_RATIO:.0%} of the rate was back after {found['recovery_s']} s, not within {RECOVERY_S:.0f} s"
    if found["peak_held_bytes"] > MEMORY_RATIO * spec.budget_bytes:  # guesses are corrected (docs/uploader.md)
        yield f"{found['peak_held_bytes']} bytes were held under a budget of {spec.budget_bytes}"
    if seen.unbalanced:
        yield f"the account did not balance in {seen.unbalanced} of {len(seen.looks)} looks"
    if not found["swallowed"]:
        yield "nothing was swallowed: the run proves nothing"
    if any(later[2] < earlier[2] for earlier, later in pairwise(seen.looks)):
        yield "the count of uploads went down"


def _untrue(submitted: int, seen: _Seen, ledger: Ledger) -> Iterator[str]:
    lost = seen.said - ledger.objects.keys()
    if lost:
        yield f"{len(lost)} lost, e.g. {min(lost)}"
    torn = [key for key in seen.said & ledger.objects.keys() if _torn(ledger, key)]
    if torn:
        yield f"{len(torn)} corrupt, e.g. {torn[0]}"
    if seen.ended != submitted:
        yield f"{seen.ended} of {submitted} tickets ended"


def _torn(ledger: Ledger, key: str) -> bool:
    """Its bytes are not what the uploader hashed before sending, or differ between two PUTs."""
    row = ledger.objects[key]
    return row.plain_sha256 is None or row.plain_sha256 != row.claimed_sha256 or row.bodies != 1


def specs(*, quick: bool, transports: tuple[str, ...], seed: int) -> list[Outage]:
    """What the study runs: seconds, or the ten minutes that are promised."""
    times = (4.0, 8.0, 14.0) if quick else (20.0, 600.0, 30.0)
    return [Outage(transport, *times, seed=seed) for transport in transports]
