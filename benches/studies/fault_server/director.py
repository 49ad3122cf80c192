"""Decides which fault hits which request, and keeps count. No I/O: the clock comes as an argument.

The dice are thrown from the seed, the fault, and the request's own name (operation, key, how many there were before),
not from the order of arrival: the same uploads meet the same faults however their requests interleave.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from benches.studies.fault_server.script import Fault, FaultScript, Layer

#: Requests and hits that are remembered one by one; beyond, they are only counted.
LOG_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Hit:
    """One injected fault: seconds since the script began, kind, operation, key, and number of that request (from 1)."""

    t_s: float
    kind: str
    operation: str
    key: str
    number: int


class Director:
    """One run of a script. Used by one event loop, so it needs no lock."""

    def __init__(self, script: FaultScript, start_s: float) -> None:
        self.script = script
        self.start_s = start_s
        self.requests: Counter[str] = Counter()  # by operation
        self.arrivals: dict[str, list[float]] = {}  # by key, of writes
        self.counts: Counter[str] = Counter()  # by kind
        self.hits: list[Hit] = []
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._used: Counter[int] = Counter()
        self._logged = 0

    def request(self, operation: str, key: str, now_s: float) -> Fault | None:
        """Count a request, and say which fault hits it."""
        number = self._number(operation, key)
        self.requests[operation] += 1
        if self._logged < LOG_LIMIT:
            self._logged += 1
            self.arrivals.setdefault(key, []).append(round(now_s - self.start_s, 4))
        return self._throw({Layer.WIRE, Layer.ANSWER}, operation, key, number, now_s)

    def handshake(self, now_s: float) -> Fault | None:
        """Say which fault hits a TLS handshake."""
        return self._throw({Layer.HANDSHAKE}, "put", "", self._number("handshake", ""), now_s)

    def listener(self, now_s: float) -> Fault | None:
        """The active fault that closes the listener, if any. Not counted: :meth:`hit` is called once per closing."""
        faults = (fault for fault in self.script.faults if fault.layer is Layer.LISTENER)
        return next((fault for fault in faults if fault.active(now_s - self.start_s)), None)

    def in_hole(self, now_s: float) -> bool:
        """True while everything is swallowed, answers to what came before included."""
        holes = (fault for fault in self.script.faults if fault.kind == "black-hole" and fault.probability == 1)
        return any(fault.active(now_s - self.start_s) for fault in holes if fault.times is fault.first_requests is None)

    def hit(self, fault: Fault, operation: str, key: str, number: int, now_s: float) -> None:
        """Count and log an injected fault."""
        self.counts[fault.kind] += 1
        if len(self.hits) < LOG_LIMIT:
            self.hits.append(Hit(round(now_s - self.start_s, 4), fault.kind, operation, key, number))

    def report(self) -> dict[str, Any]:
        """Everything counted so far, for JSON."""
        return {
            "counts": dict(self.counts),
            "requests": dict(self.requests),
            "arrivals": self.arrivals,
            "hits": [[hit.t_s, hit.kind, hit.operation, hit.key, hit.number] for hit in self.hits],
        }

    def _number(self, operation: str, key: str) -> int:
        self._numbers[operation, key] += 1
        return self._numbers[operation, key]

    def _throw(self, layers: set[Layer], operation: str, key: str, number: int, now_s: float) -> Fault | None:
        for index, fault in enumerate(self.script.faults):
            if fault.layer not in layers or operation not in fault.operations:
                continue
            if not fault.active(now_s - self.start_s):
                continue
            if fault.first_requests is not None and number > fault.first_requests:
                continue
            if fault.times is not None and self._used[index] >= fault.times:
                continue
            dice = random.Random(f"{self.script.seed}:{index}:{fault.kind}:{operation}:{key}:{number}")
            if dice.random() < fault.probability:
                self._used[index] += 1
                self.hit(fault, operation, key, number, now_s)
                return fault
        return None
