"""The fast way for HAR entries: headers and cookies by name, everything else by one scan of the entry's own JSON.

What the scan suspects goes the careful way (:mod:`packhorse.captures.redact.walk`), which alone decides.
"""

from __future__ import annotations

from contextlib import suppress
from operator import itemgetter
from typing import Any

from packhorse.captures.redact import jsontext
from packhorse.captures.redact.bodies import is_media
from packhorse.captures.redact.context import Context
from packhorse.captures.redact.names import NameBook
from packhorse.captures.redact.walk import hide, under_name, walk_child

_pair = itemgetter("name", "value")
_EMPTY: list[Any] = []


def redact_entry(ctx: Context, entry: dict[Any, Any]) -> Any:
    """One HAR entry with its secrets replaced; the same object when there are none."""
    request, response = entry.get("request"), entry.get("response")
    if type(request) is not dict or type(response) is not dict:
        return _other(ctx, entry)
    new_request, request_rest = _side(ctx, request)
    new_response, response_rest = _side(ctx, response)
    content = response.get("content")
    new_content = content
    if type(content) is dict and type(content.get("text")) is str and type(content.get("mimeType", "")) is str:
        # Bodies are scanned as they are, not inside JSON; the rest of the object stays in the outline.
        response_rest = {**response_rest, "content": {**content, "text": "", "encoding": ""}}
        new_content = _content(ctx, content)
    if new_content is not content:
        new_response = {**new_response, "content": new_content}
    if new_request is not request or new_response is not response:
        entry = {**entry, "request": new_request, "response": new_response}
    outline = jsontext.scannable({**entry, "request": request_rest, "response": response_rest})
    if outline is not None and not ctx.scan_bytes(outline):
        _remember(ctx, request_rest)
        _remember(ctx, response_rest)
        return entry
    return _suspects(ctx, entry, request_rest, response_rest)


#: Keys that make an object a body or a named value, which only the careful way reads right.
_WHOLE = frozenset({"name", "key", "text", "body", "data", "payloadData", "base64_string", "opcode", "base64Encoded"})


def _suspects(ctx: Context, entry: dict[Any, Any], request_rest: dict[Any, Any], response_rest: dict[Any, Any]) -> Any:
    """An entry with something suspicious in it: only the parts that are suspicious go the careful way."""
    if not (_WHOLE.isdisjoint(entry) and _WHOLE.isdisjoint(request_rest) and _WHOLE.isdisjoint(response_rest)):
        return ctx.walk(entry)
    changed = {
        "request": _parts(ctx, entry["request"], request_rest),
        "response": _parts(ctx, entry["response"], response_rest),
    }
    outer = {key: child for key, child in entry.items() if key not in changed}
    changed |= _parts(ctx, outer, outer)
    return entry if all(entry[key] is child for key, child in changed.items()) else {**entry, **changed}


def _parts(ctx: Context, side: dict[Any, Any], rest: dict[Any, Any]) -> dict[Any, Any]:
    changed: dict[Any, Any] = {}
    whole = jsontext.scannable(rest)
    if whole is not None and not ctx.scan_bytes(whole):
        return side
    if rest.get("_jar"):
        side = {**side, "cookies": ctx.walk(side["cookies"], "cookie")}
    for key, child in side.items():
        if key not in rest:
            continue
        text = jsontext.scannable({key: rest[key]})
        if text is not None and not ctx.scan_bytes(text):
            continue
        if not isinstance(key, str) or key != ctx.text(key):
            return {**ctx.walk(side)}  # A secret in a key itself: rare, and no part's matter.
        new = walk_child(ctx, key, child, "anywhere", 0)
        if new is not child:
            changed[key] = new
    return {**side, **changed} if changed else side


def _other(ctx: Context, element: Any) -> Any:
    """Any element that is no HAR entry."""
    text = jsontext.scannable(element)
    return element if text is not None and not ctx.scan_bytes(text) else ctx.walk(element)


def _side(ctx: Context, side: dict[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """A request or response with headers and cookies redacted, and what of it has yet to be scanned."""
    headers, cookies = side.get("headers"), side.get("cookies")
    new, rest = side, dict(side)
    if headers:
        new_headers, rest["headers"] = _named(ctx, headers, ctx.books["header"])
        if new_headers is not headers:
            new = {**new, "headers": new_headers}
    if "cookies" in side:
        # Under its own name even an empty list of cookies would be looked at more closely, for ever.
        del rest["cookies"]
        if cookies:
            new_cookies, rest["_jar"] = _jar(ctx, cookies)
            new = {**new, "cookies": new_cookies}
    return new, rest


def _jar(ctx: Context, cookies: Any) -> tuple[Any, Any]:
    """Cookies redacted, and what of them has yet to be scanned."""
    if type(cookies) is list and ctx.books["cookie"].every:
        try:
            new = [{**item, "value": hide(ctx, item["value"], "cookie")} for item in cookies]
        except (TypeError, KeyError):
            pass
        else:
            return new, new
    return ctx.walk({"cookies": cookies})["cookies"], None


def _named(ctx: Context, items: Any, book: NameBook) -> tuple[Any, Any]:
    """A list of ``{name, value}``: values under secret names replaced, and the items that the scan has yet to see."""
    if type(items) is not list:
        return items, items
    try:
        if sum(map(len, items)) != 2 * len(items):
            return _with_more(ctx, items, book)
        seen = ctx.seen_headers
        if seen.issuperset(map(_pair, items)):
            return items, _EMPTY
        new, rest = items, []
        for index, item in enumerate(items):
            if _pair(item) in seen:
                continue
            changed = item if item["name"] in book.harmless else _item(ctx, item, book)
            if changed is item:
                rest.append(item)
                continue
            if new is items:
                new = list(items)
            new[index] = changed
            if type(changed["value"]) is not str:
                rest.append(changed)
        return new, rest
    except (TypeError, KeyError, AttributeError):
        return items, items  # Not such a list: the scan and the careful way see all of it.


def _with_more(ctx: Context, items: list[Any], book: NameBook) -> tuple[Any, Any]:
    """The same for items with comments and the like, all of which the scan has to see."""
    new = [item if item["name"] in book.harmless else _item(ctx, item, book) for item in items]
    if all(a is b for a, b in zip(new, items, strict=True)):
        new = items
    return new, new


def _item(ctx: Context, item: dict[str, Any], book: NameBook) -> dict[str, Any]:
    if not book.secret(item["name"]):
        return item
    value = item.get("value")
    new = under_name(ctx, item["name"], value, "header", 0)
    return item if new is value else {**item, "value": new}


def _remember(ctx: Context, rest: dict[Any, Any]) -> None:
    """Headers in which the scan found nothing need not be scanned when they come again."""
    headers = rest.get("headers")
    if headers and type(headers) is list:
        with suppress(TypeError, KeyError):
            ctx.remember_headers(map(_pair, (item for item in headers if len(item) == 2)))


def _content(ctx: Context, content: dict[str, Any]) -> dict[str, Any]:
    text, mime = content["text"], content.get("mimeType", "").lower()
    encoding = content.get("encoding")
    if isinstance(encoding, str) and encoding.lower() == "base64":
        new = text if is_media(text, mime) else ctx.base64(text, mime)
    else:
        new = ctx.text(text, mime)
    return content if new is text else {**content, "text": new}
