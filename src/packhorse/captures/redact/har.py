"""The fast way for HAR entries: headers and cookies by name, everything else by one scan of the entry's own JSON.

What the scan suspects goes the careful way (:mod:`packhorse.captures.redact.walk`), which alone decides.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from packhorse.captures.redact import jsontext
from packhorse.captures.redact.bodies import is_media
from packhorse.captures.redact.context import Context
from packhorse.captures.redact.names import NameBook
from packhorse.captures.redact.walk import under_name

_name = itemgetter("name")
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
        return entry
    return ctx.walk(entry)


def _other(ctx: Context, element: Any) -> Any:
    """Any element that is no HAR entry."""
    text = jsontext.scannable(element)
    return element if text is not None and not ctx.scan_bytes(text) else ctx.walk(element)


def _side(ctx: Context, side: dict[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """A request or response with headers and cookies redacted, and what of it has yet to be scanned."""
    headers, cookies = side.get("headers"), side.get("cookies")
    new_headers = _named(ctx, headers, ctx.books["header"]) if headers else headers
    if not cookies:
        new = side if new_headers is headers else {**side, "headers": new_headers}
        return new, new
    new_cookies = ctx.walk({"cookies": cookies})["cookies"]
    new = {**side, "headers": new_headers, "cookies": new_cookies} if "headers" in side else {**side, "cookies": new_cookies}
    return new, {**new, "cookies": _EMPTY}


def _named(ctx: Context, items: Any, book: NameBook) -> Any:
    """A list of ``{name, value}``: values under secret names replaced. Values under other names are left to the scan."""
    if type(items) is not list:
        return items
    try:
        if book.harmless.issuperset(map(_name, items)):
            return items
        new = [_item(ctx, item, book) for item in items]
    except (TypeError, KeyError, AttributeError):
        return items  # Not such a list: the scan and the careful way see all of it.
    return items if all(a is b for a, b in zip(new, items, strict=True)) else new


def _item(ctx: Context, item: dict[str, Any], book: NameBook) -> dict[str, Any]:
    if not book.secret(item["name"]):
        return item
    value = item.get("value")
    new = under_name(ctx, item["name"], value, "header", 0)
    return item if new is value else {**item, "value": new}


def _content(ctx: Context, content: dict[str, Any]) -> dict[str, Any]:
    text, mime = content["text"], content.get("mimeType", "").lower()
    encoding = content.get("encoding")
    if isinstance(encoding, str) and encoding.lower() == "base64":
        new = text if is_media(text, mime) else ctx.base64(text, mime)
    else:
        new = ctx.text(text, mime)
    return content if new is text else {**content, "text": new}
