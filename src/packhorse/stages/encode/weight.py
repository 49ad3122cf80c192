"""Is a value small enough to be encoded in one call that holds the interpreter?"""

from __future__ import annotations

from typing import Any

#: Weight above which a value is taken apart: characters, with :data:`_NODE_WEIGHT` for every value. The slowest of the
#: libraries concerned writes about 500 MB/s of structure, so that one call stays near 1 ms (design goal: 2 ms).
HEAVY_WEIGHT = 512 * 1024
_NODE_WEIGHT = 32
_CONTAINERS = frozenset({dict, list, tuple})
_SCALARS = frozenset({int, float, bool, type(None)})
#: What a HAR entry weighs beside its bodies (packhorse's captures have 2 to 6 kB of headers and timings).
_ENTRY_WEIGHT = 2048


def weight(value: Any, limit: int = HEAVY_WEIGHT) -> int:
    """What ``value`` weighs, up to a little over ``limit``.

    Looks at no more values than that pays for, whatever the size of ``value``, and ends on cycles.
    """
    total = 0
    waiting = [value]
    while waiting and total <= limit:
        item = waiting.pop()
        total += _NODE_WEIGHT
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, dict):
            total += _NODE_WEIGHT * len(item)
            if total <= limit:
                waiting.extend(dict.values(item))  # not item.values(): a subclass's own may raise
        elif isinstance(item, list | tuple):
            total += _NODE_WEIGHT * len(item)
            if total <= limit:
                waiting.extend(list.__iter__(item) if isinstance(item, list) else tuple.__iter__(item))
    return total


def is_heavy(value: Any) -> bool:
    """True when ``value`` should be taken apart."""
    return weight(value) > HEAVY_WEIGHT


def entry_weight(entry: Any) -> int:
    """What a list's element seems to weigh, by a few look-ups: to walk all of it would cost more than to encode it.

    Of a HAR entry only the two bodies are looked at, of another object its texts and how much is in its containers, two
    levels deep. Where something else in it is large, the caller sees that by the size of what came out, and weighs the
    following entries in full.
    """
    if not isinstance(entry, dict):
        return _NODE_WEIGHT if type(entry) in _SCALARS else weight(entry)
    try:
        content, request = entry["response"]["content"], entry["request"]
        characters = len(content["text"]) if "text" in content else 0
        if "postData" in request:
            characters += len(request["postData"].get("text", ""))
        return weight(entry) if "_webSocketMessages" in entry else _ENTRY_WEIGHT + characters
    except (KeyError, TypeError, AttributeError):
        return _glance(entry)


def _glance(entry: dict[Any, Any]) -> int:
    total = _NODE_WEIGHT * len(entry)
    for value in dict.values(entry):
        if type(value) is str:
            total += len(value)
        elif type(value) is dict:
            total += _NODE_WEIGHT * len(value)
            for inner in value.values():
                if type(inner) is str:
                    total += len(inner)
                elif type(inner) in _CONTAINERS:
                    total += _NODE_WEIGHT * len(inner)
        elif type(value) in _CONTAINERS:
            total += weight(value, HEAVY_WEIGHT)
        elif type(value) not in _SCALARS:
            total += weight(value)
    return total


def is_small_har(capture: Any, limit: int) -> bool:
    """True when ``capture`` is shaped like a HAR document and weighs no more than ``limit``."""
    if type(capture) is not dict or len(capture) != 1:
        return False
    log = capture.get("log")
    if type(log) is not dict:
        return False
    entries = log.get("entries")
    if type(entries) is not list or len(entries) * _ENTRY_WEIGHT > limit:
        return False
    total = sum(map(entry_weight, entries))
    for key, value in log.items():
        if total > limit:
            return False
        if key != "entries":
            total += weight(value, limit)
    return total <= limit
