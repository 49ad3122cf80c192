r"""What a scan looks for, in bytes of JSON text or of any text within it.

A scan tells where something *may* be secret; a decider looks at the place and decides. So a pattern here is as wide as
it has to be and no wider: what is found for nothing costs a microsecond. Patterns use what ``re`` and Hyperscan read
alike: ASCII classes, no look-around, no back-references. None reaches further than :data:`LONGEST_MATCH` bytes, JWTs
apart, which are told by their first dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, auto

from packhorse.redact.rules import Rules

#: Bytes of a match that a scan of a text in pieces must not cut through.
LONGEST_MATCH = 8192


class Kind(IntEnum):
    """Who decides what a pattern found."""

    NAME = auto()  # a secret name, and behind it the sign that makes it a name
    NAMED_LIST = auto()  # "queryString": [ and the like, whose items have names of their own kind
    COOKIES = auto()  # "cookies": [
    PART = auto()  # the head of a part of a multipart body
    ENCODED = auto()  # an object says that a text in it is base64
    USERINFO = auto()  # user:password@host
    CARD = auto()
    ESCAPED = auto()  # a letter or digit written as an escape, which may hide a name
    TOKEN = auto()  # a secret known by its shape


@dataclass(frozen=True, slots=True)
class Pattern:
    """One thing that a scan looks for.

    Attributes:
        kind: Who decides.
        pattern: Over bytes; a match is told by its end.
        needles: Every match contains one of these (in lower case when ``caseless``).
        caseless: ASCII letters match both cases.
        before, after: A match is no more than so many bytes before and behind where its needle begins.
    """

    kind: Kind
    pattern: bytes
    needles: tuple[bytes, ...]
    caseless: bool = True
    before: int = 0
    after: int = 64


_SEPARATOR = rb"[-_. \[\]]{0,2}"
#: What may follow the words of a name within it: ``password_confirmation``, ``user[password]``.
_TAIL = rb"[a-z0-9_\-.\]]{0,24}"
#: What makes it a name: a quote, an assignment, a colon, a tag's end; each perhaps written as an escape.
_SIGN = rb"(?:[\"'`=:>]| =|\\|%(?:25)*(?:3d|22|27|3a|5b|5d)|&(?:quot|apos|lt|gt|equals|#))"
#: A parameter is followed by an equals sign only.
_PARAM_SIGN = rb"(?:=|\\u003d|%(?:25)*(?:3d|5b|5d)|&(?:equals|#))"
#: What stands before a name that must be whole. Hex digits are the ends of %3F, %26, %253F; n, r, t those of line ends.
_START = rb"(?:^|[^a-z0-9]|3f|26|23|3b|\\[nrt])"
_WS = rb"\s{0,8}"
_OPENING = rb"\\*\"" + _WS + rb":" + _WS
#: Letters, digits, - . _ written as \u00XX or %XX: nothing ordinary does that.
_PLAIN_HEX = rb"(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])"
_CARD_SEPARATOR = rb"(?:[ +-]|%20|\\u0020)"


def _words(written: str) -> list[bytes]:
    return [word.encode() for word in re.split(r"[^a-z0-9]+", written.lower()) if word]


def _name_patterns(names: Iterable[str], sign: bytes) -> list[Pattern]:
    """Two patterns: names that end in a listed one, and names that must be whole."""
    patterns = []
    for whole in (False, True):
        words = [_words(name) for name in sorted(set(names)) if name.startswith("*") is not whole and name != "*"]
        if not words:
            continue
        needles = tuple(sorted({max(one, key=lambda word: (len(word), word)) for one in words}))
        heads = b"|".join(_SEPARATOR.join(one) for one in words)
        pattern = (_START if whole else b"") + b"(?:" + heads + b")" + _TAIL + sign
        longest = max(sum(map(len, one)) + 2 * len(one) for one in words)
        patterns.append(Pattern(Kind.NAME, pattern, needles, before=longest + 4, after=longest + 64))
    return patterns


_FIXED = (
    Pattern(
        Kind.NAMED_LIST,
        rb"\"(?:query(?:string|params)?|params|form(?:data)?|postdata)" + _OPENING + rb"[\[{]\s{0,64}[\[{\"\\]",
        (b'query', b'params"', b'params\\', b'form', b'postdata'),
        before=16,
        after=128,
    ),
    Pattern(
        Kind.NAMED_LIST,
        rb"(?:headers|trailers)" + _OPENING + rb"\[\s{0,64}(?:\[\s{0,64})?\\*\"",
        (b'headers"', b"headers\\", b'trailers"', b"trailers\\"),
        before=0,
        after=192,
    ),
    Pattern(
        Kind.COOKIES,
        rb"cookies" + _OPENING + rb"[\[{]\s{0,64}[\[{\"\\]",
        (b'cookies"', b"cookies\\"),
        after=128,
    ),
    Pattern(Kind.PART, rb"content-disposition:\s{0,8}form-data", (b"form-data",), before=40),
    Pattern(
        Kind.ENCODED,
        rb"base64encoded" + _OPENING + rb"true|encoding" + _OPENING + rb"\\*\"base64|opcode" + _OPENING
        + rb"2|base64_string" + _OPENING,
        (b"base64", b"opcode"),
        before=40,
    ),
    Pattern(Kind.USERINFO, rb"[^/\\\s\"'<>@?#:]@[a-z0-9\[_%\x80-\xff]", (b"@",), before=2, after=4),
    Pattern(Kind.ESCAPED, rb"\\u00" + _PLAIN_HEX, (b"\\u00",), after=8),
    Pattern(Kind.ESCAPED, rb"%" + _PLAIN_HEX, (b"%",), after=4),
)  # fmt: skip
#: Thirteen digits that begin like a card's, or its first two groups.
CARDS = (
    Pattern(Kind.CARD, rb"(?:^|[^0-9.]|[^0-9]\.)[2-6][0-9]{12}", (), caseless=False),
    Pattern(
        Kind.CARD,
        rb"[2-6][0-9]{3}" + _CARD_SEPARATOR + rb"[0-9]{4}(?:[0-9]{2})?" + _CARD_SEPARATOR + rb"[0-9]{4}",
        (),
        caseless=False,
    ),
)


def patterns_of(rules: Rules) -> tuple[Pattern, ...]:
    """Every pattern of these rules, in a fixed order: those of ``rules.token`` first, so that their numbers agree."""
    keys = {*rules.anywhere, *rules.header}
    params = {*rules.query, *rules.form, *rules.cookie} - keys - {"*"}
    tokens = [
        Pattern(Kind.TOKEN, rule.scan.encode(), tuple(n.encode() for n in rule.needles), caseless=False, after=256)
        for rule in rules.token
    ]
    return (*tokens, *_name_patterns(keys, _SIGN), *_name_patterns(params, _PARAM_SIGN), *_FIXED, *CARDS)
