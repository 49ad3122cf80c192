"""Captures per second and latency of a pipeline, from its stage rates, a link and a number of cores. No I/O, no clock.

The uploader is a closed queueing network: a fixed number of captures in flight, each in turn encoded (one at a time, as
the encoder holds the interpreter's lock), compressed and sent (on any core), carried by the link (all share its
bandwidth) and answered (a pause in which nothing is busy). Its throughput is that of exact mean value analysis (Reiser
and Lavenberg, "Mean-Value Analysis of Closed Multichain Queuing Networks", J. ACM 27(2), 1980); several cores count as
one that is so many times faster, and a pause for the rest (Seidmann et al., Large Scale Systems 12, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageRates:
    """What one capture costs a pipeline, without its upload.

    Attributes:
        plain_bytes: Size of the capture as compact JSON.
        encode_s: CPU seconds under the interpreter's lock.
        compress_s: CPU seconds outside it.
        out_bytes: Size of the object.
    """

    plain_bytes: float
    encode_s: float
    compress_s: float
    out_bytes: float


@dataclass(frozen=True, slots=True)
class LinearCost:
    """CPU seconds of one PUT: so many for the request, so many per byte of its body."""

    per_put_s: float
    per_byte_s: float

    def seconds(self, body_bytes: float) -> float:
        """For a body of so many bytes."""
        return self.per_put_s + self.per_byte_s * body_bytes


NO_COST = LinearCost(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where a pipeline runs.

    Attributes:
        bandwidth_bit_s: Of all connections together, towards the server.
        connection_bit_s: Of one connection; infinite when only the sum is limited.
        answer_s: From the last byte of a PUT to its answer: round trip and service time.
        cores: Cores of the machine.
        in_flight: Captures being encoded, sent or answered at once.
        put: CPU of the client.
        overhead_bytes: Bytes of a PUT's headers beside its body.
        others: CPU of other processes on the same cores, per PUT (a server on the same machine).
    """

    bandwidth_bit_s: float
    answer_s: float
    cores: int
    in_flight: int
    put: LinearCost
    others: LinearCost = NO_COST
    connection_bit_s: float = math.inf
    overhead_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says.

    Attributes:
        captures_per_s: Throughput.
        latency_s: Of one capture alone, from its start to the answer.
        bottleneck: What is busiest: ``encode``, ``cores``, ``link``, or ``in flight`` (nothing is busy for 80 % of the
            time: more in flight would bring more).
    """

    captures_per_s: float
    latency_s: float
    bottleneck: str


#: Below this utilisation of the busiest part, the number in flight is what limits.
BUSY = 0.8


def predict(rates: StageRates, conditions: Conditions) -> Prediction:
    """Throughput, latency and bottleneck of a pipeline with these rates under these conditions."""
    out_bytes = rates.out_bytes + conditions.overhead_bytes
    client_s = rates.compress_s + conditions.put.seconds(rates.out_bytes)
    cpu_s = rates.encode_s + client_s + conditions.others.seconds(rates.out_bytes)
    link_s = 8 * out_bytes / conditions.bandwidth_bit_s
    own_link_s = max(link_s, 8 * out_bytes / conditions.connection_bit_s)
    # All CPU goes through the cores; encoding is besides a station of its own, where only one capture can be. Its time
    # there is time on a core, too, so the pause that Seidmann's form gives to further cores excludes it.
    cores = conditions.cores
    stations = {"encode": rates.encode_s if cores > 1 else 0.0, "cores": cpu_s / cores, "link": link_s}
    spread_s = max(0.0, cpu_s * (cores - 1) / cores - stations["encode"])
    pause_s = conditions.answer_s + (own_link_s - link_s) + spread_s
    rate = mean_value(list(stations.values()), pause_s, conditions.in_flight)
    busiest = max(stations, key=lambda name: stations[name])
    busy = rate * stations[busiest]
    return Prediction(
        rate, rates.encode_s + client_s + own_link_s + conditions.answer_s, busiest if busy >= BUSY else "in flight"
    )


def mean_value(demands_s: Sequence[float], pause_s: float, customers: int) -> float:
    """Throughput per second of a closed network of single servers and a pause, by exact mean value analysis.

    Args:
        demands_s: Seconds of service per visit and station.
        pause_s: Seconds per round outside all stations.
        customers: How many circulate, at least 1.
    """
    waiting = [0.0] * len(demands_s)
    rate = 0.0
    for present in range(1, customers + 1):
        seconds = [demand * (1 + queue) for demand, queue in zip(demands_s, waiting, strict=True)]
        rate = present / (pause_s + sum(seconds))
        waiting = [rate * spent for spent in seconds]
    return rate


def interpolated(points: Mapping[float, StageRates], plain_bytes: float) -> StageRates:
    """Rates at a size between measured ones, straight in logarithms; beyond them, per byte as at the nearest.

    Args:
        points: Measured rates by size, at least one.
        plain_bytes: The size wanted.
    """
    sizes = sorted(points)
    below = max((size for size in sizes if size <= plain_bytes), default=None)
    above = min((size for size in sizes if size >= plain_bytes), default=None)
    if below is None or above is None or below == above:
        nearest = points[below if below is not None else above]  # type: ignore[index]  # one of them is there
        return _scaled(nearest, plain_bytes / nearest.plain_bytes)
    share = math.log(plain_bytes / below) / math.log(above / below)

    def between(low: float, high: float) -> float:
        return low + share * (high - low) if low <= 0 or high <= 0 else low * (high / low) ** share

    low, high = points[below], points[above]
    return StageRates(
        plain_bytes,
        between(low.encode_s, high.encode_s),
        between(low.compress_s, high.compress_s),
        between(low.out_bytes, high.out_bytes),
    )


def _scaled(rates: StageRates, factor: float) -> StageRates:
    return StageRates(
        rates.plain_bytes * factor, rates.encode_s * factor, rates.compress_s * factor, rates.out_bytes * factor
    )


def winners(values: Mapping[str, float], tolerance: float) -> list[str]:
    """Names whose value is within ``tolerance`` (a share) of the highest, best first."""
    best = max(values.values())
    return sorted((name for name, value in values.items() if value >= best * (1 - tolerance)), key=lambda n: -values[n])
