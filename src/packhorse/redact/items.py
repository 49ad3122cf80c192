"""Lists of named values, as HAR has them: headers, cookies, parameters. ``[{"name": "Cookie", "value": "…"}, …]``."""

from __future__ import annotations

import re
from itertools import pairwise

from packhorse.redact.names import Place
from packhorse.redact.native import native
from packhorse.redact.quoting import LONGEST_NAME, string_end
from packhorse.redact.values import Sign, is_words, signs, text_of
from packhorse.redact.work import Edit, KnownList, Work, spliced

#: A list longer than this is read every time.
_LIST_BYTES = 16_384
_TEXT = rb"[^\"\\]*(?:\\.[^\"\\]*)*"
#: An item as most recordings write it. Reading it in one go takes a tenth of the time.
_ITEM = re.compile(
    rb"\s*\{\s*\"name\"\s*:\s*\"(" + _TEXT + rb")\"\s*,\s*\"value\"\s*:\s*\"(" + _TEXT + rb")\""
    rb"(?:\s*,\s*\"[^\"\\]*\"\s*:\s*(?:\"" + _TEXT + rb"\"|[^\"\[\]{},\s]+))*\s*\}\s*(,|\])",
    re.DOTALL,
)
#: Behind the name of an item, from its closing quote on: as our encoders write it, and as others do.
_COMPACT = b',"value":"'
_SPACED = re.compile(rb"\s?,\s?\"value\"\s?:\s?\"([^\"\\]*)\"")
_NAME_KEY = b'"name":'
_NAME_KEYS = (_NAME_KEY, b'"name": ')
_BACKSLASH = 92
#: Keys of lists of parameters, in lower case.
PARAMETER_LISTS: dict[bytes, Place] = {
    **dict.fromkeys((b"query", b"querystring", b"queryparams"), "query"),
    **dict.fromkeys((b"params", b"form", b"formdata", b"postdata"), "form"),
}


def header_item(work: Work, end: int) -> bool:
    """An item of a list of headers, whose name ends with a quote at ``end``: whether it is one.

    The commonest of all hits: read without a pattern where the text is as our encoders write it.
    """
    data = work.data
    start = data.rfind(b'"', end - LONGEST_NAME if end > LONGEST_NAME else 0, end - 1)
    if not data.startswith(_COMPACT, end):
        return _spaced_item(work, start, end)
    if start < len(_NAME_KEY) or not data.startswith(_NAME_KEY, start - len(_NAME_KEY)):
        return False
    if work.anywhere[data[start + 1 : end - 1]]:
        at = end + len(_COMPACT)
        stop = data.find(b'"', at)
        if stop < 0 or data[stop - 1] == _BACKSLASH:
            stop = string_end(data, at, 0)
        work.replace_string(at, stop, "header")
    return True


def _spaced_item(work: Work, start: int, end: int) -> bool:
    data = work.data
    value = _SPACED.match(data, end)
    if value is None or not data[max(0, start - 8) : start].endswith(_NAME_KEYS):
        return False
    if work.anywhere[data[start + 1 : end - 1]]:
        work.replace_string(*value.span(1), "header")
    return True


def parameter_item(work: Work, end: int) -> bool:
    """An item of a list of parameters, whose name a quote and a comma end at ``end``: whether it is one.

    At the first one its list is read: what its names mean is seen through escapes and odd spellings there.
    """
    data = work.data
    if not data.startswith(_COMPACT, end - 1):
        return False
    start = data.rfind(b'"', end - LONGEST_NAME if end > LONGEST_NAME else 0, end - 2)
    low = start - _LIST_BYTES if start > _LIST_BYTES else 0
    opening = data.rfind(b'":[{', low, start)
    if opening < 0 or not data.startswith(b'{"name":', start - 8) or data.find(b"}]", opening, start) >= 0:
        return False
    place = PARAMETER_LISTS.get(data[data.rfind(b'"', low, opening) + 1 : opening].lower())
    if place is None:
        return False
    if work.seen.get("list") != opening:
        work.seen["list"] = opening
        item_names(work, opening + 2, 0, place)
    return True


