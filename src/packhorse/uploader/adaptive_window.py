"""What the adaptive limit measures: seconds per byte of the answers that came under one limit."""

from __future__ import annotations

import math

#: What a request costs before its first byte, in bytes' worth of time, until answers of different sizes have told:
#: 64 KiB, about what 0.8 ms to the first byte are at 85 MB/s.
_FIRST_OVERHEAD_BYTES = 65_536.0
#: Share of the past that one answer takes over in the fit of seconds over bytes: it remembers about 500 answers.
_FORGET = 1 / 500
#: The least relative spread of sizes (variance over squared mean) from which overhead and rate can be told apart.
_SPREAD = 0.01
#: An answer counts as at most so many times its window's mean so far: one stall must not decide.
_CLIP = 5.0
#: Answers after which a window begins to forget, so that it follows slow changes.
_FULL = 512


class Window:
    """Mean and spread of seconds per weighted byte over the answers of one limit."""

    __slots__ = ("_squares", "_sum", "began_s", "count")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.count = 0.0
        self._sum = 0.0
        self._squares = 0.0

    def add(self, cost: float) -> None:
        """Take one answer's seconds per weighted byte in."""
        if self.count >= 8 and self._sum > 0:
            cost = min(cost, _CLIP * self._sum / self.count)
        self.count += 1
        self._sum += cost
        self._squares += cost * cost
        if self.count >= _FULL:
            self.count, self._sum, self._squares = self.count / 2, self._sum / 2, self._squares / 2

    def merge(self, other: Window) -> None:
        """Take another window of the same limit in."""
        self.count += other.count
        self._sum += other._sum
        self._squares += other._squares
        if self.count >= _FULL:
            share = _FULL / 2 / self.count
            self.count, self._sum, self._squares = self.count * share, self._sum * share, self._squares * share

    def log_mean(self) -> float:
        """Natural logarithm of the mean cost."""
        return math.log(max(self._sum, 1e-300) / max(self.count, 1.0))

    def relative_variance(self) -> float:
        """Variance of the mean over its square: the squared standard error of :meth:`log_mean`."""
        if self.count < 2 or self._sum <= 0:
            return 1.0
        mean = self._sum / self.count
        return max(0.0, self._squares / self.count / (mean * mean) - 1.0) / self.count


class Overhead:
    """Fits ``seconds = overhead + bytes / rate`` to recent answers, so that small and large ones can be compared.

    Without it a run of small captures would look slow per byte, and the limit would shrink for no reason.
    """

    def __init__(self) -> None:
        self._weight = self._size = self._seconds = self._size_square = self._product = 0.0

    def add(self, seconds: float, size_bytes: float) -> None:
        """Take one answer in."""
        keep = 1.0 - _FORGET
        self._weight = keep * self._weight + 1.0
        self._size = keep * self._size + size_bytes
        self._seconds = keep * self._seconds + seconds
        self._size_square = keep * self._size_square + size_bytes * size_bytes
        self._product = keep * self._product + seconds * size_bytes

    def overhead_bytes(self) -> float:
        """The overhead as bytes' worth of time; the first guess while sizes are all alike."""
        if self._weight < 32:
            return _FIRST_OVERHEAD_BYTES
        size, seconds = self._size / self._weight, self._seconds / self._weight
        spread = self._size_square / self._weight - size * size
        if spread <= _SPREAD * size * size:
            return _FIRST_OVERHEAD_BYTES
        slope = (self._product / self._weight - size * seconds) / spread
        slope = min(max(slope, 0.001 * seconds / size), seconds / size)  # neither part can be negative
        return (seconds - slope * size) / slope
