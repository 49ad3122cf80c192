"""Headers and cookies of a HAR entry by their names, and what of them a scan has yet to see."""

from __future__ import annotations

from collections.abc import Collection
from operator import itemgetter
from typing import Any

from packhorse.redact.context import Context
from packhorse.redact.walk import hide, under_name

_name, _value = itemgetter("name"), itemgetter("value")
_EMPTY: list[Any] = []


def redact_headers(ctx: Context, items: Any, values: set[Any]) -> tuple[Any, Any]:
    """A list of ``{name, value}`` with the values under secret names replaced.

    Args:
        ctx: The rules.
        items: What stands under ``headers``, of any type.
        values: Receives the values that have yet to be scanned. Most headers come again and again, so a set of them is
            far smaller than the lists.

    Returns:
        The new list, or ``items`` itself; and the items that have to be scanned whole.
    """
    if type(items) is not list:
        return items, items
    try:
        if sum(map(len, items)) != 2 * len(items):
            return _with_more(ctx, items)
        if ctx.books["header"].harmless.issuperset(map(_name, items)):
            values.update(map(_value, items))
            return items, _EMPTY
        return _some_secret(ctx, items, values)
    except (TypeError, KeyError, AttributeError):
        return items, items  # Not such a list: the scan and the careful way see all of it.


def holds_any(items: Any, values: Collection[Any]) -> bool:
    """Whether one of the values stands in a list of headers."""
    try:
        return any(item["value"] in values for item in items)
    except (TypeError, KeyError):
        return True


def _some_secret(ctx: Context, items: list[Any], values: set[Any]) -> tuple[Any, Any]:
    book = ctx.books["header"]
    new, rest = items, _EMPTY
    for index, item in enumerate(items):
        changed = item if item["name"] in book.harmless else _item(ctx, item)
        if changed is item:
            values.add(item["value"])
            continue
        if new is items:
            new = list(items)
        new[index] = changed
        if type(changed["value"]) is not str:
            rest = [*rest, changed]
    return new, rest


def _with_more(ctx: Context, items: list[Any]) -> tuple[Any, Any]:
    """The same for items with comments and the like, all of which the scan has to see."""
    harmless = ctx.books["header"].harmless
    new = [item if item["name"] in harmless else _item(ctx, item) for item in items]
    if all(a is b for a, b in zip(new, items, strict=True)):
        new = items
    return new, new


def _item(ctx: Context, item: dict[str, Any]) -> dict[str, Any]:
    if not ctx.books["header"].secret(item["name"]):
        return item
    value = item.get("value")
    new = under_name(ctx, item["name"], value, "header", 0)
    return item if new is value else {**item, "value": new}


def redact_jar(ctx: Context, cookies: Any) -> tuple[Any, Any]:
    """Cookies redacted, and what of them has yet to be scanned."""
    if type(cookies) is list and ctx.books["cookie"].every:
        try:
            new = [{**item, "value": hide(ctx, item["value"], "cookie")} for item in cookies]
        except (TypeError, KeyError):
            pass
        else:
            return new, new
    return ctx.walk({"cookies": cookies})["cookies"], None
