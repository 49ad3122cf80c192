"""An element in which the scan suspects something: of a HAR entry only the parts that are suspicious are walked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from packhorse.redact import jsontext
from packhorse.redact.context import Context
from packhorse.redact.walk import walk_child

#: What of an object has yet to be scanned: its keys, with headers and cookies replaced by what is left of them.
Rest = dict[Any, Any]

#: Keys that make an object a body or a named value, which only the careful way reads right.
_WHOLE = frozenset({"name", "key", "text", "body", "data", "payloadData", "base64_string", "opcode", "base64Encoded"})
_SIDES = frozenset({"request", "response"})
#: Where a rest keeps the cookies: under their own name they would always look secret.
JAR = "_jar"


def redact_suspect(ctx: Context, element: Any, rests: tuple[Rest, Rest] | None) -> Any:
    """The element with its secrets replaced; the same object when there are none.

    Args:
        ctx: The rules.
        element: A HAR entry, its headers and cookies redacted by name already, or anything else.
        rests: What of the entry's request and response has yet to be scanned; None when it is no HAR entry.
    """
    if rests is None or not all(map(_WHOLE.isdisjoint, (element, *rests))):
        return ctx.walk(element)
    outer = {key: child for key, child in element.items() if key not in _SIDES}
    sides = [(element["request"], rests[0]), (element["response"], rests[1]), (outer, outer)]
    suspicious = _suspicious_keys(ctx, [rest for _, rest in sides])
    request, response, others = (
        _redact_parts(ctx, side, keys) for (side, _), keys in zip(sides, suspicious, strict=True)
    )
    if request is element["request"] and response is element["response"] and others is outer:
        return element
    kept = {key: child for key, child in element.items() if key in _SIDES or key in others}
    return {**kept, **others, "request": request, "response": response}


def _suspicious_keys(ctx: Context, rests: list[Rest]) -> Iterator[set[Any]]:
    """The keys under which something is suspicious, for each of the objects: one scan for all."""
    parts = [(number, key, jsontext.scannable({key: rest[key]})) for number, rest in enumerate(rests) for key in rest]
    found, _ = ctx.suspected([b"" if text is None else text for _, _, text in parts])
    suspected = set(found)
    for number in range(len(rests)):
        yield {
            key
            for index, (owner, key, text) in enumerate(parts)
            if owner == number and (index in suspected or text is None)
        }


def _redact_parts(ctx: Context, side: dict[Any, Any], keys: set[Any]) -> dict[Any, Any]:
    changed: dict[Any, Any] = {}
    if JAR in keys and JAR not in side:
        keys = {*keys, "cookies"} - {JAR}
    for key, child in side.items():
        if key not in keys:
            continue
        if not isinstance(key, str) or key != ctx.text(key):
            return {**ctx.walk(side)}  # A secret in a key itself: rare, and no part's matter.
        new = ctx.walk(child, "cookie") if key == "cookies" else walk_child(ctx, key, child, "anywhere", 0)
        if new is not child:
            changed[key] = new
    return {**side, **changed} if changed else side
