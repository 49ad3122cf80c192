"""Costs by objective: of a finished upload, and the prediction for CPU stages whose output is yet to be uploaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from packhorse.race.options import Objective
from packhorse.race.spec import Arm, Sample


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


def upload_cost(objective: Objective) -> Callable[[Sample], float]:
    """Cost per capture of an end-to-end sample: seconds, or bytes for ``size``."""
    return {
        Objective.THROUGHPUT: lambda s: s.wall_s / s.captures,
        Objective.LATENCY: lambda s: s.latency_p50_s or s.wall_s / s.captures,
        Objective.CPU: lambda s: s.cpu_s / s.captures,
        Objective.SIZE: lambda s: s.bytes_out / s.captures,
    }[objective]


def predicted_cost(objective: Objective, price: PutPrice, cores: int) -> Callable[[Sample], float]:
    """Cost per capture predicted for a CPU sample: its own, and what putting its bytes will cost.

    Throughput divides the stage's wall time by the cores, since captures are encoded side by side.
    """
    return {
        Objective.THROUGHPUT: lambda s: (s.wall_s / cores + s.bytes_out * price.wall_s_per_byte) / s.captures,
        Objective.LATENCY: lambda s: (s.wall_s + s.bytes_out * price.wall_s_per_byte) / s.captures,
        Objective.CPU: lambda s: (s.cpu_s + s.bytes_out * price.cpu_s_per_byte) / s.captures,
        Objective.SIZE: lambda s: s.bytes_out / s.captures + s.wall_s / s.captures * 1e-3,
    }[objective]


def own_cost(objective: Objective) -> Callable[[Sample], float]:
    """Cost per capture of an encoder or base64 alone: its output's size is the next stage's matter."""
    if objective is Objective.CPU:
        return lambda s: s.cpu_s / s.captures
    return lambda s: s.wall_s / s.captures
