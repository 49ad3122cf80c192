"""What was seen on the wire, on the client's side of the link."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class WireCounts:
    """Counted since the link started; subtract two of them for what happened in between.

    Attributes:
        connections: TCP connections that clients opened.
        open_now, open_peak: Connections open now, and at most (a difference keeps the later one's).
        thrown_away: Connections that were closed after exactly one request.
        unused: Connections that were closed before any request was complete.
        handshakes, failed_handshakes: TLS handshakes that were completed, and that were not.
        requests: Complete requests that reached the server.
        bytes_up, bytes_down: Bytes from and to clients, TLS included.
    """

    connections: int = 0
    open_now: int = 0
    open_peak: int = 0
    thrown_away: int = 0
    unused: int = 0
    handshakes: int = 0
    failed_handshakes: int = 0
    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0

    def opened(self) -> None:
        """A client has connected."""
        self.connections += 1
        self.open_now += 1
        self.open_peak = max(self.open_peak, self.open_now)

    def closed(self, requests: int) -> None:
        """A client has gone after so many requests."""
        self.open_now -= 1
        self.thrown_away += requests == 1
        self.unused += requests == 0

    def __sub__(self, earlier: WireCounts) -> WireCounts:
        """What happened since ``earlier``."""
        before = asdict(earlier) | {"open_now": 0, "open_peak": 0}
        return WireCounts(**{name: value - before[name] for name, value in asdict(self).items()})

    def to_record(self) -> dict[str, Any]:
        """For the records: every field, JSON-able."""
        return asdict(self)
