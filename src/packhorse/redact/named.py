r"""A secret name was found: what the sign behind it makes of it, and where its value is.

``"name": …`` · ``{"name": "name", "value": …}`` · ``["name", "value"]`` · ``name="…"`` of a form's field · ``name=…`` of
a URL, a form or a cookie · ``name: …`` of a header or a script · ``<name>…</name>`` · the same behind percent signs, in
entities, or with letters written as escapes.
"""

from __future__ import annotations

import re

from packhorse.redact.markup import decide_element, decide_field
from packhorse.redact.names import Place
from packhorse.redact.params import decide_colon, decide_equals
from packhorse.redact.quoting import (
    COLON,
    LONGEST_NAME,
    QUOTED_CHARS,
    SPACE,
    run_start,
    unescaped,
)
from packhorse.redact.values import hide_value, item_names, scalar_at, value_beside
from packhorse.redact.views import decide_entity, decide_escaped_sign, decide_percent
from packhorse.redact.work import Work

_QUOTE = re.compile(rb"(\\*)([\"'`])")
_ITEM_KEY = re.compile(rb"\\*\"(?:name|key)\\*\"" + SPACE + rb":" + SPACE + rb"\Z", re.IGNORECASE)
_PAIR = re.compile(rb"\[" + SPACE + rb"\Z")
_COMMA_VALUE = re.compile(SPACE + rb"," + SPACE + rb"(?=\\*\")")
_PAIR_END = re.compile(SPACE + rb"\]")
_ATTRIBUTE = re.compile(rb"\bname=\Z", re.IGNORECASE)
_NEAR_BYTES = 80
_LIST_KEY = re.compile(rb"(?P<quote>\\*\")(?P<name>[A-Za-z]+)(?P=quote)\s{0,8}:\s{0,8}(?=[\[{])")
_CONTAINERS = (b"[", b"{")
_JARS = frozenset({b"cookies", b"requestcookies", b"responsecookies"})
#: What follows an escaped letter of a name, up to the sign that ends it.
_NAME_REST = re.compile(rb"(?:[\w.~\[\]-]|\\+u00[2-7][0-9a-f]|%(?:25)*[2-7][0-9a-f]){0,100}?(?:(?P<sign>\\*[\"']|=)|%(?:25)*(?:3d|22|3a))", re.IGNORECASE)


def decide_name(work: Work, end: int, _number: int) -> None:
    """What a pattern for names found: a name, and a sign that ends before ``end``."""
    sign = work.data[end - 1]
    if sign in b"\"'`":
        _decide_quoted(work, end - 1)
    elif sign == 61:
        decide_equals(work, end)
    elif sign == 58:
        decide_colon(work, end)
    elif sign == 62:
        decide_element(work, end)
    elif sign == 92:
        if _QUOTE.match(work.data, end - 1) is not None:
            _decide_quoted(work, end - 1)
        else:
            decide_escaped_sign(work, end - 1)
    else:
        # An escape, as %3D or &quot;, which the pattern ends within.
        start = max(work.data.rfind(b"%", max(0, end - 12), end), work.data.rfind(b"&", max(0, end - 12), end))
        if start >= 0:
            (decide_percent if work.data[start] == 37 else decide_entity)(work, start)


def _decide_quoted(work: Work, at: int) -> None:
    """A name in quotes, the closing one of which begins at ``at``."""
    data = work.data
    closing = _QUOTE.match(data, at)
    if closing is None:
        return
    start = run_start(data, at, QUOTED_CHARS)
    opening = start - len(closing[0])
    if opening < 0 or data[opening:start] != closing[0]:
        return
    quoted_name(work, start, at, closing[0])


def quoted_name(work: Work, start: int, end: int, quote: bytes) -> None:
    """A name in quotes: decided when it is secret."""
    data = work.data
    name = data[start:end]
    behind = end + len(quote)
    colon = COLON.match(data, behind)
    if colon is not None:
        if work.secret(name, "anywhere") and not (data[colon.end() : colon.end() + 1] in _CONTAINERS and name.lower() in _JARS):
            hide_value(work, colon.end(), quote, "key")
        return
    opening = start - len(quote)
    near = data[max(0, opening - _NEAR_BYTES) : opening]
    if near[-1:] == b"=" and _ATTRIBUTE.search(near):
        if work.secret(name, "form"):
            decide_field(work, opening, behind)
        return
    if not work.secret(name, "anywhere"):
        return
    key = _ITEM_KEY.search(near)
    if key is not None:
        at = value_beside(work, opening - len(near) + key.start(), behind)
        if at is not None:
            hide_value(work, at, quote, "header" if work.secret(name, "header") else "key")
    elif _PAIR.search(near):
        _decide_pair(work, behind, quote)


def _decide_pair(work: Work, behind: int, quote: bytes) -> None:
    comma = _COMMA_VALUE.match(work.data, behind)
    value = scalar_at(work.data, comma.end()) if comma else None
    if value is not None and _PAIR_END.match(work.data, value.behind):
        work.replace(value.start, value.end, value.text, "header")


def decide_list(work: Work, end: int, _number: int) -> None:
    """A list or an object of named values: ``"queryString": [``."""
    for match in _LIST_KEY.finditer(work.data, max(0, end - 240), end):
        name = match["name"].lower()
        place: Place = "form"
        if name.endswith((b"headers", b"trailers")):
            place = "header"
        elif name.startswith(b"query"):
            place = "query"
        item_names(work, match.end(), len(match["quote"]) - 1, place)


def decide_cookies(work: Work, end: int, _number: int) -> None:
    """``"cookies": [`` or ``{``: each of them is secret, or those of the list."""
    for match in _LIST_KEY.finditer(work.data, max(0, end - 200), end):
        if match["name"].lower() in _JARS:
            item_names(work, match.end(), len(match["quote"]) - 1, "cookie")


def decide_escaped(work: Work, end: int, _number: int) -> None:
    """A letter written as an escape: perhaps one of a name."""
    data = work.data
    if end <= work.seen.get("escaped", 0):
        return
    rest = _NAME_REST.match(data, end)
    if rest is None:
        return
    work.seen["escaped"] = rest.end()
    if rest["sign"] is None:
        decide_percent(work, end - 3)
        return
    if rest["sign"] == b"=":
        decide_equals(work, rest.end())
        return
    sign = rest["sign"]
    start = _quote_before_name(data, rest.start("sign"), sign)
    if start >= 0 and work.secret(unescaped(data[start : rest.start("sign")]), "anywhere"):
        quoted_name(work, start, rest.start("sign"), sign)


def _quote_before_name(data: bytes, end: int, quote: bytes) -> int:
    """Where a name in quotes begins that ends at ``end`` and may hold escapes; -1 when it is too long."""
    at = data.rfind(quote, max(0, end - 6 * LONGEST_NAME), end)
    return at + len(quote) if at >= 0 else -1
