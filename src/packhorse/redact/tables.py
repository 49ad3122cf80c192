"""Secrets in tables within bodies: CSV and the like, the first line of which names the columns."""

from __future__ import annotations

import re
from functools import cache

from packhorse.redact.encodings import text_after
from packhorse.redact.quoting import OPENED, SPACE, level_of, string_end
from packhorse.redact.values import is_ordinary, is_placeholder
from packhorse.redact.work import Work

_LABEL = re.compile(rb"mimeType\"\s{0,8}:\s{0,8}(?=\"text\\?/[a-z-]+\Z)")
_PARAMS = re.compile(SPACE + rb",\s{0,8}\"params\"\s{0,8}:\s{0,8}\[\s{0,8}\]")
_BREAK = re.compile(rb"\\+r\\+n|\\+[nr]|\r?\n")
#: Tabs are written as an escape.
_SEPARATORS = (b",", b";", b"\\t", b"\t", b"|")
_COLUMN = re.compile(rb"[ ]?[A-Za-z][\w .()-]{0,63}")
_HEAD_BYTES, _MOST_COLUMNS, _CELL_BYTES = 2000, 200, 4000


def decide_table(work: Work, end: int, _number: int) -> None:
    """A body whose media type, which ends near ``end``, may be a table's."""
    data = work.data
    low = data.rfind(b'mimeType"', max(0, end - 64), end)
    label = _LABEL.match(data, low, end) if low >= 0 else None
    at = text_after(data, label.end(), (b"text",)) if label else None
    opened = OPENED.match(data, at) if at is not None else None
    if opened is None:
        return
    start = opened.end()
    line = _BREAK.search(data, start, start + _HEAD_BYTES)
    if line is None:
        return
    head = data[start : line.start()]
    separator = max(_SEPARATORS, key=head.count)
    columns = [_bare(cell) for cell in head.split(separator, _MOST_COLUMNS)]
    if len(columns) < 2 or not all(map(_COLUMN.fullmatch, columns)):
        return
    secret = {number: name for number, name in enumerate(columns) if work.secret(name.strip(), "anywhere")}
    if secret:
        _hide_columns(work, line.end(), string_end(data, start, level_of(len(opened[1]))), separator, secret)


def _bare(cell: bytes) -> bytes:
    return cell.strip(b' \\"')


@cache
def _cell(separator: bytes) -> re.Pattern[bytes]:
    """A cell in quotes or without, and what ends it."""
    sign = re.escape(separator)
    ends = rb"(?P<end>" + sign + rb"|\\+r\\+n|\\+[nr]|\r?\n|\Z)"
    quoted = rb"\\*\"(?P<quoted>.{0,%d}?)\\*\"" % _CELL_BYTES
    return re.compile(
        rb"(?:" + quoted + rb"|(?P<plain>(?:(?!" + sign + rb"|\\+[nr])[^\r\n]){0,%d}))" % _CELL_BYTES + ends
    )


def _hide_columns(work: Work, at: int, stop: int, separator: bytes, secret: dict[int, bytes]) -> None:
    """Replace the cells of some columns, line by line."""
    cell, number, done = _cell(separator), 0, work.done
    while at < stop:
        match = cell.match(work.data, at, stop)
        if match is None:
            break
        group = "plain" if match["quoted"] is None else "quoted"
        if number in secret and match[group]:
            _hide_cell(work, *match.span(group), secret[number])
        number = number + 1 if match["end"] == separator else 0
        if match.end() == at:
            break
        at = match.end()
    # The cells between these have yet to be decided.
    work.done = done


def _hide_cell(work: Work, start: int, end: int, name: bytes) -> None:
    raw = work.data[start:end]
    text = raw.decode("utf-8", "surrogateescape")
    if not (b" " in raw.strip() or is_placeholder(raw) or is_ordinary(name, text, number=False)):
        work.replace(start, end, text, "table")
