"""The table of the reliability study: each row a fault, how it is played, and what the uploader owes under it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from benches.studies.fault_server.script import KINDS, Fault, Layer

#: Store stages of the transports that are tested: the published winner's, and the one that always works.
TRANSPORTS = ("obstore", "boto3")
#: Share of requests hit in changeable weather. The retry budget earns 0.1 retries per capture, so that with half of it
#: used, chance alone empties no budget.
WEATHER_RATIO = 0.05
#: Seconds after which the tested clients give an answer up where silence is the fault; stalls are longer, slow answers
#: shorter. Elsewhere they are patient: an answer that a busy machine delays must not count as a fault.
READ_TIMEOUT_S, PATIENCE_S = 0.5, 30.0
STALL_S = 2.0
#: Deadlines of captures in total outages, and elsewhere.
OUTAGE_S, PATIENT_S = 1.5, 300.0


class Owed(StrEnum):
    """What the uploader owes in a cell, beside what it owes everywhere: no loss, no corruption, every fate counted."""

    ALL = "all uploaded"  # the fault passes: every capture is stored in the end
    NO_RETRY = "hit ones fail at once"  # S3 said no for good: one request for each capture that was hit
    BOUNDED = "attempts bounded"  # nothing works: attempts stay within 1.1 per capture
    COUNTED = "counted"  # some may fail, each with its reason


@dataclass(frozen=True, slots=True)
class Cell:
    """One row: a name, the faults, what is owed, and whether captures go up as multipart.

    ``helpless`` names transports that cannot try again what is hit: what they owe is that it is counted.
    """

    name: str
    faults: tuple[Fault, ...]
    owed: Owed
    multipart: bool = False
    helpless: tuple[str, ...] = ()

    def owed_by(self, transport: str) -> Owed:
        """What the uploader owes when it sends through ``transport``."""
        return Owed.COUNTED if transport in self.helpless else self.owed

    @property
    def read_timeout_s(self) -> float:
        """Seconds that the clients wait for an answer."""
        silent = any(fault.kind in _SILENT for fault in self.faults)
        return READ_TIMEOUT_S if silent else PATIENCE_S

    @property
    def deadline_s(self) -> float:
        """Seconds after which the uploader gives a capture up: soon where nothing will ever work."""
        return OUTAGE_S if self.owed is Owed.BOUNDED else PATIENT_S

    @property
    def slow(self) -> bool:
        """True when every request takes a timeout."""
        return any(fault.kind == "black-hole" and fault.times is None for fault in self.faults)

    @property
    def tls(self) -> bool:
        """True when the faults need a TLS handshake to act on."""
        return any(fault.layer is Layer.HANDSHAKE for fault in self.faults)


_SILENT = ("black-hole", "stall")
_TUNING: dict[str, dict[str, float]] = {
    "503": {"retry_after_s": 0.0},
    "stall": {"delay_s": STALL_S},
    "slow-reading": {"rate_bytes_per_s": 200_000.0},
    "slow-answer": {"delay_s": READ_TIMEOUT_S / 5},
}
#: S3's answers after which asking again gives the same answer.
PERMANENT = ("307", "expired-token", "clock-skew", "denied", "no-bucket", "412", "501")
#: A weather of these cannot come per request: while they last, they hit everything.
_WINDOWED = ("refuse", "dns")
#: Requests of each multipart upload and operation that may be hit: fewer than obstore makes at the most.
HIT_REQUESTS = 4
#: Total outages, of each way to fail one: the name, the listener, the handshake, silence, resets, answers.
_OUTAGES = (
    "dns",
    "refuse",
    "tls-untrusted",
    "tls-expired",
    "black-hole",
    "reset-inside-body",
    "lost-answer",
    "500",
    "503",
)


def cells(weather_ratio: float = WEATHER_RATIO) -> Iterator[Cell]:
    """Every cell: each kind now and then, total outages, and multipart uploads hit in each of their requests.

    Args:
        weather_ratio: Share of the requests that are hit now and then; more for few uploads, so that some are.
    """
    for kind in KINDS:
        if kind == "refuse":
            yield Cell("refuse for 0.3 s", (Fault(kind, for_s=0.3),), Owed.ALL)
        elif kind == "black-hole":
            yield Cell("black-hole, first 16", (Fault(kind, times=16),), Owed.ALL)
        elif KINDS[kind].layer is Layer.HANDSHAKE:
            # The first for certain: a client that keeps few connections may shake hands too seldom for the dice.
            yield Cell(f"{kind}, 30 % of handshakes", (Fault(kind, times=1), Fault(kind, 0.3)), Owed.ALL)
        elif kind not in _WINDOWED:
            fault = Fault(kind, weather_ratio, **_TUNING.get(kind, {}))  # type: ignore[arg-type]  # floats by name
            yield Cell(f"{kind}, now and then", (fault,), Owed.NO_RETRY if kind in PERMANENT else Owed.ALL)
    for kind in _OUTAGES:
        yield Cell(f"{kind}, always", (Fault(kind),), Owed.BOUNDED)
    yield from multipart_cells()


def multipart_cells() -> Iterator[Cell]:
    """Multipart uploads under fire: a stream is encoded once, but each of its requests can be made again.

    Not so often that one is hit each time it is made. obstore makes these requests itself, and gives a damaged part up.
    """
    for kind, operation in (
        ("500", "begin"),
        ("503", "part"),
        ("reset-inside-body", "part"),
        ("lost-answer", "part"),
        ("damaged-body", "part"),
        ("200-error", "finish"),
        ("lost-answer", "finish"),
    ):
        fault = Fault(kind, 0.5, first_requests=HIT_REQUESTS, operations=(operation,))
        helpless = ("obstore",) if kind == "damaged-body" else ()
        yield Cell(f"multipart: {kind} of {operation}", (fault,), Owed.ALL, multipart=True, helpless=helpless)
