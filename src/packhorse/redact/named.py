r"""A secret name was found: what the sign behind it makes of it, and where its value is.

``"name": …`` · ``{"name": "name", "value": …}`` · ``["name", "value"]`` · ``name="…"`` of a form's field · ``name=…``
of a URL, a form or a cookie · ``name: …`` of a header or a script · ``<name>…</name>`` · the same behind percent signs,
in entities, or with letters written as escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from packhorse.redact.items import PARAMETER_LISTS, header_item, item_names, parameter_item
from packhorse.redact.markup import VALUE_ATTRIBUTE, decide_bare_field, decide_element, decide_field, decide_label
from packhorse.redact.params import (
    decide_colon,
    decide_encoded_equals,
    decide_equals,
    decide_fallback,
    hide_quoted_at,
)
from packhorse.redact.quoting import (
    BARE_CHARS,
    COLON,
    COMMA,
    LONGEST_NAME,
    SPACE,
    run_start,
    slashes_before,
)
from packhorse.redact.values import hide_value, is_words, scalar_at, value_beside
from packhorse.redact.views import decide_entity, decide_escaped_sign, decide_percent
from packhorse.redact.work import Work

_QUOTE = re.compile(rb"(\\*)([\"'`])")
#: Keys under which an object names what its value is (HAR, Postman, OTLP, Terraform, forms of many APIs).
_ITEM_KEY = re.compile(
    rb"\\*\"(?:name|key|k|n|field|header|id|property|label|param|parameter|attribute|variable|title)\\*\""
    + SPACE + rb":" + SPACE + rb"\Z",
    re.IGNORECASE,
)  # fmt: skip
_PAIR = re.compile(rb"\[" + SPACE + rb"\Z")
_COMMA_VALUE = re.compile(SPACE + rb"," + SPACE + rb"(?:\[" + SPACE + rb")?(?=\\*[\"'])")
_PAIR_END = re.compile(SPACE + rb"\]")
_ARGUMENT = re.compile(rb"\(\s{0,3}\Z")
#: Behind a name in quotes: the rest of an index and an assignment, as ``['token'] =`` and ``"token" =>``.
_ASSIGNMENT = re.compile(rb"\]?[ ]?=(?:>|(?!=))(?:[ ]|\\+n){0,8}(?:string\([0-9]{1,6}\) )?")
_ASSIGNED_BY = (b"]", b" ", b"=")
_ATTRIBUTE = re.compile(rb"\b(?P<kind>name|key|id|type|property|field|autocomplete|itemprop)=\Z", re.IGNORECASE)
_NEAR_BYTES = 80
_BACKSLASH = 92
_OPENING = re.compile(rb":\s*[\[{]")
_CONTAINERS = (b"[", b"{")
_JARS = frozenset({b"cookies", b"requestcookies", b"responsecookies"})
_COMPACT_JAR = b'"cookies":[{'
_JAR_SIGN = re.compile(rb"(\\*\")\s{0,8}:\s{0,8}")
_KEY_BEFORE = re.compile(
    rb"(?<!\\)\"\s{0,8}:\s{0,8}\Z|(?:query(?:string|params)?|params|form(?:data)?|postdata)\\+\"\s{0,8}:\s{0,8}\Z",
    re.IGNORECASE,
)
#: How far before an item its list may begin.
_LIST_BYTES, _MOST_BRACKETS = 16_384, 8
#: The rest of a name in which letters may be written as escapes, and the sign behind it.
_NAME_REST = re.compile(
    rb"(?:[\w.~\[\]-]|\\+u00(?:2[de]|[3-7][0-9a-f])|%(?:25)*(?:2[de]|3[0-9]|[4-7][0-9a-f]))*"
    rb"(?:(?P<quote>\\*[\"'])|(?P<equals>=)|(?P<encoded>%(?:25)*3d)|(?P<other>%(?:25)*(?:22|27|3a)))?",
    re.IGNORECASE,
)


def decide_name(work: Work, end: int, _number: int) -> None:
    """What a pattern for names found: a name, and a sign that ends before ``end``."""
    sign = work.data[end - 1]
    if sign == 34 and header_item(work, end):
        return
    if sign == 34 or sign == 39 or sign == 96:  # noqa: PLR1714  # a quote of three kinds; the commonest sign by far
        _decide_quoted(work, end - 1)
    elif sign == 61:
        _decide_equals_or_field(work, end)
    elif (decide := _BY_SIGN.get(sign)) is not None:
        decide(work, end)
    else:
        _decide_within(work, end)


def _decide_equals_or_field(work: Work, end: int) -> None:
    if work.data.startswith(VALUE_ATTRIBUTE, end - len(VALUE_ATTRIBUTE)):
        decide_bare_field(work, end)
    else:
        decide_equals(work, end)


def _decide_backslash(work: Work, end: int) -> None:
    if _QUOTE.match(work.data, end - 1) is not None:
        _decide_quoted(work, end - 1)
    else:
        decide_escaped_sign(work, end - 1)


def _decide_d(work: Work, end: int) -> None:
    """``%3d``, or the end of another escape."""
    if work.data.startswith(b"%3", end - 3):
        decide_encoded_equals(work, end - 3, end)
    else:
        _decide_within(work, end)


#: Who decides, by the last byte of the sign behind a name, for the signs that are rare.
_BY_SIGN: dict[int, Callable[[Work, int], None]] = {
    **dict.fromkeys(b":", decide_colon),
    **dict.fromkeys(b">", decide_element),
    **dict.fromkeys(b"/", decide_label),
    **dict.fromkeys(b"|?", decide_fallback),
    **dict.fromkeys(b"dD", _decide_d),
    **dict.fromkeys(b"\\", _decide_backslash),
}
_ESCAPE_SIGNS = (b"%", b"&", b"\\")


def _decide_within(work: Work, end: int) -> None:
    r"""A sign behind a name that is written as an escape (%3D, &quot;, \u003d), within which the pattern ends."""
    at = max(work.data.rfind(sign, max(0, end - 24), end) for sign in _ESCAPE_SIGNS)
    if work.data[at] == 37:
        _decide_rest(work, at)
    elif work.data[at] == 38:
        decide_entity(work, at)
    else:
        decide_escaped_sign(work, at - slashes_before(work.data, at))


def _decide_quoted(work: Work, at: int) -> None:
    """A name in quotes, the closing one of which begins at ``at``."""
    data = work.data
    quote = data[at : at + 1]
    if quote == b"\\":
        closing = _QUOTE.match(data, at)
        if closing is None:
            return
        quote = closing[0]
    opening = data.rfind(quote, max(0, at - LONGEST_NAME), at)
    if opening >= 0 and (opening == 0 or data[opening - 1] != _BACKSLASH):
        quoted_name(work, opening + len(quote), at, quote)


def quoted_name(work: Work, start: int, end: int, quote: bytes) -> None:
    """A name in quotes: decided when it is secret."""
    data = work.data
    name = data[start:end]
    behind = end + len(quote)
    follows = data[behind : behind + 1]
    if follows != b"," and (colon := COLON.match(data, behind)) is not None:
        at = colon.end()
        if work.secret(name, "anywhere") and not (data[at : at + 1] in _CONTAINERS and name.lower() in _JARS):
            hide_value(work, at, quote, "key", name)
        return
    opening = start - len(quote)
    near = data[max(0, opening - _NEAR_BYTES) : opening]
    if near[-1:] == b"=":
        attribute = _ATTRIBUTE.search(near)
        if attribute is not None and work.secret(name, "form" if attribute["kind"].lower() == b"name" else "anywhere"):
            decide_field(work, opening, behind, attribute["kind"])
        return
    if not work.secret(name, "anywhere"):
        return
    key = _ITEM_KEY.search(near)
    if key is not None:
        value = value_beside(work, opening - len(near) + key.start(), behind)
        if value is not None:
            hide_value(work, value, quote, "header", name)
    else:
        _decide_argument(work, near, behind, quote)


def _decide_argument(work: Work, near: bytes, behind: int, quote: bytes) -> None:
    """A secret name in quotes that is an index, the first of a pair, or the first argument of a call."""
    data = work.data
    if data[behind : behind + 1] in _ASSIGNED_BY and (assigned := _ASSIGNMENT.match(data, behind)) is not None:
        hide_quoted_at(work, assigned.end())
    elif _PAIR.search(near):
        _decide_pair(work, behind, quote)
    elif _ARGUMENT.search(near) and (comma := COMMA.match(data, behind)) is not None:
        hide_quoted_at(work, comma.end())


def _decide_pair(work: Work, behind: int, quote: bytes) -> None:
    comma = _COMMA_VALUE.match(work.data, behind)
    value = scalar_at(work.data, comma.end()) if comma else None
    if value is None or not _PAIR_END.match(work.data, value.behind):
        return
    # In a list of words, as ["password", "client_credentials"], the second is no secret of the first.
    if not is_words(work.data[value.start : value.end]):
        work.replace(value.start, value.end, value.text, "header")


def decide_item(work: Work, end: int, _number: int) -> None:
    """A name that is secret in lists of parameters only: ``{"name": "code", "value": …}`` in a ``queryString``."""
    if parameter_item(work, end):
        return
    data = work.data
    low = max(0, end - _LIST_BYTES)
    closing = data.rfind(b'"', max(0, end - 16), end)
    name = data.rfind(b'"', max(0, closing - LONGEST_NAME), closing)
    if name < 0 or not work.secret(data[name + 1 : closing].rstrip(b"\\"), "param"):
        return
    if _ITEM_KEY.search(data[max(0, name - _NEAR_BYTES) : name + 1].rstrip(b'"\\')) is None:
        return
    at = name
    for _ in range(_MOST_BRACKETS):
        at = data.rfind(b"[", low, at)
        key = _KEY_BEFORE.search(data, max(0, at - 32), at) if at >= 0 else None
        if key is not None:
            if work.seen.get("list") != at:
                work.seen["list"] = at
                _decide_list_at(work, at, parameters=True)
            return


def decide_list(work: Work, end: int, _number: int) -> None:
    """A list or an object of named values: ``"queryString": {``."""
    data = work.data
    colon = data.rfind(b":", max(0, end - 200), end)
    opening = _OPENING.match(data, colon)
    if opening is not None:
        _decide_list_at(work, opening.end() - 1)


def _decide_list_at(work: Work, at: int, *, parameters: bool = False) -> None:
    """A list or an object that begins at ``at``, behind its key; with ``parameters`` no other one."""
    data = work.data
    colon = data.rfind(b":", max(0, at - 16), at)
    behind = colon - (len(data[max(0, colon - 16) : colon]) - len(data[max(0, colon - 16) : colon].rstrip()))
    closing = behind - 1 - slashes_before(data, behind - 1)
    name = data[run_start(data, closing, BARE_CHARS) : closing].lower()
    if not parameters and name.endswith((b"headers", b"trailers")):
        item_names(work, at, behind - closing - 1, "header")
    elif name in PARAMETER_LISTS:
        item_names(work, at, behind - closing - 1, PARAMETER_LISTS[name])


def decide_cookies(work: Work, end: int, _number: int) -> None:
    """``"cookies": [`` or ``{``: each of them is secret, or those of the list; or a text of cookies."""
    data = work.data
    if data.startswith(_COMPACT_JAR, end - len(_COMPACT_JAR)):
        item_names(work, end - 2, 0, "cookie")
        return
    behind = data.rfind(b"s", max(0, end - 100), end) + 1
    sign = _JAR_SIGN.match(data, behind)
    if sign is None:
        return
    quote, at = sign[1], sign.end()
    start = run_start(data, behind, BARE_CHARS)
    if data[start - len(quote) : start] != quote:
        return
    name = data[start:behind].lower()
    if name in _JARS and data[at : at + 1] in _CONTAINERS:
        item_names(work, at, len(quote) - 1, "cookie")
    elif work.secret(name, "anywhere"):
        hide_value(work, at, quote, "key")


def decide_escaped(work: Work, end: int, _number: int) -> None:
    """A letter written as an escape: perhaps one of a name."""
    if end > work.seen.get("escaped", 0):
        _decide_rest(work, end)


def _decide_rest(work: Work, at: int) -> None:
    """The rest of a name, from an escape in it on."""
    data = work.data
    rest = _NAME_REST.match(data, at)
    if rest is None:
        return
    work.seen["escaped"] = rest.end()
    if rest["equals"] is not None:
        decide_equals(work, rest.end())
    elif rest["encoded"] is not None:
        decide_encoded_equals(work, rest.start("encoded"), rest.end())
    elif rest["other"] is not None:
        decide_percent(work, rest.start("other"))
    elif rest["quote"] is not None:
        end, quote = rest.start("quote"), rest["quote"]
        start = data.rfind(quote, max(0, end - 6 * LONGEST_NAME), end)
        if start >= 0 and work.secret(data[start + len(quote) : end], "anywhere"):
            quoted_name(work, start + len(quote), end, quote)
