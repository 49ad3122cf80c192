"""When to try again what fails as a whole: a disk, or S3. Pure: clock and randomness are given."""

from __future__ import annotations

from collections.abc import Callable


class Pacing:
    """Pauses that double with each failure in a row, between half and the whole of their bound."""

    def __init__(self, base_s: float, max_s: float, uniform: Callable[[float, float], float]) -> None:
        self._base_s = base_s
        self._max_s = max_s
        self._uniform = uniform
        self.failures = 0
        self._not_before_s = 0.0

    def failed(self, now_s: float, *, at_least_s: float = 0.0) -> None:
        """It failed: wait before trying again."""
        bound = min(self._max_s, self._base_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        self._not_before_s = now_s + max(at_least_s, self._uniform(bound / 2, bound))

    def worked(self) -> None:
        """It works: no pause."""
        self.failures = 0
        self._not_before_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until it may be tried; 0 when it may be now."""
        return max(0.0, self._not_before_s - now_s)
