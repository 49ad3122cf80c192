"""The one sampler of race and gate: short samples of all arms in turns, round after round, in ABBA order.

Disturbances on shared machines last less than a second, so that only short turns share them. A round that others
disturbed is taken again; it stays in the record, and is not counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

#: A round during which others took more than this part of the machine is taken again.
FOREIGN_SHARE = 0.10
#: Rounds that are taken again at the most, as a part of those wanted.
SPARE = 0.5
#: A run in which more than this part of the rounds was disturbed says so: "busy machine".
BUSY_SHARE = 1 / 3
#: Part of the wanted rounds that must be undisturbed for the disturbed ones to be left out.
ENOUGH = 0.5

T = TypeVar("T")


class Watch(Protocol):
    """Tells what part of the machine others took since its start."""

    def start(self) -> None:
        """Begin."""
        ...

    def share(self) -> float:
        """From 0 to 1."""
        ...


@dataclass(slots=True)
class Round(Generic[T]):
    """One sample of every arm.

    Attributes:
        index: Its number in its process.
        order: The arms as they took turns.
        foreign_share: The part of the machine that others took.
        samples: One of each arm, in that order.
        counted: False for a disturbed round that was taken again.
    """

    index: int
    order: tuple[str, ...]
    foreign_share: float
    samples: list[T] = field(default_factory=list)
    counted: bool = True


def orders(arms: Sequence[str], *, seed: int, process: int) -> Iterator[list[str]]:
    """Orders of the rounds: drawn once per pair of rounds, the second of each pair in reverse (ABBA).

    What is drawn depends on seed, process and arm, so that an arm that leaves does not change the others' order. Every
    second process begins its pairs with the reverse.
    """
    pair = 0
    while True:
        drawn = sorted(arms, key=lambda arm: random.Random(f"{seed}:{process // 2}:{pair}:{arm}").random())
        forth = drawn if process % 2 == 0 else drawn[::-1]
        yield forth
        yield forth[::-1]
        pair += 1


def take_rounds(
    arms: Sequence[str],
    take: Callable[[str, int], T],
    watch: Watch,
    *,
    rounds: int,
    order: Iterator[list[str]],
    another: Callable[[int], bool] = lambda _: True,
) -> Iterator[Round[T]]:
    """Take rounds, and yield each as it ends, until enough were undisturbed or the spare ones are used up.

    Args:
        arms: What takes turns. May shrink while this runs: an arm that failed is taken out by ``take``'s caller.
        take: Takes one sample of an arm in a round of this index.
        watch: Tells how busy others were.
        rounds: How many undisturbed rounds are wanted.
        order: :func:`orders`.
        another: Asked after each round, with the number of rounds so far, whether there is time for one more.
    """
    undisturbed, index = 0, 0
    while arms and undisturbed < rounds and index < most_rounds(rounds, index, undisturbed):
        turns = [arm for arm in next(order) if arm in arms]
        watch.start()
        samples = [take(arm, index) for arm in turns]
        share = watch.share()
        undisturbed += share <= FOREIGN_SHARE
        index += 1
        yield Round(index - 1, tuple(turns), share, samples)
        if not another(index):
            break


def most_rounds(wanted: int, taken: int, undisturbed: int) -> int:
    """Rounds that may be taken in all. Where most are disturbed the machine is busy: taking them again helps nobody."""
    always_busy = taken >= wanted and undisturbed < ENOUGH * wanted
    return wanted if always_busy else wanted + int(SPARE * wanted)


def count_rounds(shares: Sequence[float], wanted: int) -> list[bool]:
    """Which rounds of a process count: the undisturbed ones; where those are too few, the least disturbed beside them.

    Args:
        shares: What part of the machine others took, round by round.
        wanted: Rounds that the process was to take.
    """
    calm = [share <= FOREIGN_SHARE for share in shares]
    if sum(calm) >= ENOUGH * wanted:
        return calm
    kept = sorted(range(len(shares)), key=lambda index: shares[index])[:wanted]
    return [index in kept for index in range(len(shares))]


def busy(shares: Sequence[float]) -> bool:
    """Whether so many rounds of a run were disturbed that the reader has to know."""
    return bool(shares) and sum(share > FOREIGN_SHARE for share in shares) > BUSY_SHARE * len(shares)
