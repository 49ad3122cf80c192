"""Does the order of CPU pipelines on synthetic captures hold on recorded ones? Kendall's τ says how far."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median
from typing import Any

from packhorse.errors import InputError

#: Gives the seconds that one run of a pipeline (as text) over some captures takes. An argument rather than an import:
#: captures know nothing of pipelines. :func:`packhorse.bench.race.thread_time.thread_seconds` is one.
Timer = Callable[[str, Sequence[Any]], float]

#: Pipelines that differ in encoder, algorithm and level. Neighbours differ clearly in speed on ordinary captures, so
#: that their order is a property of the captures and not of the machine's noise.
PIPELINES = (
    "orjson | none | raw",
    "orjson | lz4 | raw",
    "orjson | zstd:1 | raw",
    "orjson | zstd:6 | raw",
    "orjson | isal:1 | raw",
    "orjson | gzip:1 | raw",
    "orjson | gzip:6 | raw",
    "orjson | brotli:9 | raw",
    "json | zstd:1 | raw",
    "json-iterencode:chunk=65536 | zstd:1 | raw",
    "orjson | zstd:16 | raw",
    "orjson | bz2 | raw",
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How fast each pipeline was on either side.

    Attributes:
        pipelines: The pipelines, as text.
        synthetic_s: Seconds per capture of each (the geometric mean over captures), on the synthetic ones.
        real_s: The same on the recorded ones.
        tau: Kendall's τ-b between the two orders: 1 for the same order, -1 for the opposite one.
    """

    pipelines: tuple[str, ...]
    synthetic_s: tuple[float, ...]
    real_s: tuple[float, ...]
    tau: float

    def lines(self) -> list[str]:
        """A Markdown table, fastest on recorded captures first."""
        order = sorted(range(len(self.pipelines)), key=self.real_s.__getitem__)
        by_synthetic = sorted(range(len(self.pipelines)), key=self.synthetic_s.__getitem__)
        shown = [text.replace("|", "\\|") for text in self.pipelines]  # a bare bar would end the cell
        fastest_real_s, fastest_synthetic_s = min(self.real_s), min(self.synthetic_s)
        return [
            f"Order of pipelines by speed: Kendall's τ = {self.tau:.3f}.",
            "",
            "| pipeline | rank on recorded | rank on synthetic | × the fastest, recorded | × the fastest, synthetic |",
            "|---|---|---|---|---|",
            *[
                f"| `{shown[index]}` | {rank + 1} | {by_synthetic.index(index) + 1} "
                f"| {self.real_s[index] / fastest_real_s:.2f} | {self.synthetic_s[index] / fastest_synthetic_s:.2f} |"
                for rank, index in enumerate(order)
            ],
        ]

    def to_plain(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "pipelines": list(self.pipelines),
            "synthetic_s": list(self.synthetic_s),
            "real_s": list(self.real_s),
            "tau": self.tau,
        }


def agreement(pipelines: Sequence[str], synthetic_s: Sequence[float], real_s: Sequence[float]) -> Agreement:
    """Kendall's τ between two orders of the same pipelines.

    Raises:
        InputError: Fewer than two pipelines, or not one time for each.
    """
    if len(pipelines) < 2 or not len(pipelines) == len(synthetic_s) == len(real_s):
        raise InputError("an order needs at least two pipelines, with one time each on both sides")
    return Agreement(tuple(pipelines), tuple(synthetic_s), tuple(real_s), _tau(synthetic_s, real_s))


def _tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's τ-b: pairs in the same order less pairs in opposite orders, over those that are no ties."""
    signs = [(_sign(first[i] - first[j]), _sign(second[i] - second[j])) for i in range(len(first)) for j in range(i)]
    untied = [sum(pair[at] != 0 for pair in signs) for at in (0, 1)]
    return sum(a * b for a, b in signs) / math.sqrt(untied[0] * untied[1]) if all(untied) else math.nan


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def measure_order(
    pipelines: Sequence[str],
    captures: Sequence[Any],
    timer: Timer,
    *,
    rounds: int,
) -> list[float]:
    """Seconds per capture of each pipeline: medians of interleaved rounds, geometric means over captures.

    Every round runs all pipelines, beginning one further each time, so that a slow spell of the machine meets all.

    Args:
        pipelines: The pipelines, as text.
        captures: Whole captures.
        timer: How a run is timed.
        rounds: How many rounds, at least 1.
    """
    samples: dict[tuple[int, int], list[float]] = {}
    for turn in range(max(1, rounds)):
        for step in range(len(pipelines)):
            index = (turn + step) % len(pipelines)
            for number, capture in enumerate(captures):
                samples.setdefault((index, number), []).append(timer(pipelines[index], [capture]))
    return [
        geometric_mean([median(samples[index, number]) for number in range(len(captures))])
        for index in range(len(pipelines))
    ]
