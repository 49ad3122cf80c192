"""A modelled S3 for limits: a known number of slots, latency with noise, SlowDown or silence; simulated time."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Limit(Protocol):
    """What the simulation needs of a limiter."""

    limit: int
    epoch: int

    def answered(self, epoch: int, seconds: float, size_bytes: int, now_s: float) -> bool: ...

    def overloaded(self, epoch: int) -> bool: ...


class Fixed:
    """The limit to compare with."""

    epoch = 0

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def answered(self, epoch: int, seconds: float, size_bytes: int, now_s: float) -> bool:
        return False

    def overloaded(self, epoch: int) -> bool:
        return False


@dataclass
class Server:
    """``slots`` requests are served at once; the rest wait, or are told to slow down when ``refuses``.

    ``smooth`` makes latency grow with every request beside it (throughput N / (N + slots)), with no sharp knee.
    A ``silent`` server answers nothing: requests time out.
    """

    slots: int
    base_s: float = 0.03
    per_byte_s: float = 0.0
    noise: float = 0.0  # sigma of a log-normal factor
    refuses: bool = False
    smooth: bool = False
    silent: bool = False

    def service_s(self, size_bytes: int, serving: int, source: random.Random) -> float:
        seconds = self.base_s + self.per_byte_s * size_bytes
        if self.smooth:
            seconds *= 1 + serving / self.slots
        return seconds * (source.lognormvariate(0, self.noise) if self.noise else 1.0)


TIMEOUT_S = 5.0
REFUSAL_S = 0.005
#: How long whoever is refused waits before it asks again, as the uploader's retries do.
RETRY_S = 0.1


class Simulation:
    """Always a capture waiting; ``done`` holds the moments of success, ``limits`` the limit after every answer."""

    def __init__(self, server: Server, limiter: Limit, seed: int, sizes: Callable[[random.Random], int]) -> None:
        self.server = server
        self.limiter = limiter
        self.now_s = 0.0
        self.done: list[float] = []
        self.limits: list[int] = []
        self.overloads = 0
        self._source = random.Random(seed)
        self._sizes = sizes
        self._events: list[tuple[float, int, str, tuple[int, float, int]]] = []
        self._waiting: deque[tuple[int, float, int]] = deque()
        self._number = 0
        self._in_flight = self._serving = 0

    def run(self, seconds: float) -> Simulation:
        """Go on for so long."""
        end_s = self.now_s + seconds
        self._fill()
        while self._events and self._events[0][0] <= end_s:
            self.now_s, _, kind, request = heapq.heappop(self._events)
            self._happen(kind, request)
            self._fill()
        self.now_s = end_s
        return self

    def rate(self, since_s: float) -> float:
        """Successes per second from then on."""
        return sum(moment >= since_s for moment in self.done) / (self.now_s - since_s)

    def _at(self, seconds: float, kind: str, request: tuple[int, float, int]) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now_s + seconds, self._number, kind, request))

    def _fill(self) -> None:
        while self._in_flight < self.limiter.limit:
            self._in_flight += 1
            request = (self.limiter.epoch, self.now_s, self._sizes(self._source))
            if self.server.silent:
                self._at(TIMEOUT_S, "overloaded", request)
            elif self._serving < self.server.slots or self.server.smooth:
                self._serve(request)
            elif self.server.refuses:
                self._at(REFUSAL_S, "overloaded", request)
            else:
                self._waiting.append(request)

    def _serve(self, request: tuple[int, float, int]) -> None:
        self._serving += 1
        self._at(self.server.service_s(request[2], self._serving, self._source), "served", request)

    def _happen(self, kind: str, request: tuple[int, float, int]) -> None:
        epoch, began_s, size = request
        if kind == "overloaded":
            self.overloads += 1
            self.limiter.overloaded(epoch)
            self._at(RETRY_S, "retry", request)
        else:
            self._in_flight -= 1
        if kind == "served":
            self._serving -= 1
            self.done.append(self.now_s)
            self.limiter.answered(epoch, self.now_s - began_s, size, self.now_s)
            while self._waiting and self._serving < self.server.slots:
                self._serve(self._waiting.popleft())
        if kind != "retry":
            self.limits.append(self.limiter.limit)
