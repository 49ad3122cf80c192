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
#: Bits of a hit that hold the number of its pattern.
NUMBER_BITS = 10


class Kind(IntEnum):
    """Who decides what a pattern found."""

    NAME = auto()  # a secret name, and behind it the sign that makes it a name
    NAMED_LIST = auto()  # "queryString": [ and the like, whose items have names of their own kind
    COOKIES = auto()  # "cookies": [
    ITEM = auto()  # a name that is secret only in some lists of named values
    PART = auto()  # the head of a part of a multipart body
    ENCODED = auto()  # an object says that a text in it is base64
    USERINFO = auto()  # user:password@host
    CARD = auto()
    ESCAPED = auto()  # a letter or digit written as an escape, which may hide a name
    TABLE = auto()  # a body of lines with cells, which says so
    TOKEN = auto()  # a secret known by its shape


class How(IntEnum):
    """What the compiled scanner looks at around a needle, as ``_native_find.h`` numbers it."""

    LITERAL = 0  # nothing: the needle is all of the match
    MAYBE = auto()  # the pattern, in Python
    NAMES = auto()  # the rest of a name and a sign
    PARAMS = auto()
    ITEMS = auto()
    QUOTED = auto()  # a quote or a colon
    JARS = auto()
    HEADERS = auto()
    OBJECTS = auto()
    WEB_TOKENS = auto()
    ENCODINGS = auto()


@dataclass(frozen=True, slots=True)
class Pattern:
    """One thing that a scan looks for.

    Attributes:
        kind: Who decides.
        pattern: Over bytes; a match is told by its end.
        needles: Every match contains one of these (in lower case when ``caseless``).
        caseless: ASCII letters match both cases.
        before, after: A match is no more than so many bytes before and behind where its needle begins.
        gate: Matches behind a needle wherever ``pattern`` may, and is faster.
        how: What the compiled scanner looks at.
        names: The words of each name, and whether it is the end of a name only.
        front: Bytes one of which stands before a needle; empty for any.
    """

    kind: Kind
    pattern: bytes
    needles: tuple[bytes, ...]
    caseless: bool = True
    before: int = 0
    after: int = 64
    gate: bytes = b""
    how: How = How.MAYBE
    names: tuple[tuple[tuple[bytes, ...], bool], ...] = ()
    front: bytes = b""


#: Names in one pattern.
_MOST_NAMES = 60
_SEPARATOR = rb"[-_. \[\]]{0,2}"
#: What may follow the words of a name within it: ``password_confirmation``, ``user[password]``.
_TAIL = rb"[a-z0-9_\-.\[\]]*"
#: What stands before a name that is listed as a whole: no letter but those of escapes, as \n, %2F, %25BC and \u00fc.
_FRONT = rb"(?:^|[^a-z]|\\[bfnrt]|[0-9][a-f]|[%0-9][a-f]{2}|\\u[0-9a-f]{4})"
#: What makes it a name: a quote, an assignment, a colon, a tag's end; each perhaps written as an escape.
_SIGN = (
    rb"(?:[\"'`=:>]| [=:]| value=| ?\|\|| \?\?|<\\{0,3}/|\\|%(?:25)*(?:3d|22|27|3a|5b|5d)|"
    rb"&(?:amp;)*(?:quot|apos|lt|gt|equals|#))"
)
#: A parameter is followed by an equals sign only.
_PARAM_SIGN = rb"(?:=|\\+(?:u00|x)3d|%(?:25)*(?:3d|5b|5d)|&(?:equals|#))"
_WS = rb"\s{0,8}"
_OPENING = rb"\\*\"" + _WS + rb":" + _WS
#: Letters, digits, - . _ written as \u00XX or %XX: nothing ordinary does that.
_PLAIN_HEX = rb"(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])"
_PLAIN_HEXES = tuple(b"%02x" % byte for byte in range(128) if re.fullmatch(_PLAIN_HEX, b"%02x" % byte))


def _words(written: str) -> list[bytes]:
    return [word.encode() for word in re.split(r"[^a-z0-9]+", written.lower()) if word]


#: Words that are in every capture: of a name with another word, that one is looked for.
COMMON = frozenset(
    {b"id", b"number", b"response", b"code", b"x", b"set", b"net", b"access", b"key", b"user", b"data", b"de"}
)


