r"""Text behind escapes, seen as what it means: ``token%3Dabc``, ``&quot;token&quot;:``, ``\u0022token\u0022``.

A view is a part of a text with one layer of escapes undone. It is decided like any text, and what is found is
replaced where it stands in the part itself, so that everything else keeps its bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from html import unescape

from packhorse.redact.quoting import charset, run_start
from packhorse.redact.work import Work

_URL_CHARS = charset(bytes(set(range(33, 256)) - set(b"\"'`<>\\")))
_URL_RUN = re.compile(rb"[^\s\"'`<>\\]*")
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,4}|#[xX][0-9a-fA-F]{1,4}|quot|apos|lt|gt|amp|equals|colon);")
_UNICODE = re.compile(rb"\\+u00([2-7][0-9a-fA-F])|\\+x([2-7][0-9a-fA-F])")
_SIGN = re.compile(rb"\\+(?:u00|x)(?:22|27|3[adeADE])")
#: How far back from a hit a view begins, and how far it reaches at most.
_BEFORE_BYTES, _AFTER_BYTES = 8192, 1 << 20


def decide_percent(work: Work, at: int) -> None:
    """A name before a percent-encoded sign that begins at ``at``."""
    if at < work.seen.get("percent", 0):
        return
    data = work.data
    start = run_start(data, at, _URL_CHARS, _BEFORE_BYTES)
    run = _URL_RUN.match(data, at, at + _AFTER_BYTES)
    end = run.end() if run else at
    work.seen["percent"] = end
    _decide(work, start, end, _PERCENT, b"%22")


def decide_entity(work: Work, at: int) -> None:
    """A name before an entity that begins at ``at``: the text of an attribute or an element."""
    if at < work.seen.get("entity", 0):
        return
    data = work.data
    if _ENTITY.match(data, at) is None:
        return
    low = max(0, at - _BEFORE_BYTES)
    start = max(low, *(data.rfind(sign, low, at) + 1 for sign in (b'"', b"<", b">")))
    ends = [place for sign in (b'"', b"<", b">") if (place := data.find(sign, at, at + _AFTER_BYTES)) >= 0]
    end = min(ends, default=min(len(data), at + _AFTER_BYTES))
    end -= len(data[start:end]) - len(data[start:end].rstrip(b"\\"))
    work.seen["entity"] = end
    _decide(work, start, end, _ENTITY, b"&quot;")


def decide_escaped_sign(work: Work, at: int) -> None:
    r"""A name before a backslash at ``at``, which may begin ``\u0022`` or ``\x22``."""
    if at < work.seen.get("unicode", 0) or _SIGN.match(work.data, at) is None:
        return
    data = work.data
    low = max(0, at - _BEFORE_BYTES)
    start = max(low, data.rfind(b'"', low, at) + 1)
    stop = data.find(b'"', at, at + _AFTER_BYTES)
    end = stop if stop >= 0 else min(len(data), at + _AFTER_BYTES)
    end -= len(data[start:end]) - len(data[start:end].rstrip(b"\\"))
    work.seen["unicode"] = end
    slashes = len(data[at : at + 64]) - len(data[at : at + 64].lstrip(b"\\"))
    _decide(work, start, end, _UNICODE, b"\\" * slashes + b"u0022")


def _decide(work: Work, start: int, end: int, escapes: re.Pattern[bytes], quote: bytes) -> None:
    pieces: list[bytes] = []
    #: Behind each escape: where it ends in the view and in the text.
    seen, real = [0], [start]
    at, size = start, 0
    for match in escapes.finditer(work.data, start, end):
        pieces += (work.data[at : match.start()], _meaning(match))
        size += match.start() - at + len(pieces[-1])
        at = match.end()
        seen.append(size)
        real.append(at)
    if len(seen) == 1:
        return
    pieces.append(work.data[at:end])
    done = work.done
    for edit in work.inner(b"".join(pieces), view=True).edits:
        first, last = (
            real[index] + place - seen[index] for place in edit[:2] for index in (bisect_right(seen, place) - 1,)
        )
        work.put((first, last, *edit[2:4], edit[4].replace(b'"', quote)))
    # What was found in here may stand before something that has yet to be decided in the text itself.
    work.done = done


def _meaning(match: re.Match[bytes]) -> bytes:
    if match.re is _ENTITY:
        return unescape(match[0].decode()).encode()
    digits = match[1] or (match[2] if match.re is _UNICODE else b"")
    return bytes((int(digits, 16),))
