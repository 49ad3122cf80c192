"""Costs by objective: of a finished upload, and the prediction for CPU stages whose output is yet to be uploaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from packhorse.bench.race.cost import Tariff, packaged_tariff
from packhorse.bench.race.options import Objective
from packhorse.bench.race.spec import Arm, Sample


@dataclass(frozen=True, slots=True)
class PutPrice:
    """What a put costs at this target through the cheapest client, fitted through ready bodies of two sizes.

    Attributes:
        wall_s, wall_s_per_byte: Seconds of the target's time per put and per byte, eight in flight.
        cpu_s, cpu_s_per_byte: The client's CPU seconds.
    """

    wall_s: float
    wall_s_per_byte: float
    cpu_s: float
    cpu_s_per_byte: float

    def ceiling_per_s(self, body_bytes: float) -> float:
        """Puts per second of bodies of this size when nothing has to be encoded."""
        return 1 / max(self.wall_s + body_bytes * self.wall_s_per_byte, 1e-9)


def fit_price(arms: list[Arm], samples: list[Sample]) -> PutPrice:
    """A line through the medians of the two body sizes; never a negative slope or offset."""
    small, large = sorted(arms, key=lambda arm: arm.body_bytes)

    def line(cost: Callable[[Sample], float]) -> tuple[float, float]:
        low, high = (
            median([cost(s) / s.captures for s in samples if s.arm == arm.name] or [0.0]) for arm in (small, large)
        )
        slope = max(0.0, (high - low) / (large.body_bytes - small.body_bytes))
        return max(0.0, low - slope * small.body_bytes), slope

    wall, cpu = line(lambda s: s.wall_s), line(lambda s: s.cpu_s)
    return PutPrice(wall[0], wall[1], cpu[0], cpu[1])


def upload_cost(objective: Objective, tariff: Tariff | None = None) -> Callable[[Sample], float]:
    """Cost per capture of an end-to-end sample: seconds, bytes for ``size``, dollars per million for ``cost``.

    Args:
        objective: What counts. A sample knows nothing of memory, which is measured apart.
        tariff: Prices for ``cost``; None for the packaged ones.

    Raises:
        ValueError: The objective is ``memory``.
    """
    if objective is Objective.MEMORY:
        raise ValueError("memory is measured apart from samples")
    if objective is Objective.COST:
        prices = tariff or packaged_tariff()
        return lambda s: prices.usd_per_million(cpu_s=s.cpu_s / s.captures, stored_bytes=s.bytes_out / s.captures)
    return {
        Objective.THROUGHPUT: lambda s: s.wall_s / s.captures,
        Objective.LATENCY: lambda s: s.latency_p50_s or s.wall_s / s.captures,
        Objective.CPU: lambda s: s.cpu_s / s.captures,
        Objective.SIZE: lambda s: s.bytes_out / s.captures,
    }[objective]


def predicted_cost(
    objective: Objective, price: PutPrice, *, cores: int, before_s: float = 0.0, tariff: Tariff | None = None
) -> Callable[[Sample], float]:
    """Cost per capture predicted for a CPU sample: its own, what comes before it, and what putting its bytes will cost.

    Args:
        objective: What counts.
        price: Of a put at this target.
        cores: Throughput divides wall time by them, since captures are encoded side by side.
        before_s: Seconds per capture of the stages before. Without them "no compression" would beat every compressor a
            thousandfold, though it hardly changes what the whole pipeline takes.
        tariff: As for :func:`upload_cost`.
    """
    if objective is Objective.MEMORY:
        raise ValueError("memory is measured apart from samples")

    def put(sample: Sample, s: float, s_per_byte: float) -> float:
        return s + sample.bytes_out / sample.captures * s_per_byte

    def wall(sample: Sample) -> float:
        return before_s + sample.wall_s / sample.captures

    def cpu(sample: Sample) -> float:
        return before_s + sample.cpu_s / sample.captures + put(sample, price.cpu_s, price.cpu_s_per_byte)

    if objective is Objective.COST:
        prices = tariff or packaged_tariff()
        return lambda s: prices.usd_per_million(cpu_s=cpu(s), stored_bytes=s.bytes_out / s.captures)
    return {
        Objective.THROUGHPUT: lambda s: wall(s) / cores + put(s, price.wall_s, price.wall_s_per_byte),
        Objective.LATENCY: lambda s: wall(s) + put(s, price.wall_s, price.wall_s_per_byte),
        Objective.CPU: cpu,
        Objective.SIZE: lambda s: s.bytes_out / s.captures,
    }[objective]


def own_cost(objective: Objective) -> Callable[[Sample], float]:
    """Cost per capture of an encoder or base64 alone: its output's size is the next stage's matter."""
    if objective in (Objective.CPU, Objective.COST):
        return lambda s: s.cpu_s / s.captures
    return lambda s: s.wall_s / s.captures
