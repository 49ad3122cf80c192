"""Secrets in HTML, XML and multipart bodies: fields of forms, elements, parts."""

from __future__ import annotations

import re

from packhorse.redact.encodings import hide_base64
from packhorse.redact.quoting import LONGEST_NAME, charset, level_of, plain, run_start, slashes_before, string_end
from packhorse.redact.values import is_words
from packhorse.redact.work import Work

_ELEMENT_CHARS = charset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:")
_ELEMENT_BYTES, _TAG_BYTES = 20_000, 16_384
#: Behind the name of a field: the attribute that holds its value.
_FIELD = re.compile(rb"[^<>]{0,4000}?\b(?:value|content)=(\\*)([\"'])", re.IGNORECASE)
_FIELD_BEFORE = re.compile(rb"\b(?:value|content)=(\\*)([\"'])", re.IGNORECASE)
#: A field whose name stands without quotes.
VALUE_ATTRIBUTE = b" value="
_BARE_VALUE = re.compile(rb"[^\s\"'<>`\\=]{1,400}")
#: Elements with a name whose text is no value of it.
_NO_FIELD = re.compile(
    rb"<(?:a|button|form|label|select|option|iframe|slot|map|meta|input|div|span|p|svg|g|symbol|details|fieldset|object)\b",
    re.IGNORECASE,
)
_CDATA, _TAG_CHARS = b"<![CDATA[", charset(bytes(set(range(33, 256)) - set(b"<")))
_OPEN = rb"(?:\s|\\+[nrt]){0,40}<[A-Za-z][^<>]{0,200}>"
#: The rest of a tag, and one within it; a closing tag, and one or two that open behind it.
_TAG_END = re.compile(rb"[^<>]{0,400}>(?:" + _OPEN + rb")?")
_NEXT_ELEMENT = re.compile(rb"<\\{0,3}/[\w:.-]{1,80}>(?:" + _OPEN + rb"){1,2}")
#: Text of one word with a digit or a sign in it, before a tag that closes.
_TEXT = re.compile(
    rb"(?:\s|\\+[nrt]){0,40}(?:<!\[CDATA\[)?(?P<text>(?=[^<>\s]{0,200}[0-9!@#$^*+])(?:[^<>\s\\]|\\+[/\"]){6,4000}?)"
    rb"(?:\]\]>)?(?:\s|\\+[nrt]){0,40}<\\{0,3}/"
)
#: How far before a name its tag may begin, where it is another attribute's than ``name``.
_NEAR_BYTES = 1000
#: How far before a closing tag the element may begin that holds another one.
_NESTED_BYTES = 4000
_INNER = re.compile(rb"<[^<>]{1,400}>(?:\s|\\+[nrt]){0,40}<[^<>]{1,200}>(?P<text>[^<>]{1,1000})<")
_NL = rb"(?:(?:\\+r)?\\+n|\r?\n)"
#: A line of a part's head, and the empty one behind the last.
_HEAD_LINE = re.compile(rb"(?:[^\\\r\n]|\\+(?![\\nr])){0,300}" + _NL)
_EMPTY_LINE = re.compile(_NL)
_MOST_LINES = 8
_PART_NAME = re.compile(rb";\s*name\*?=(?:(\\*)\"([^\"\\]*)|([^\s;\\\"]+))", re.IGNORECASE)
_PART_END = re.compile(_NL + rb"--")
_BASE64 = re.compile(rb"content-transfer-encoding:[ \t]*base64", re.IGNORECASE)
_HEAD_BEFORE_BYTES = 400


def decide_element(work: Work, end: int) -> None:
    """``</name>``, which ends at ``end``: the element's text."""
    data = work.data
    start = run_start(data, end - 1, _ELEMENT_CHARS)
    if data[start - 1 : start] != b"/":
        return
    slash = start - 1
    tag = slash - (2 if data[slash - 1 : slash] == b"\\" else 1)
    if data[tag : tag + 1] != b"<":
        return
    name = data[start : end - 1]
    if data[tag - 1 : tag] == b">":
        if work.secret(name.rpartition(b":")[2], "anywhere"):
            _hide_nested(work, tag, name)
        return
    opened = data.rfind(b">", max(0, tag - _ELEMENT_BYTES), tag)
    before = data.rfind(b"<", max(0, opened - _ELEMENT_BYTES), opened)
    if opened < 0 or before < 0 or b"<" in data[opened:tag]:
        return
    opening = data[before + 1 : before + 1 + len(name)]
    if opening.lower() != name.lower() or not work.secret(name.rpartition(b":")[2], "anywhere"):
        return
    raw = data[opened + 1 : tag]
    if raw.strip():
        work.replace(opened + 1, tag, plain(raw, 0), "key")


def _hide_nested(work: Work, tag: int, name: bytes) -> None:
    """An element whose text stands in a CDATA section, or in one element within it."""
    data = work.data
    if data.startswith(b"]]>", tag - 3):
        start = data.rfind(_CDATA, max(0, tag - _NESTED_BYTES), tag)
        opening = run_start(data, start, _TAG_CHARS, LONGEST_NAME) if start > 0 else 0
        if start > 0 and data[opening : opening + len(name)].lower() == name.lower() and data[start - 1] == 62:
            raw = data[start + len(_CDATA) : tag - 3]
            work.replace(start + len(_CDATA), tag - 3, plain(raw, 0), "key")
        return
    start = data.rfind(b"<" + name, max(0, tag - _NESTED_BYTES), tag)
    inner = _INNER.match(data, start, tag) if start >= 0 else None
    if inner is not None and inner["text"].strip():
        work.replace(inner.start("text"), inner.end("text"), plain(inner["text"], 0), "key")


