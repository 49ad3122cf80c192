"""Costs by objective: of a finished sample, and predicted from what stages cost alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packhorse.bench.lab.link.model import Link
from packhorse.bench.race.cost import Tariff, packaged_tariff
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.spec import Sample

Cost = Callable[[Sample], float]


def cost_of(objective: Objective, capture_bytes: float, tariff: Tariff | None = None) -> Cost:
    """Cost per capture of an end-to-end sample: seconds, bytes for ``size``, dollars per million for ``cost``.

    The rate is over the bytes of raw captures, so that samples of different captures can be set side by side.

    Args:
        objective: What counts.
        capture_bytes: Mean compact JSON of a capture.
        tariff: Prices for ``cost``; None for the packaged ones.

    Raises:
        ValueError: The objective is ``memory``, which is measured apart from samples.
    """

    def each(value: float, sample: Sample) -> float:
        return value * capture_bytes / sample.raw_bytes

    if objective is Objective.COST:
        prices = tariff or packaged_tariff()
        return lambda s: prices.usd_per_million(cpu_s=each(s.cpu_s, s), stored_bytes=each(s.bytes_out, s))
    costs: dict[Objective, Cost] = {
        Objective.THROUGHPUT: lambda s: each(s.wall_s, s),
        Objective.LATENCY: lambda s: s.latency_p50_s or each(s.wall_s, s),
        Objective.CPU: lambda s: each(s.cpu_s, s),
        Objective.SIZE: lambda s: each(s.bytes_out, s),
    }
    if objective not in costs:
        raise ValueError("memory is measured apart from samples")
    return costs[objective]


@dataclass(frozen=True, slots=True)
class LinkPrice:
    """What the declared link takes for a byte, never what a few samples seemed to say of it.

    Attributes:
        busy_s: Seconds per byte with every connection at work: what bounds the rate.
        alone_s: Seconds per byte of one connection: what one capture waits.
    """

    busy_s: float = 0.0
    alone_s: float = 0.0

    @classmethod
    def of(cls, link: Link, in_flight: int) -> LinkPrice:
        """From a link's declared bandwidths."""

        def seconds(*mbit: float | None) -> float:
            known = [rate for rate in mbit if rate is not None]
            return 8 / (min(known) * 1e6) if known else 0.0

        one = link.up_mbit_per_connection
        return cls(seconds(link.up_mbit, None if one is None else one * in_flight), seconds(link.up_mbit, one))


@dataclass(frozen=True, slots=True)
class Alone:
    """What a stage's candidate costs alone, per capture: the client's CPU seconds, and bytes that come out."""

    cpu_s: float
    bytes_out: float


@dataclass(frozen=True, slots=True)
class Predictor:
    """Predicts a whole pipeline's cost from its stages' client CPU and its bytes at the declared link's price."""

    objective: Objective
    price: LinkPrice
    cores: int
    tariff: Tariff | None = None

    def __call__(self, cpu_s: float, stored_bytes: float) -> float:
        """Cost per capture of a pipeline that takes ``cpu_s`` in all and stores ``stored_bytes``."""
        if self.objective is Objective.SIZE:
            return stored_bytes
        if self.objective is Objective.CPU:
            return cpu_s
        if self.objective is Objective.COST:
            prices = self.tariff or packaged_tariff()
            return prices.usd_per_million(cpu_s=cpu_s, stored_bytes=stored_bytes)
        if self.objective is Objective.LATENCY:
            return cpu_s + stored_bytes * self.price.alone_s
        return cpu_s / self.cores + stored_bytes * self.price.busy_s
