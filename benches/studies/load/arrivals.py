"""When captures arrive: patterns as data, each giving the same seconds after the start for the same seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packhorse.errors import InputError


@dataclass(frozen=True, slots=True)
class Steady:
    """Evenly spaced. ``rate_per_s`` for ``duration_s``."""

    rate_per_s: float
    duration_s: float

    def __post_init__(self) -> None:
        _positive(self, "rate_per_s", "duration_s")

    def offsets(self, seed: int) -> Iterator[float]:
        """Seconds after the start, ascending; there is nothing to draw."""
        del seed
        return (number / self.rate_per_s for number in range(round(self.rate_per_s * self.duration_s)))


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent of each other, as many users are: exponential gaps with a mean of ``1 / rate_per_s``."""

    rate_per_s: float
    duration_s: float

    def __post_init__(self) -> None:
        _positive(self, "rate_per_s", "duration_s")

    def offsets(self, seed: int) -> Iterator[float]:
        """Seconds after the start, ascending."""
        source, at_s = random.Random(seed), 0.0
        while (at_s := at_s + source.expovariate(self.rate_per_s)) < self.duration_s:
            yield at_s


@dataclass(frozen=True, slots=True)
class Bursty:
    """Bursts at random moments, as parallel tasks that end together make them.

    Attributes:
        rate_per_s: Mean over the whole time.
        duration_s: How long bursts begin; the last one may end later.
        burst: Arrivals in a burst.
        gap_s: Seconds between two arrivals of a burst; 0 lets them come at once.
    """

    rate_per_s: float
    duration_s: float
    burst: int = 20
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        _positive(self, "rate_per_s", "duration_s", "burst")
        if self.gap_s < 0:
            raise InputError(f"gap_s is {self.gap_s}; it must not be below 0")

    def offsets(self, seed: int) -> Iterator[float]:
        """Seconds after the start, ascending: where bursts overlap their arrivals come in the order of their times."""
        begun = Poisson(self.rate_per_s / self.burst, self.duration_s).offsets(seed)
        if self.gap_s == 0:
            return (at_s for at_s in begun for _ in range(self.burst))
        return iter(sorted(at_s + number * self.gap_s for at_s in begun for number in range(self.burst)))


@dataclass(frozen=True, slots=True)
class Replayed:
    """As recorded.

    Attributes:
        at_s: Seconds after the recording's start, ascending (see :func:`read_timestamps`).
        speed: 2 replays in half the time.
    """

    at_s: tuple[float, ...]
    speed: float = 1.0

    def __post_init__(self) -> None:
        _positive(self, "speed")
        if not self.at_s or self.at_s[0] < 0 or any(a > b for a, b in itertools.pairwise(self.at_s)):
            raise InputError("at_s: give one or more ascending seconds from 0 on")

    def offsets(self, seed: int) -> Iterator[float]:
        """Seconds after the start; there is nothing to draw."""
        del seed
        return (at_s / self.speed for at_s in self.at_s)


Arrivals = Steady | Poisson | Bursty | Replayed


def read_timestamps(path: Path) -> tuple[float, ...]:
    """Arrival times for :class:`Replayed` from a text file: one per line, as ISO 8601 or as seconds; any order.

    Raises:
        InputError: No line, or one that is neither; the message names it.
        OSError: The file cannot be read.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text:
            found.append(_seconds(text, f"{path}, line {number}"))
    if not found:
        raise InputError(f"{path}: no timestamp in it; write one per line")
    first = min(found)
    return tuple(sorted(at_s - first for at_s in found))


def _seconds(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is neither seconds nor an ISO 8601 time") from error


def _positive(pattern: object, *names: str) -> None:
    for name in names:
        if not getattr(pattern, name) > 0:
            raise InputError(f"{name} is {getattr(pattern, name)}; it must be above 0")