def _fewest_words(names: set[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """As few words as may be, of which each name holds one."""
    left, chosen = set(names), []
    while left:
        words = {word for name in left for word in name if word not in COMMON or COMMON.issuperset(name)}
        best = max(sorted(words), key=lambda word: (sum(word in b" ".join(name) for name in left), len(word)))
        chosen.append(best)
        left = {name for name in left if best not in b" ".join(name)}
    return tuple(chosen)


_SIGN_OF = {How.NAMES: _SIGN, How.PARAMS: _PARAM_SIGN, How.ITEMS: rb"\\*\"\s{0,8}[,}]"}


def _names(kind: Kind, names: Iterable[str], how: How) -> list[Pattern]:
    """Words of secret names with a sign behind them. What stands before them is the decider's matter."""
    patterns, sign = [], _SIGN_OF[how]
    by_tail: dict[bytes, set[tuple[bytes, ...]]] = {}
    for name in names:
        by_tail.setdefault(_TAIL if name.startswith("*") else rb"[-_. \[\])]{0,2}", set()).add(tuple(_words(name)))
    branches = [
        (b"" if tail is _TAIL else _FRONT) + b"(?:" + b"|".join(map(_SEPARATOR.join, sorted(words))) + b")" + tail
        for tail, words in sorted(by_tail.items())
    ]
    words = set().union(*by_tail.values())
    if words:
        needles = _fewest_words(words)
        longest = max(sum(map(len, one)) + 2 * len(one) for one in words)
        pattern = b"(?:" + b"|".join(branches) + b")" + sign
        gate = rb"(?:[a-z0-9_\-.\[\])]| (?=[a-z0-9])){0,99}" + sign
        listed = tuple((one, tail is _TAIL) for tail, some in sorted(by_tail.items()) for one in sorted(some))
        patterns.append(
            Pattern(kind, pattern, needles, before=longest + 6, after=longest + 64, gate=gate, how=how, names=listed)
        )
    return patterns


def _parts(names: Iterable[str]) -> list[list[str]]:
    """Names with a beginning or whole, in parts: an automaton of too many words is several times as slow."""
    listed = sorted(name for name in names if "*" not in name[1:])
    return [listed[at : at + _MOST_NAMES] for at in range(0, len(listed), _MOST_NAMES)]


def _middles(names: Iterable[str], sign: bytes) -> list[Pattern]:
    """The last words of names with any middle, as ``x_*_key``, each behind a separator."""
    last = sorted({b"".join(_words(name.rpartition("*")[2])) for name in names if "*" in name[1:]})
    needles = tuple(separator + word for word in last for separator in (b"-", b"_"))
    if not last:
        return []
    return [Pattern(Kind.NAME, b"[-_](?:" + b"|".join(last) + b")" + sign, needles, how=How.QUOTED)]


_FIXED = (
    # Bodies that may be tables, with names of columns in their first line.
    Pattern(
        Kind.TABLE,
        rb"text\\?/(?:csv|tab-separated-values|plain)",
        tuple(
            b"text" + slash + b"/" + kind
            for slash in (b"", b"\\")
            for kind in (b"csv", b"tab-separated-values", b"plain")
        ),
        how=How.LITERAL,
    ),
    Pattern(
        Kind.NAMED_LIST,
        rb"\"(?:query(?:string|params)?|params|form(?:data)?)" + _OPENING + rb"\{\s{0,64}\\*\"",
        tuple(
            b'"' + word + sign
            for word in (b"query", b"querystring", b"queryparams", b"params", b"form", b"formdata")
            for sign in (b'"', b"\\")
        ),
        after=192,
        how=How.OBJECTS,
    ),
    Pattern(
        Kind.NAMED_LIST,
        rb"(?:headers|trailers)" + _OPENING + rb"\[\s{0,64}(?:\[\s{0,64})?\\*\"",
        tuple(word + sign for word in (b"headers", b"trailers") for sign in (b'"', b"\\")),
        after=192,
        how=How.HEADERS,
    ),
    Pattern(
        Kind.COOKIES,
        rb"\"(?:request|response)?cookies" + _OPENING + rb"(?:[\[{]\s{0,64}[\[{\"\\]|\\*\"[^\"\\])",
        (b'cookies"', b"cookies\\"),
        before=10,
        after=128,
        how=How.JARS,
    ),
    Pattern(Kind.PART, rb"content-disposition:\s{0,8}form-data", (b"form-data",), before=40),
    Pattern(
        Kind.ENCODED,
        rb"base64encoded" + _OPENING + rb"true|encoding" + _OPENING + rb"\\*\"base64|opcode" + _OPENING
        + rb"2|base64_string" + _OPENING,
        (b"base64", b"opcode"),
        before=40,
        how=How.ENCODINGS,
    ),
    Pattern(Kind.USERINFO, rb"[^/\\\s\"'<>@?#:]@[a-z0-9\[_%\x80-\xff]", (b"@",), before=2, after=4),
    Pattern(Kind.ESCAPED, rb"\\u00" + _PLAIN_HEX, tuple(b"\\u00" + one for one in _PLAIN_HEXES), after=8),
    Pattern(Kind.ESCAPED, rb"%(?:25)*" + _PLAIN_HEX, (*(b"%" + one for one in _PLAIN_HEXES), b"%25"), after=16),
)  # fmt: skip
#: What may stand before a card. One literal for each is found several times as fast as a class of them.
CARD_BEFORE = (
    *(b'"', b"'", b"`", b"=", b":", b">", b" ", b",", b"(", b"[", b"{", b"/", b"-", b"+", b";", b"|", b"#", b"*", b"&"),
    *(b"\n", b"\t", b"\\n", b"\\r", b"\\t", b"%20", b"%22", b"%3A", b"%3D"),
)
#: The first two digits of the networks (ISO/IEC 7812 ranges in use).
_NETWORK = rb"(?:4[0-9]|5[0-9]|6[0-9]|3[04-9]|2[2-7])"
_PERCENT = 37
#: Thirteen digits that begin like a card's, or three groups of digits.
CARDS = (
    *(
        Pattern(Kind.CARD, pattern, (), caseless=False)
        for pattern in (
            *(re.escape(before) + _NETWORK + rb"[0-9]{11}" for before in CARD_BEFORE if before[0] != _PERCENT),
            b"^" + _NETWORK + rb"[0-9]{11}",
            *(rb"[0-9]{4}S[0-9]{4}(?:[0-9]{2})?S[0-9]{4}".replace(b"S", mark) for mark in (b" ", b"-", rb"\+")),
        )
    ),
    # Digits behind these do not begin where a run of digits does, or do not stand together.
    *(
        Pattern(
            Kind.CARD, before + _NETWORK + rb"[0-9]{11}", tuple(before + b"%d" % n for n in range(2, 7)), caseless=False
        )
        for before in CARD_BEFORE
        if before[0] == _PERCENT
    ),
    *(
        Pattern(
            Kind.CARD,
            rb"[0-9]{4}" + re.escape(mark) + rb"[0-9]{4}",
            tuple(mark + b"%d" % n for n in range(10)),
            caseless=False,
            before=4,
            after=len(mark) + 4,
        )
        for mark in (b"%20", b"\\u0020")
    ),
)


def patterns_of(rules: Rules) -> tuple[Pattern, ...]:
    """Every pattern of these rules, in a fixed order: those of ``rules.token`` first, so that their numbers agree."""
    keys = {*rules.anywhere, *rules.header}
    params = {*rules.query, *rules.form, *rules.cookie} - keys - {"*"}
    tokens = [
        Pattern(
            Kind.TOKEN,
            rule.scan.encode(),
            tuple(n.encode() for n in rule.needles),
            caseless=False,
            after=256,
            how=How.WEB_TOKENS if rule.name == "jwt" else How.MAYBE,
            front=rule.front,
        )
        for rule in rules.token
    ]
    return (
        *tokens,
        # "cookies" is in every capture many times, and has a pattern of its own.
        *(pattern for some in _parts(keys - {"cookies"}) for pattern in _names(Kind.NAME, some, How.NAMES)),
        *_middles(keys, rb"[\"':]"),
        *_names(Kind.NAME, params, How.PARAMS),
        *_names(Kind.ITEM, params, How.ITEMS),
        *_FIXED,
        *CARDS,
    )
