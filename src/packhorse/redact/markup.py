"""Secrets in HTML, XML and multipart bodies: fields of forms, elements, parts."""

from __future__ import annotations

import re

from packhorse.redact.encodings import hide_base64
from packhorse.redact.quoting import charset, level_of, plain, run_start, slashes_before, string_end
from packhorse.redact.work import Work

_ELEMENT_CHARS = charset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:")
_ELEMENT_BYTES, _TAG_BYTES = 20_000, 16_384
#: Behind the name of a field: the attribute that holds its value.
_FIELD = re.compile(rb"[^<>]{0,4000}?\b(?:value|content)=(\\*)([\"'])", re.IGNORECASE)
_FIELD_BEFORE = re.compile(rb"\b(?:value|content)=(\\*)([\"'])", re.IGNORECASE)
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


def decide_field(work: Work, opening: int, behind: int) -> None:
    """A field of a form whose name stands in quotes between two places: the value in its tag."""
    data = work.data
    found = _FIELD.match(data, behind)
    if found is not None:
        _hide_attribute(work, found)
        return
    tag = data.rfind(b"<", max(0, opening - _TAG_BYTES), opening)
    if tag >= 0 and data.find(b">", tag, opening) < 0:
        found = _FIELD_BEFORE.search(data, tag, opening)
        if found is not None:
            _hide_attribute(work, found)


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
