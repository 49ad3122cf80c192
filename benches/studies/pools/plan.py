"""Which cells of client × pool × in flight × body × link are measured.

A pool larger than the requests in flight never binds, so of all such pools only the smallest is measured.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CLIENTS = ("boto3", "boto3-transfer", "boto3-crt", "aiobotocore", "obstore", "obstore-async")
LINKS = ("loopback", "same-region", "cross-region")
#: botocore's ``max_pool_connections`` unless it is set.
DEFAULT_POOL = 10
SMALL, MIDDLE, LARGE = 20_000, 400_000, 8_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of the grid.

    Attributes:
        client: Name of a store candidate.
        pool: Its ``pool`` setting.
        in_flight: Requests at once, a closed loop.
        body_bytes: Of each PUT.
        link: Name of a link.
    """

    client: str
    pool: int
    in_flight: int
    body_bytes: int
    link: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A grid.

    Attributes:
        pools: Per body size, per number in flight: the pools.
        links: Per body size.
        seconds: Length of a cell's measurement.
        repeated_ratio: Share of the cells that are measured a second time, for the run's own noise.
    """

    pools: Mapping[int, Mapping[int, tuple[int, ...]]]
    links: Mapping[int, tuple[str, ...]]
    seconds: float
    repeated_ratio: float

    def cells(self, seed: int, clients: Iterable[str] = CLIENTS) -> list[Cell]:
        """All cells in a seeded random order, so that a machine that drifts favours nobody; then the repeats."""
        source = random.Random(seed)
        cells = [
            Cell(client, pool, in_flight, body, link)
            for client in clients
            for body, by_flight in self.pools.items()
            for link in self.links[body]
            for in_flight, pools in by_flight.items()
            for pool in pools
        ]
        source.shuffle(cells)
        return cells + source.sample(cells, round(self.repeated_ratio * len(cells)))


#: Large bodies fill this machine with few in flight: 50 of them are 400 MB on their way.
FULL = Plan(
    pools={
        SMALL: {1: (1,), 10: (1, 10), 50: (10, 50), 100: (1, 10, 50, 100), 500: (10, 50, 100, 256)},
        MIDDLE: {1: (1,), 10: (1, 10), 50: (10, 50), 100: (1, 10, 50, 100)},
        LARGE: {1: (1,), 10: (1, 10), 50: (10, 50)},
    },
    links=dict.fromkeys((SMALL, MIDDLE, LARGE), LINKS),
    seconds=1.25,
    repeated_ratio=0.04,
)
QUICK = Plan(
    pools={SMALL: {1: (1,), 10: (10,), 100: (10, 100), 500: (10, 256)}, MIDDLE: {100: (10, 100)}, LARGE: {10: (10,)}},
    links={SMALL: ("same-region",), MIDDLE: ("cross-region",), LARGE: ("same-region",)},
    seconds=1.0,
    repeated_ratio=0.1,
)
