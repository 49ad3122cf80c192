"""Seeded draws that come out the same on every supported Python and platform.

Only ``Random.random`` and ``Random.randbytes`` are used: both are defined bit by bit by the Mersenne Twister, while
``choice``, ``sample``, ``shuffle`` and ``gauss`` changed between Python versions. Quantities come from interpolated
quantiles rather than from ``exp`` and ``log``, whose last bit depends on the C library.
"""

from __future__ import annotations

import base64
import random
import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")

#: Where the quantiles of a :data:`Knots` lie.
KNOT_POSITIONS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)

#: A distribution: its quantiles at :data:`KNOT_POSITIONS`, straight lines between them.
Knots = tuple[float, float, float, float, float, float, float, float, float]

_SLOTS = 1 << 16


class Draws:
    """A stream of seeded draws.

    Args:
        name: Names the stream; equal names give equal draws.
    """

    def __init__(self, name: str) -> None:
        rng = random.Random(name)
        self.random = rng.random
        self.randbytes = rng.randbytes

    def chance(self, probability: float) -> bool:
        """True with ``probability``."""
        return self.random() < probability

    def below(self, bound: int) -> int:
        """A whole number in ``[0, bound)``."""
        return int(self.random() * bound)

    def between(self, low: int, high: int) -> int:
        """A whole number in ``[low, high]``."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``, all equally likely."""
        return items[int(self.random() * len(items))]

    def zipf(self, items: Sequence[T]) -> T:
        """One of ``items``, the early ones more likely: the square of a uniform draw."""
        position = self.random()
        return items[int(position * position * len(items))]

    def weighted(self, weights: Sequence[tuple[T, float]]) -> T:
        """One of the weighted items; the weights need not sum to 1."""
        left = self.random() * plain_sum([weight for _, weight in weights])
        for item, weight in weights:
            left -= weight
            if left < 0:
                return item
        return weights[-1][0]

    def quantile(self, knots: Knots) -> float:
        """A draw from the distribution that ``knots`` describe."""
        position = self.random()
        index = 1
        while KNOT_POSITIONS[index] <= position:
            index += 1
        low = KNOT_POSITIONS[index - 1]
        share = (position - low) / (KNOT_POSITIONS[index] - low)
        return knots[index - 1] + (knots[index] - knots[index - 1]) * share

    def hex(self, digits: int) -> str:
        """``digits`` hexadecimal digits."""
        return self.randbytes((digits + 1) // 2).hex()[:digits]

    def token(self, length: int) -> str:
        """``length`` characters of URL-safe base64, as in session ids."""
        return base64.urlsafe_b64encode(self.randbytes(length * 3 // 4 + 1)).decode()[:length]

    def ranks(self, count: int, table: array[int]) -> list[int]:
        """``count`` ranks out of a :func:`rank_table`, at the speed of C."""
        slots = array("H")
        slots.frombytes(self.randbytes(2 * count))
        if sys.byteorder == "big":
            slots.byteswap()
        return list(map(table.__getitem__, slots))


def plain_sum(numbers: Iterable[float]) -> float:
    """The sum, rounded after each addition: ``sum`` has compensated its rounding only since Python 3.12."""
    total = 0.0
    for number in numbers:
        total += number
    return total


@cache
def rank_table(size: int, shift: int) -> array[int]:
    """Zipf–Mandelbrot ranks as a table to index with 16 random bits: rank r weighs ``1 / (r + shift)``.

    Args:
        size: How many ranks there are, at most 65,536.
        shift: Flattens the head; 1 is Zipf's law, large values approach equal weights.
    """
    sums = list(accumulate(1.0 / (rank + shift) for rank in range(size)))
    scale = _SLOTS / sums[-1]
    table = array("H")
    for rank, total in enumerate(sums):
        table.extend([rank] * (int(total * scale) - len(table)))
    table.extend([0] * (_SLOTS - len(table)))
    return table