def plain_items(work: Work, at: int, place: Place) -> int:
    """The items at the beginning of a list that are as most recordings write them; where the others begin.

    Requests of a page carry the same cookies. What takes the place of a list is known when it comes again: then it is
    replaced whole.
    """
    data = work.data
    end = data.find(b"}]", at, at + _LIST_BYTES) + 2
    key = (place, data[at:end])
    known = work.marks.lists.get(key) if end > 1 and not work.view else None
    if known is not None:
        if not known:
            return end
        if known.text is None:
            known.text = _replaced(work, known, key[1])
        work.marks.counts[place] += len(known.edits)
        work.edits.append((at, end, None, "", known.text))
        work.done = end
        return end
    before, first = len(work.edits), at
    read, secret = _ITEM.match, work.tools.books[place]
    match = read(data, at)
    while match is not None:
        name, value, sign = match.groups()
        if value and secret[name] and (place == "cookie" or not is_weak(value) or work.anywhere[name]):
            work.replace_string(*match.span(2), place)
        at = match.end()
        match = read(data, at) if sign == b"," else None
    found = work.edits[before:]
    if found:
        # What else was found in there, as a token in a cookie's path, is decided when it is come to.
        work.spans, work.read_to = [(edit[0], edit[1]) for edit in found], at
    if at == end:
        work.marks.lists[key] = KnownList(data, first, found)
    return at


def _replaced(work: Work, known: KnownList, text: bytes) -> bytes:
    """A list without what was found in it when it came first, by its names or otherwise (a token in a path)."""
    start, stop = known.at, known.at + len(text)
    if native is not None:
        inside: list[Edit] = native.inside(work.edits, start, stop)
    else:
        inside = [edit for edit in work.edits if edit[0] < stop and edit[1] > start]
    if known.data is work.data and all(start <= edit[0] and edit[1] <= stop for edit in inside):
        if inside != known.edits:
            work.marks.counts.update([edit[3] for edit in inside if edit[2] is not None])
            work.marks.counts.subtract([edit[3] for edit in known.edits])
        moved = [(first - start, last - start, secret, rule, around) for first, last, secret, rule, around in inside]
        return spliced(text, sorted(moved), work.marks)
    edits = [(edit[0] - start, edit[1] - start, *edit[2:]) for edit in known.edits]
    return work.beside(spliced(text, edits, work.marks)).result()


def item_names(work: Work, at: int, slashes: int, place: Place) -> None:
    """Replace what is secret in a list of named values, of pairs, or in an object of them, by the names of this place.

    Only what stands in it directly is looked at: it ends at the first object within an item.
    """
    if slashes == 0 and work.data[at : at + 1] == b"[":
        rest = plain_items(work, at + 1, place)
        if rest == at + 1:
            other_items(work, at, 0, slashes, place)
        elif work.data[rest - 1 : rest] != b"]":
            other_items(work, rest, 1, slashes, place)
    else:
        other_items(work, at, 0, slashes, place)


def other_items(work: Work, at: int, depth: int, slashes: int, place: Place) -> None:
    """The same, part by part; with ``depth`` the rest of a list."""
    data = work.data
    items: list[Sign] = []
    deepest = 2 if data[at : at + 1] == b"[" or depth else 1
    for sign in signs(data, at, slashes, depth):
        if sign.kind in ("[", "{"):
            depth += 1
            if depth > deepest:
                return
            items = [] if depth == 2 else items
        elif sign.kind in ("]", "}"):
            depth -= 1
            _hide_item(work, items, slashes, place)
            items = []
        elif sign.kind == "cut":
            _hide_item(work, items, slashes, place)
        else:
            items.append(sign)


def is_short_code(raw: bytes) -> bool:
    """Up to three digits: a status or a page, and no secret under a name that is secret in some places only."""
    return len(raw) < 4 and raw.isdigit()


def is_weak(raw: bytes) -> bool:
    """Up to three digits, or words: no secret under a name that is secret in some places only."""
    return is_short_code(raw) or is_words(raw)


def _hide_item(work: Work, items: list[Sign], slashes: int, place: Place) -> None:
    data = work.data
    keys = {data[a.start : a.end].lower(): b for a, b in pairwise(items) if a.kind == "key"}
    name = keys.get(b"name", keys.get(b"key"))
    value = keys.get(b"value")
    if name is not None and value is not None and value.kind != "key":
        pairs = [(name, value)]
    elif keys:
        pairs = [(a, b) for a, b in pairwise(items) if a.kind == "key" and b.kind != "key"]
    else:
        pairs = list(zip(items[0::2], items[1::2], strict=False)) if place == "header" else []
        if place == "cookie":
            pairs = [(item, item) for item in items]
    for a, b in pairs:
        named = data[a.start : a.end]
        if work.secret(named, place) and not (
            is_weak(data[b.start : b.end]) and place != "cookie" and not work.secret(named, "anywhere")
        ):
            around = b"\\" * slashes + b'"' if b.kind == "word" else b""
            work.replace(b.start, b.end, text_of(data, b, slashes), place, around)
