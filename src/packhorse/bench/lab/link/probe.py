"""Measuring a link from outside, as a client sees it: how far delay and rate are from what was asked."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from packhorse.bench.lab.link.model import Link
from packhorse.units import KIB

#: Round trips taken; 21 make a median that one late wake-up cannot move.
PINGS = 21
#: Seconds that the body of a rate's measurement should take at the asked rate.
RATE_S = 0.4
#: Body sizes for rates, in bytes: enough to be measured, and no more than a link without a limit carries in 0.1 s.
SMALLEST_BODY_BYTES, LARGEST_BODY_BYTES = 64 * KIB, 32_000_000
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Achieved:
    """What a link was asked for and what it did. Rates in Mbit/s, of one connection, HTTP headers included.

    Attributes:
        asked_answer_ms, answer_ms: From a small PUT to its answer, on an open connection; the median.
        answer_p10_ms, answer_p90_ms: Its spread.
        asked_first_answer_ms, first_answer_ms: The same with the connection's own round trip; the median.
        asked_up_mbit, up_mbit: What one connection carried up; asked None: the link has no limit.
        asked_down_mbit, down_mbit: The same down.
        late_up_ms, late_down_ms: By how much the latest chunks of the link's traffic left later than they should have,
            by the link's own clock; the median. None before there was traffic.
        late_up_p99_ms, late_down_p99_ms: The 99th percentile.
    """

    asked_answer_ms: float
    answer_ms: float
    answer_p10_ms: float
    answer_p90_ms: float
    asked_first_answer_ms: float
    first_answer_ms: float
    asked_up_mbit: float | None
    up_mbit: float
    asked_down_mbit: float | None
    down_mbit: float
    late_up_ms: float | None = None
    late_down_ms: float | None = None
    late_up_p99_ms: float | None = None
    late_down_p99_ms: float | None = None

    @property
    def errors(self) -> dict[str, float]:
        """Relative errors of what was asked for: 0.02 is 2 % too long, or too fast; without the ones that were not."""
        pairs = {
            "answer": (self.answer_ms, self.asked_answer_ms),
            "first_answer": (self.first_answer_ms, self.asked_first_answer_ms),
            "up": (self.up_mbit, self.asked_up_mbit),
            "down": (self.down_mbit, self.asked_down_mbit),
        }
        return {name: got / asked - 1 for name, (got, asked) in pairs.items() if asked}

    def to_record(self) -> dict[str, Any]:
        """For the records: every field and the errors, JSON-able."""
        return {**asdict(self), "errors": self.errors}


def probe(link: Link, port: int, lateness: dict[str, Any]) -> Achieved:
    """Measure ``link`` through its probe's port; ``lateness`` is what its process says of its own clock.

    Raises:
        OSError: The link does not answer.
    """
    with _connected(port) as connection:
        _put(connection, 0)
        pings = sorted(1e3 * _put(connection, 0) for _ in range(PINGS))
        up, down = (
            _narrowest(link.up_mbit, link.up_mbit_per_connection),
            _narrowest(link.down_mbit, link.down_mbit_per_connection),
        )
        up_bytes, down_bytes = _body_bytes(up), _body_bytes(down)
        answer_s = link.answer_ms / 1e3
        up_s = statistics.median(_put(connection, up_bytes) for _ in range(3)) - answer_s
        down_s = statistics.median(_get(connection, down_bytes) for _ in range(3)) - link.round_trip_ms / 1e3
    first_ms = []
    for _ in range(PINGS // 3):
        start_s = time.perf_counter()
        with _connected(port) as connection:
            _put(connection, 0)
            first_ms.append(1e3 * (time.perf_counter() - start_s))
    return Achieved(
        asked_answer_ms=link.answer_ms,
        answer_ms=statistics.median(pings),
        answer_p10_ms=pings[len(pings) // 10],
        answer_p90_ms=pings[len(pings) * 9 // 10],
        asked_first_answer_ms=link.answer_ms + link.round_trip_ms,
        first_answer_ms=statistics.median(first_ms),
        asked_up_mbit=up,
        up_mbit=_mbit(up_bytes, up_s),
        asked_down_mbit=down,
        down_mbit=_mbit(down_bytes, down_s),
        **_late(lateness),
    )


def _late(lateness: dict[str, Any]) -> dict[str, float]:
    found = {}
    for way in ("up", "down"):
        if lateness[way] is not None:
            found[f"late_{way}_ms"] = lateness[way]["late_ms"]
            found[f"late_{way}_p99_ms"] = lateness[way]["late_p99_ms"]
    return found


def _narrowest(*mbit: float | None) -> float | None:
    return min((rate for rate in mbit if rate is not None), default=None)


def _body_bytes(mbit: float | None) -> int:
    wanted = LARGEST_BODY_BYTES if mbit is None else int(mbit * 1e6 / 8 * RATE_S)
    return max(SMALLEST_BODY_BYTES, min(LARGEST_BODY_BYTES, wanted))


def _mbit(size: int, seconds: float) -> float:
    return size * 8 / 1e6 / max(seconds, 1e-6)


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def _put(connection: socket.socket, size: int) -> float:
    """Seconds for one PUT of ``size`` bytes."""
    request = f"PUT /probe HTTP/1.1\r\nHost: probe\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)
    return _exchange(connection, request)


def _get(connection: socket.socket, size: int) -> float:
    return _exchange(connection, f"GET /{size} HTTP/1.1\r\nHost: probe\r\n\r\n".encode())


def _exchange(connection: socket.socket, request: bytes) -> float:
    start_s = time.perf_counter()
    connection.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        head += _received(connection)
    fields, _, body = head.partition(b"\r\n\r\n")
    left = int(fields.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(_received(connection))
    return time.perf_counter() - start_s


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(256 * KIB)
    if not data:
        raise ConnectionError("the link closed the probe's connection")
    return data
