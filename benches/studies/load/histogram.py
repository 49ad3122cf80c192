"""Latencies in HdrHistograms: three significant digits from a microsecond to an hour, whatever their number."""

from __future__ import annotations

from typing import Self

from hdrh.histogram import HdrHistogram

HIGHEST_S = 3600.0
_DIGITS = 3
_US = 1e6
#: Percentiles that are reported, by the name they have there.
PERCENTILES = {"p50_s": 50.0, "p90_s": 90.0, "p99_s": 99.0, "p999_s": 99.9}


class Latencies:
    """A histogram of seconds. Beyond an hour it records an hour."""

    def __init__(self, encoded: str | None = None) -> None:
        """Empty, or as :attr:`encoded` of another."""
        self._histogram = (
            HdrHistogram(1, int(HIGHEST_S * _US), _DIGITS) if encoded is None else HdrHistogram.decode(encoded)
        )

    def record(self, seconds: float) -> None:
        """Add one latency."""
        self._histogram.record_value(_microseconds(seconds))

    def record_corrected(self, seconds: float, interval_s: float) -> None:
        """Add one latency of a closed loop and those that it kept from being measured.

        HdrHistogram's correction for coordinated omission: a latency above ``interval_s``, the time between two
        requests, also counts as ``seconds - interval_s``, ``seconds - 2·interval_s`` and so on.
        """
        self._histogram.record_corrected_value(_microseconds(seconds), max(1, round(interval_s * _US)))

    def add(self, other: Latencies) -> Self:
        """Take in all that ``other`` has."""
        self._histogram.add(other._histogram)
        return self

    @property
    def count(self) -> int:
        """Latencies recorded."""
        return int(self._histogram.get_total_count())

    @property
    def encoded(self) -> str:
        """As text that :class:`Latencies` reads, in HdrHistogram's own compressed format, which other tools know."""
        return str(self._histogram.encode().decode("ascii"))

    def figures(self) -> dict[str, float]:
        """``p50_s``, ``p90_s``, ``p99_s``, ``p999_s`` and ``max_s`` in seconds; empty when nothing was recorded."""
        if not self.count:
            return {}
        found = {name: self._histogram.get_value_at_percentile(share) / _US for name, share in PERCENTILES.items()}
        return {**found, "max_s": self._histogram.get_max_value() / _US}


def _microseconds(seconds: float) -> int:
    return min(max(1, round(seconds * _US)), int(HIGHEST_S * _US))
