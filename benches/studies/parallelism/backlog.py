"""What has been handed over and is not stored yet: counted and aged, from the loop or from threads."""

from __future__ import annotations

import time
from collections import Counter


class Backlog:
    """Captures between hand-over and storage.

    Every change is one operation on a dict or a list, which the interpreter makes whole, so that threads need no lock.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, int]] = {}
        self.seconds: list[tuple[float, float]] = []
        self.failures: Counter[str] = Counter()
        self.stored = 0

    def begin(self, number: int, plain_bytes: int) -> None:
        """Capture ``number`` was handed over."""
        self._waiting[number] = (time.perf_counter(), plain_bytes)

    def end(self, number: int, failure: str | None = None) -> None:
        """It is stored, or ``failure`` says what became of it."""
        begun, _ = self._waiting.pop(number)
        if failure is not None:
            self.failures[failure] += 1
            return
        now = time.perf_counter()
        self.stored += 1
        self.seconds.append((now, now - begun))

    def look(self) -> tuple[int, int]:
        """Captures waiting, and their bytes as JSON."""
        waiting = list(self._waiting.values())
        return len(waiting), sum(size for _, size in waiting)

    def ages_s(self) -> list[float]:
        """For how long those that wait have waited."""
        now = time.perf_counter()
        return [now - begun for begun, _ in list(self._waiting.values())]
