"""Are synthetic captures like recorded ones? Percentiles side by side, the two ratios, and the order of pipelines.

Everything is measured with :func:`packhorse.bench.shape.capture.shape` on both sides, so the comparison does not
depend on how a published figure was defined. Files of one population are compared with files of the same population:
averages over populations mean nothing (``docs/captures.md``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from packhorse.bench.realism.order import PIPELINES, Agreement, Timer, agreement, measure_order
from packhorse.bench.shape.capture import shape
from packhorse.captures.read import load
from packhorse.errors import InputError

#: What is compared, in the order of the table: names of :class:`~packhorse.bench.shape.capture.Shape` attributes.
METRICS = (
    "entries",
    "compact_bytes",
    "top1_entry_share",
    "top5_entry_share",
    "body_share",
    "body_entry_share",
    "b64_share_of_body",
    "dup_body_share",
    "header_share",
    "cookie_share",
    "hosts",
    "nonascii_char_share",
    "escape_share",
    "nodes_per_kb",
    "gzip6",
    "zstd3",
)
RATIOS = ("gzip6", "zstd3")
#: What a metric counts, where it is not a share between 0 and 1.
UNITS = {
    "entries": "per file",
    "compact_bytes": "bytes",
    "hosts": "per file",
    "nodes_per_kb": "per kB",
    "gzip6": "× smaller",
    "zstd3": "× smaller",
}
#: Median ratios may differ by this much, and Kendall's τ must reach this (the project's goals for its captures).
RATIO_TOLERANCE = 0.15
TAU_GOAL = 0.9

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One metric over the files of both sides: 25th, 50th and 75th percentiles.

    Attributes:
        metric: Its name.
        synthetic: Of the synthetic files.
        real: Of the recorded files.
    """

    metric: str
    synthetic: tuple[float, float, float]
    real: tuple[float, float, float]

    @property
    def in_band(self) -> bool:
        """The synthetic median lies within the recorded 25–75 % band, its ends included."""
        return self.real[0] <= self.synthetic[1] <= self.real[2]

    @property
    def off(self) -> float:
        """Synthetic median over recorded median, less 1; 0 when both are 0, infinite when only the recorded one is."""
        if self.real[1] == 0:
            return 0.0 if self.synthetic[1] == 0 else math.inf
        return self.synthetic[1] / self.real[1] - 1

    def cells(self) -> tuple[str, str, str, str, str]:
        """The row as text: metric, percentiles on either side, how far the medians are apart, and whether in band."""
        synthetic, real = (" / ".join([_figure(value) for value in side]) for side in (self.synthetic, self.real))
        return self.metric, synthetic, real, f"{self.off:+.0%}", "yes" if self.in_band else "no"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a comparison, as plain data.

    Attributes:
        rows: One per metric.
        agreement: The order of pipelines on both sides, when it was measured.
        synthetic_files: How many synthetic captures were compared.
        real_files: How many recorded ones, or how many the published percentiles rest on.
        population: Which population was compared; empty when it was not said.
        basis: What the ends of published bands are; empty when recorded captures themselves were compared.
    """

    rows: tuple[Row, ...]
    agreement: Agreement | None
    synthetic_files: int
    real_files: int
    population: str = ""
    basis: str = ""

    @property
    def outside(self) -> tuple[str, ...]:
        """Metrics whose synthetic median leaves the recorded band."""
        return tuple([row.metric for row in self.rows if not row.in_band])

    @property
    def ratios_off(self) -> tuple[str, ...]:
        """Compression ratios whose medians differ by more than :data:`RATIO_TOLERANCE`."""
        return tuple([row.metric for row in self.rows if row.metric in RATIOS and abs(row.off) > RATIO_TOLERANCE])

    @property
    def passed(self) -> bool:
        """All goals that were measured are reached."""
        order = self.agreement is None or self.agreement.tau >= TAU_GOAL
        return not self.outside and not self.ratios_off and order

    @property
    def summary(self) -> str:
        """One line: what was compared with what."""
        if not self.basis:
            return f"{self.synthetic_files} synthetic against {self.real_files} recorded captures; p25 / p50 / p75."
        return (
            f"Population `{self.population}`: {self.synthetic_files} synthetic captures (p25 / p50 / p75) against what "
            f"is published of {self.real_files} recorded. Band: {self.basis}."
        )

    def to_markdown(self) -> str:
        """Tables for people."""
        lines = [
            self.summary,
            "",
            "| metric | synthetic | recorded | median off by | in band |",
            "|---|---|---|---|---|",
            *[_row(row) for row in self.rows],
        ]
        if self.agreement is not None:
            lines += ["", *self.agreement.lines()]
        return "\n".join([*lines, "", f"Verdict: {self.verdict}", ""])

    @property
    def verdict(self) -> str:
        """A sentence: which goals were missed, if any."""
        faults = []
        if self.outside:
            faults.append(f"outside the recorded band: {', '.join(self.outside)}")
        if self.ratios_off:
            faults.append(f"more than {RATIO_TOLERANCE:.0%} off: {', '.join(self.ratios_off)}")
        if self.agreement is not None and self.agreement.tau < TAU_GOAL:
            faults.append(f"τ is below {TAU_GOAL}")
        return f"not like recorded ones in all respects ({'; '.join(faults)})." if faults else "like recorded ones."

    def to_plain(self) -> dict[str, Any]:
        """JSON-able data for plots and records."""
        return {
            "rows": [
                {
                    "metric": row.metric,
                    "unit": UNITS.get(row.metric, ""),
                    "synthetic": list(row.synthetic),
                    "real": list(row.real),
                    "in_band": row.in_band,
                    "ratio_off": row.metric in self.ratios_off,
                }
                for row in self.rows
            ],
            "agreement": None if self.agreement is None else self.agreement.to_plain(),
            "synthetic_files": self.synthetic_files,
            "real_files": self.real_files,
            "population": self.population,
            "basis": self.basis,
            "passed": self.passed,
        }


def metrics_of(capture: Any) -> dict[str, float]:
    """The metrics of one capture. An ``EntryStream`` is consumed.

    Raises:
        CaptureError: The capture is not JSON-able.
    """
    measured = shape(capture, with_ratios=True)
    return {name: float(getattr(measured, name)) for name in METRICS}


def compare(synthetic: Sequence[Metrics], real: Sequence[Metrics]) -> tuple[Row, ...]:
    """Percentiles of both sides.

    Raises:
        InputError: One side is empty.
    """
    if not synthetic or not real:
        raise InputError("a comparison needs at least one synthetic and one recorded capture")
    return tuple([
        Row(name, quartiles([item[name] for item in synthetic]), quartiles([item[name] for item in real]))
        for name in METRICS
    ])  # fmt: skip


def run_compare(
    synthetic: Iterable[Path],
    real: Iterable[Path],
    *,
    timer: Timer | None = None,
    pipelines: Sequence[str] = PIPELINES,
    rounds: int = 5,
) -> Comparison:
    """Compare files: their percentiles, and the order of ``pipelines`` by speed on either side.

    Args:
        synthetic: Synthetic captures, one population.
        real: Recorded captures of the same population.
        timer: How a run of a pipeline is timed; None leaves the order of pipelines out.
        pipelines: CPU pipelines (``encode | compress | base64``) to order.
        rounds: Interleaved runs of each pipeline; medians count.

    Raises:
        CaptureError: A file cannot be read.
        InputError: One side is empty.
        UnavailableError: The library of a pipeline is not installed.
    """
    captures = [[load(path) for path in side] for side in (synthetic, real)]
    rows = compare(*[[metrics_of(capture) for capture in side] for side in captures])
    order = None
    if timer is not None:
        seconds = [measure_order(pipelines, side, timer, rounds=rounds) for side in captures]
        order = agreement(pipelines, *seconds)
    return Comparison(rows, order, len(captures[0]), len(captures[1]))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """25th, 50th and 75th percentiles, interpolated; a single value is all three."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, median(values), high


def _row(row: Row) -> str:
    return f"| {' | '.join(row.cells())} |"