def decide_field(work: Work, opening: int, behind: int, kind: bytes = b"name") -> None:
    """A field of a form whose name stands in quotes between two places: the value in its tag, or in its element.

    Args:
        work: The text.
        opening: Where the name's quote begins.
        behind: Behind the name's closing quote.
        kind: The attribute whose value the name is.
    """
    data = work.data
    in_tag = kind.lower() == b"name" or _tag_before(data, opening, _NEAR_BYTES) >= 0
    found = _FIELD.match(data, behind) if in_tag else None
    if found is not None:
        _hide_attribute(work, found)
    if found is not None or not in_tag:
        return  # or it is the selector of a style sheet
    tag = _tag_before(data, opening, _TAG_BYTES)
    if tag < 0:
        return
    found = _FIELD_BEFORE.search(data, tag, opening)
    if found is not None:
        _hide_attribute(work, found)
    elif kind.lower() in (b"name", b"key") and not _NO_FIELD.match(data, tag):
        _hide_text(work, _TAG_END.match(data, behind))


def _tag_before(data: bytes, at: int, most: int) -> int:
    """Where the tag around a place begins, at most so many bytes before it; -1 when there is none."""
    tag = data.rfind(b"<", max(0, at - most), at)
    return -1 if tag < 0 or data.find(b">", tag, at) >= 0 else tag


def decide_bare_field(work: Work, end: int) -> None:
    """A field whose name stands without quotes before a ``value=`` that ends at ``end``."""
    data = work.data
    at = end - len(VALUE_ATTRIBUTE)
    start = run_start(data, at, _ELEMENT_CHARS)
    attribute = data[max(0, start - 5) : start].lower()
    if attribute not in (b"name=", b"type=") or not work.secret(data[start:at], "form"):
        return
    bare = _BARE_VALUE.match(data, end)
    if bare is not None:
        work.replace(bare.start(), bare.end(), bare[0].decode("utf-8", "surrogateescape"), "form")
    elif (found := _FIELD.match(data, at)) is not None:
        _hide_attribute(work, found)


def decide_label(work: Work, end: int) -> None:
    """A name that is all of an element, whose closing tag begins before ``end``: the text of the element behind it.

    ``<key>Password</key><string>…</string>``, ``<name>password</name><value><string>…``.
    """
    data = work.data
    at = data.rfind(b"<", max(0, end - 8), end)
    start = run_start(data, at, _ELEMENT_CHARS)
    if data[start - 1 : start] == b">" and work.secret(data[start:at], "anywhere"):
        _hide_text(work, _NEXT_ELEMENT.match(data, at))


def _hide_text(work: Work, before: re.Match[bytes] | None) -> None:
    """Replace the text behind some tags, when it is one word that may be a secret."""
    text = _TEXT.match(work.data, before.end()) if before is not None else None
    if text is not None and not is_words(text["text"]):
        raw = text["text"]
        work.replace(text.start("text"), text.end("text"), plain(raw, 0), "key")


def _hide_attribute(work: Work, found: re.Match[bytes]) -> None:
    data, start = work.data, found.end()
    if not work.opens(found[1] + found[2]):
        return
    if found[2] == b'"':
        level = level_of(len(found[1]))
        end = string_end(data, start, level)
    else:
        level = 0
        end = min(place for place in (data.find(b"'", start), string_end(data, start, 0)) if place >= 0)
    work.replace(start, end, plain(data[start:end], level), "form")


def decide_part(work: Work, end: int, _number: int) -> None:
    """The head of a part of a multipart body, in which ``end`` lies."""
    data = work.data
    start = _head_end(data, end)
    if start < 0:
        return
    named = _PART_NAME.search(data, end, start)
    name = (named[2] if named[2] is not None else named[3]) if named else b""
    level = _level_of_break(data, start)
    stop = string_end(data, start, level)
    last = _PART_END.search(data, start, stop)
    stop = last.start() if last else stop
    if work.secret(name, "form"):
        raw = data[start:stop]
        if raw.strip():
            work.replace(start, stop, plain(raw, level), "form")
    elif _BASE64.search(data, max(0, end - _HEAD_BEFORE_BYTES), start):
        hide_base64(work, start, stop)


def _head_end(data: bytes, at: int) -> int:
    """Behind the empty line that ends the head in which ``at`` lies; -1 when there is none."""
    for _ in range(_MOST_LINES):
        line = _HEAD_LINE.match(data, at)
        if line is None:
            return -1
        at = line.end()
        empty = _EMPTY_LINE.match(data, at)
        if empty is not None:
            return empty.end()
    return -1


def _level_of_break(data: bytes, end: int) -> int:
    r"""The level of the string that holds the line break ending at ``end``: ``\n`` has 1, 2, 4 … backslashes."""
    return max(slashes_before(data, end - 1).bit_length() - 1, 0)
