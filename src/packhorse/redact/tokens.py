"""Secrets known by their shape, wherever they stand: provider tokens, JWTs, keys, cards, passwords in URLs."""

from __future__ import annotations

import re

from packhorse.redact.cards import card_at
from packhorse.redact.patterns import LONGEST_MATCH
from packhorse.redact.quoting import LONGEST_NAME, charset, level_of, run_start, slashes_before, string_end
from packhorse.redact.values import is_placeholder
from packhorse.redact.work import Work

#: How far before the end of what a scan finds of a token it may begin.
_BEFORE_BYTES = 128
_TOKEN_CHARS = charset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
#: What may stand before a needle in the middle of a token.
_LEAD_CHARS = charset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+/-")
_KEY_END = re.compile(rb"-----END[A-Z0-9 +%]{1,60}KEY(?:(?: |\+|%20)BLOCK)?-----")
_USERINFO = re.compile(rb"(:(?:\\*/){2})([^/\\\s\"'<>@?#:]{0,256}:[^/\\\s\"'<>@?#]{1,256})@")
_USERINFO_BYTES = 520
#: A number of JSON: what stands before and behind it, with the quote that tells at which level.
_NUMBER_BEFORE = re.compile(rb"(?:\s|\\+[nrt]|[\d.,:\[\-])*[:\[,](?:\s|\\+[nrt])*")
_NUMBER_BEHIND = re.compile(rb"(?:\s|\\+[nrt]){0,200}[,\]}]")
_QUOTE_BYTES = 4096
_GOES_ON = (b".", b"e", b"E")


def decide_token(work: Work, end: int, number: int) -> None:
    """What a pattern for tokens found."""
    rule = work.tools.tokens[number]
    if rule.name == "jwt":
        _decide_jwt(work, end, rule.pattern)
    elif rule.name == "private-key":
        _decide_private_key(work, end, rule.pattern)
    else:
        low = max(work.done, end - _BEFORE_BYTES)
        for needle in rule.needles:
            start = work.data.rfind(needle.encode(), low, end)
            match = rule.pattern.match(work.data, start) if start >= 0 else None
            if match is not None:
                first, last = match.span(match.lastgroup or 0)
                first = run_start(work.data, first, _LEAD_CHARS, LONGEST_NAME) if rule.leads else first
                if not is_placeholder(work.data[first:last]):
                    _replace(work, first, last, rule.name)
                return


def _replace(work: Work, start: int, end: int, rule: str) -> None:
    work.replace(start, end, work.data[start:end].decode("utf-8", "replace"), rule)


def _decide_jwt(work: Work, end: int, pattern: re.Pattern[bytes]) -> None:
    data = work.data
    dot = data.rfind(b".", max(0, end - 8), end)
    start = data.find(b"eyJ", max(work.done, run_start(data, dot, _TOKEN_CHARS, LONGEST_MATCH)), dot)
    match = pattern.match(data, start) if start >= 0 else None
    if match is not None:
        _replace(work, start, match.end(), "jwt")


def _decide_private_key(work: Work, end: int, pattern: re.Pattern[bytes]) -> None:
    data = work.data
    match = pattern.search(data, max(work.done, end - _BEFORE_BYTES), end + _BEFORE_BYTES)
    if match is None:
        return
    # One that is cut short goes to the end of its string. A line end tells the level of that.
    breaks = re.compile(rb"(\\*)[nr]").match(data, data.find(b"-----", match.end()) + 5)
    level = 0 if breaks is None else max(len(breaks[1]) - 1, 0).bit_length()
    stop = string_end(data, match.end(), level)
    found = _KEY_END.search(data, match.end(), stop)
    _replace(work, match.start(), found.end() if found else stop, "private-key")


def decide_userinfo(work: Work, end: int, _number: int) -> None:
    """``user:password`` before an ``@``."""
    data = work.data
    at = data.rfind(b"@", 0, end)
    slash = data.rfind(b"/", max(work.done, at - _USERINFO_BYTES), at)
    if slash < 0 or data.find(b":", slash, at) < 0:
        return
    match = _USERINFO.search(data, max(work.done, slash - 64), at + 1)
    if match is not None:
        # Brackets in front of an @ are read as an IPv6 address by URL parsers, so this marker has none.
        secret = match[2].decode("utf-8", "surrogateescape")
        if not secret.startswith("redacted-"):
            mark = work.marks.mark(secret, "userinfo").strip(b"[]").replace(b":", b"-")
            work.write(match.start(2), match.end(2), mark)


def decide_card(work: Work, end: int, _number: int) -> None:
    """Digits that may be a payment card's."""
    data = work.data
    card = card_at(data, end)
    if card is not None and card.start >= work.done:
        quotes = _quotes(work, card.start, card.end)
        # A number that goes on before or behind the digits is an amount or a measure.
        if not (quotes and (data[card.start - 1 : card.start] == b"-" or data[card.end : card.end + 1] in _GOES_ON)):
            work.replace(card.start, card.end, card.digits, "card", quotes)


def _quotes(work: Work, start: int, end: int) -> bytes:
    """The quotes that a marker needs in place of digits that are a number of JSON, at the level of that; else none."""
    data = work.data
    if work.depth == 0 and data.find(b'"', 0, start) < 0:
        return b'"'  # JSON text that has had no string yet: a number of its own, or in a list
    if _NUMBER_BEHIND.match(data, end) is None:
        return b""
    quote = data.rfind(b'"', max(0, start - _QUOTE_BYTES), start)
    slashes = slashes_before(data, quote) if quote >= 0 else 0
    level = level_of(slashes)
    if level == 0 and _outside(work, start):
        return b'"'
    between = data[max(0, quote + 1) : start]
    if _NUMBER_BEFORE.fullmatch(between) is None or (level == 0 and between[:1] != b"["):
        return b""
    # In a string that begins like a list of numbers, the quotes are of the next level.
    return b"\\" * (2 * slashes + 1 if between[:1] == b"[" else slashes) + b'"'


def _outside(work: Work, at: int) -> bool:
    """Whether a place is outside every string of the text's own level. Goes on where it was asked before."""
    if at <= work.seen.get("inside", -1):
        return False
    start = work.seen.get("outside", 0)
    while (quote := work.data.find(b'"', start, at)) >= 0:
        start = string_end(work.data, quote + 1, 0) + 1
        if start > at:
            work.seen["inside"] = start - 1
            work.seen["outside"] = start
            return False
    work.seen["outside"] = at
    return True
