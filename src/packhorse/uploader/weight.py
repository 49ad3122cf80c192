"""What a capture weighs before it is encoded, by a look at a few of its objects.

A submitter pays for :func:`guess`. On objects that no cache holds any more, each one that is looked into costs about
two microseconds, so that it can afford eight. What it misses, heavy parts in odd places and the memory that Python's
objects take beside their text, is much the same for captures of one kind. So guesses are corrected by what captures
of late turned out to weigh, by their exact text and by :func:`weigh` (``Guesses`` in ``account.py``).
"""

from __future__ import annotations

from itertools import count, islice
from math import sqrt
from sys import getsizeof
from typing import Any, NamedTuple

from packhorse.units import MIB

#: Levels that a guess goes down, each time into the longest list or dictionary.
_MOST_LEVELS = 4
#: Values of one container that are looked at. Those of a dictionary lie at its ends, since it can only be walked.
_MOST_VALUES = 32
#: What the rest of a HAR's entry (headers, timings) has in the median of browser exports without bodies.
ENTRY_OUTLINE_BYTES = 2600
#: A list that would weigh more by one of its elements is judged by two of them.
_DOUBTED_BYTES = 4 * MIB
#: Guesses of which the least counts before a capture is refused for good.
_MOST_GUESSES = 4
#: About what a key of its own takes; dictionaries up to so many values are taken to share theirs with others.
_KEY_BYTES, _SHARED_KEYS = 56, 64

_CONTAINERS = (dict, list, tuple)
_turns = count()
#: Its multiples, modulo 1, spread evenly whichever of them one shape of captures gets (Weyl's sequence).
_GOLDEN_RATIO = 0.618033988749895


def next_turn() -> float:
    """Where among the elements of a list the next look begins: from 0 up to 1, elsewhere each time."""
    return next(_turns) * _GOLDEN_RATIO % 1


def guess(capture: Any, *, at_most: int) -> int:
    """About what an object weighs, after a look at about eight objects of it, elsewhere each time.

    Args:
        capture: One that cannot be looked at counts nothing: whoever encodes it finds out why.
        at_most: What is above is guessed again: nobody is refused for bad luck.
    """
    try:
        for _ in range(_MOST_GUESSES):
            size_bytes = _guess(capture, next_turn())
            if size_bytes <= at_most:
                break
    except Exception:  # noqa: BLE001  # a type of the application's, or another thread that changes it meanwhile
        return 0
    return size_bytes


def _guess(value: Any, turn: float) -> int:
    size = float(getsizeof(value))
    for _ in range(_MOST_LEVELS):
        if isinstance(value, dict):
            values = value.values() if len(value) <= _MOST_VALUES else _some_values(value)
            sizes = largest = 0
            found = None
            for inner in values:
                inner_size = getsizeof(inner)
                sizes += inner_size
                if inner_size > largest and isinstance(inner, _CONTAINERS):
                    found, largest = inner, inner_size
            if not sizes:
                break
            size += sizes * (len(value) / len(values))
            if found is None:
                break
            value = found
        else:
            number = len(value) if isinstance(value, _CONTAINERS) else 0
            if number:
                each = float(_element_bytes(value[int(turn * number)]))
                if number > 1 and number * each > _DOUBTED_BYTES:
                    # The geometric mean: a heavy element that is come upon by chance must not count for all of them.
                    each = sqrt(each * _element_bytes(value[int((turn + 0.5) % 1 * number)]))
                size += number * each
            break
    return int(size)


def _element_bytes(element: Any) -> int:
    """An element of a long list: an entry of a HAR by its body, another by the values that lie in it."""
    if not isinstance(element, _CONTAINERS):
        return getsizeof(element)
    if isinstance(element, dict):
        try:
            return ENTRY_OUTLINE_BYTES + getsizeof(element["response"]["content"].get("text"))
        except (AttributeError, KeyError, TypeError):  # not an entry of a HAR
            return getsizeof(element) + sum(map(getsizeof, _some_values(element)))
    return getsizeof(element) + sum(map(getsizeof, element[:_MOST_VALUES]))


def _some_values(value: dict[Any, Any]) -> list[Any]:
    values = value.values()
    if len(value) <= _MOST_VALUES:
        return list(values)
    return [*islice(values, _MOST_VALUES // 2), *islice(reversed(values), _MOST_VALUES // 2)]


class Weight(NamedTuple):
    """About what the objects of a capture take: all of it, and what of it is no text and is therefore not encoded."""

    held_bytes: float
    beside_text_bytes: float


def weigh(capture: Any, *, drawn: int, most: int) -> Weight:
    """Look into all of an object but its lists, of which some elements count for all.

    Args:
        capture: An object; what else is submitted has nothing beside its text.
        drawn: Elements of each list that are looked into.
        most: Containers that are opened at the most; what is left then counts as the others did on average.
    """
    if not isinstance(capture, _CONTAINERS):
        return Weight(0.0, 0.0)
    try:
        return _weigh(capture, drawn, most, next_turn())
    except Exception:  # noqa: BLE001  # as in guess()
        return Weight(0.0, 0.0)


def _weigh(capture: Any, drawn: int, most: int, turn: float) -> Weight:
    held = beside = opened = 0.0
    waiting: list[tuple[Any, float]] = [(capture, 1.0)]
    while waiting and most:
        most -= 1
        value, weight = waiting.pop()
        opened += weight
        own = getsizeof(value)
        if isinstance(value, dict) and len(value) > _SHARED_KEYS:
            own += _KEY_BYTES * len(value)
        values = _some_values(value) if isinstance(value, dict) else _some(value, _MOST_VALUES, turn)
        containers = []
        sizes = text_bytes = 0
        for inner in values:
            if isinstance(inner, _CONTAINERS):
                containers.append(inner)
            else:
                sizes += getsizeof(inner)
                if isinstance(inner, str):
                    text_bytes += len(inner)
        each = weight * len(value) / max(1, len(values))
        held += weight * own + each * sizes
        beside += weight * own + each * (sizes - text_bytes)
        if containers:
            looked_into = containers if isinstance(value, dict) else _some(containers, drawn, turn)
            each *= len(containers) / len(looked_into)
            waiting.extend([(inner, each) for inner in looked_into])
    share = 1.0 + sum(weight for _, weight in waiting) / opened
    return Weight(held * share, beside * share)


def _some(values: Any, most: int, turn: float) -> Any:
    step = -(-len(values) // most)
    return values[int(turn * step) :: step] if step > 1 else values
