"""What stands under a secret name in JSON, at any level of quoting: a string, a number, or all that an object holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packhorse.redact.names import plain_name
from packhorse.redact.quoting import SPACE, level_of, plain, string_end
from packhorse.redact.work import Work

_VALUE = re.compile(
    rb"(?P<slashes>\\*)(?P<quote>[\"'])|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<word>true|false|null)|(?P<opening>[\[{])"
)
_QUOTE = re.compile(rb"\\*\"")
_SINGLE = re.compile(rb"(?:[^'\"\\\r\n]|\\+[^'\"])*")
#: Keys of an object under which the value of a name stands.
_VALUE_KEYS = frozenset(
    {b"value", b"val", b"v", b"content", b"data", b"newvalue", b"new_value", b"oldvalue", b"default"}
)
_NEXT_KEY = re.compile(SPACE + rb"," + SPACE + rb"\\*\"([\w$-]{1,40})\\*\"" + SPACE + rb":" + SPACE)
_SIGNS = re.compile(
    rb"(?:[\s:,]|\\+[nrt])*(?:(?P<sign>[\[\]{}])|(?P<slashes>\\*)\"|(?P<word>true|false|null|-?[0-9][0-9.eE+-]*))"
)
_IS_KEY = re.compile(SPACE + rb":")
#: Keys between a name and its value (a comment, a path), and how far before a name its value may begin.
_MOST_KEYS, _BACK_BYTES = 12, 16_384


class Scalar(NamedTuple):
    """A string or number of JSON: what is replaced, what it means, and the quotes that a marker in its place needs."""

    start: int
    end: int
    text: str
    around: bytes
    behind: int


def scalar_at(data: bytes, at: int, quote: bytes = b'"') -> Scalar | None:
    """The string or number that begins at a place; ``quote`` is put around a marker in place of a number."""
    match = _VALUE.match(data, at)
    if match is None:
        return None
    if match["quote"] == b'"':
        level = level_of(len(match["slashes"]))
        end = string_end(data, match.end(), level)
        return Scalar(match.end(), end, plain(data[match.end() : end], level), b"", end + (1 << level))
    if match["quote"] == b"'":
        inner = _SINGLE.match(data, match.end())
        end = inner.end() if inner else match.end()
        return Scalar(match.end(), end, plain(data[match.end() : end], 0), b"", end + len(match["slashes"]) + 1)
    if match["opening"] is not None:
        return None
    word = match["number"] or match["word"]
    around = quote if match["number"] is not None else b""
    return Scalar(at, match.end(), word.decode(), around, match.end())


def hide_value(work: Work, at: int, quote: bytes, rule: str, name: bytes = b"") -> None:
    """Replace the value that begins at ``at``, under a name in quotes ``quote``: all of it is secret.

    With ``name`` it is a key's, which may stand for something else than a secret: a label, a count, a schema.
    """
    if work.data[at : at + 1] in (b"{", b"["):
        hide_all(work, at, len(quote) - 1, rule, name)
        return
    opened = _QUOTE.match(work.data, at)
    if opened is not None and (not work.opens(opened[0]) if quote[-1:] != b'"' else len(opened[0]) < len(quote)):
        return  # the end of the text in which the name stands
    found = scalar_at(work.data, at, quote if quote.endswith(b'"') else b"")
    if found is not None and not (name and is_ordinary(name, found.text, number=bool(found.around))):
        work.replace(found.start, found.end, found.text, rule, found.around)


def value_beside(work: Work, start: int, end: int) -> int | None:
    """Where the ``value`` of an object begins in which a name stands, as ``{"name": "token", …, "value": …}``.

    Args:
        work: The text.
        start: Where the name's key begins, with its quote.
        end: Behind the name's closing quote.
    """
    data = work.data
    at = end
    for _ in range(_MOST_KEYS):
        match = _NEXT_KEY.match(data, at)
        if match is None:
            break
        if match[1].lower() in _VALUE_KEYS:
            return match.end()
        skipped = scalar_at(data, match.end())
        if skipped is None:
            break
        at = skipped.behind
    return _value_before(data, start)


_VALUE_KEY = re.compile(rb"value\\*\"" + SPACE + rb":" + SPACE, re.IGNORECASE)


def _value_before(data: bytes, start: int) -> int | None:
    key = data.rfind(b"value", max(0, start - _BACK_BYTES), start)
    match = _VALUE_KEY.match(data, key) if key > 0 and data[key - 1] == 34 else None
    found = scalar_at(data, match.end()) if match else None
    if match is None or found is None:
        return None
    at = found.behind
    for _ in range(_MOST_KEYS):
        following = _NEXT_KEY.match(data, at)
        if following is None or following.start() >= start:
            return None
        if following.start(1) > start:
            return match.end()
        skipped = scalar_at(data, following.end())
        if skipped is None:
            return None
        at = skipped.behind
    return None


#: What a JSON schema says of a property (JSON Schema 2020-12, 6.1.1).
_SCHEMA_TYPES = frozenset(
    {"string", "number", "integer", "boolean", "object", "array", "null", "http", "apiKey", "oauth2", "openIdConnect"}
)
#: Names whose values are numbers, and short ones.
_SHORT_NUMBERS = ("otp", "cvv", "cvc", "code", "pin", "password", "passcode", "pwd", "ssn")
_MENTION = re.compile(
    r"pass(?:word|code|phrase)?|token|secret|key|code|card|credential|session|security", re.IGNORECASE
)
_PROSE_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*[.,:;!?…*]*")
_LONGEST_LABEL = 200


#: What forms answer about a field, in words and as codes.
_ANSWERS = re.compile(
    r"(?:must|can(?:not|'t|’t)?|be|is|isn't|are|at|least|most|too|not|no|a|an|the|to|of|or|and|in|with|for|please|enter|"
    r"invalid|required|missing|blank|empty|short|long|weak|wrong|incorrect|mismatch|match(?:es)?|expired|found|taken|"
    r"unknown|length|characters?|digits?|letters?|field|value|contains?|[0-9]{1,3})[.,!?…]?",
    re.IGNORECASE,
)
#: What stands in documentation in place of a secret.
_PLACEHOLDER = re.compile(
    rb"(?:(?:[Bb]earer|[Bb]asic|[Tt]oken) )?"
    rb"(?:<[^<>]{1,60}>|\{\{[^{}]{1,60}\}\}|\$\{[^{}]{1,60}\}|\$[A-Z_]{2,60}|%[A-Z_]{2,60}%|\*{3,}|[xX]{4,}|\.{3,}"
    rb"|(?:your|YOUR|Your)[-_ ][A-Za-z_-]{1,40}|(?:[A-Z]{1,20}_){1,5}(?:TOKEN|KEY|SECRET|PASSWORD)"
    rb"|TOKEN|SECRET|PASSWORD|APIKEY)"
)
_LONGEST_PLACEHOLDER = 70


def is_placeholder(raw: bytes) -> bool:
    """Whether this stands for a secret in documentation: ``<token>``, ``YOUR_API_KEY``, ``${TOKEN}``."""
    return len(raw) <= _LONGEST_PLACEHOLDER and _PLACEHOLDER.fullmatch(raw) is not None


def is_words(raw: bytes) -> bool:
    """Whether this is a word or several, as names of values are: ``client_credentials``, ``en``, ``price``."""
    return _WORDS.fullmatch(raw) is not None


_WORDS = re.compile(
    rb"(?:[a-z]{1,12}|[A-Z]{1,12}|[A-Z][a-z]{1,11})(?:[-_. ](?:[a-z]{1,12}|[A-Z]{1,12}|[A-Z][a-z]{1,11})){0,5}"
)


def is_ordinary(name: bytes, text: str, *, number: bool) -> bool:
    """Whether what stands under a secret key is none of its secrets: a count, a price, a label, a message about it."""
    plain_key = plain_name(name.decode("utf-8", "replace"))
    if number:
        return "." in text or plain_key.endswith("s") or (len(text) < 4 and not plain_key.endswith(_SHORT_NUMBERS))
    return len(text) <= _LONGEST_LABEL and _is_label(plain_key, text)


def _is_label(plain_key: str, text: str) -> bool:
    """A name for a field, or what is said about it."""
    words = text.replace("_", " ").split()
    answers = sum(_ANSWERS.fullmatch(word) is not None for word in words)
    if len(text) > 4 and answers == len(words) and not text.isdigit():
        return True
    if not all(map(_PROSE_WORD.fullmatch, text.split())) or (text.isascii() and not _MENTION.search(text)):
        # A rule about the field may count: "must be at least 8 characters".
        return len(words) > 2 and answers * 2 > len(words)
    # Letters beyond ASCII, and no digit or sign: a label in another language.
    return not text.isascii() or " " in text.strip() or plain_name(text) == plain_key


class Sign(NamedTuple):
    """A part of JSON: a bracket, a key, a string, or a word (a number, true, false, null)."""

    kind: str
    start: int
    end: int


def signs(data: bytes, at: int, slashes: int, depth: int = 0) -> Iterator[Sign]:
    """The parts of the JSON value that begins at ``at``, at the level of so many backslashes, up to its end;
    or the rest of one, of which ``depth`` brackets are open.

    Ends early at what is no JSON of this level. A last part of kind ``cut`` tells that the text around it ends there.
    """
    level = level_of(slashes)
    while True:
        match = _SIGNS.match(data, at)
        if match is None:
            if not data[at : at + 1].strip():
                yield Sign("cut", at, at)
            return
        at = match.end()
        if match["sign"] is not None:
            depth += 1 if match["sign"] in b"[{" else -1
            yield Sign(match["sign"].decode(), match.start("sign"), at)
            if depth <= 0:
                return
        elif match["word"] is not None:
            yield Sign("word", match.start("word"), at)
        else:
            own = level_of(len(match["slashes"]))
            if own != level:
                if own < level:
                    yield Sign("cut", at, at)
                return
            end = string_end(data, at, level)
            start, at = at, end + (1 << level)
            yield Sign("key" if _IS_KEY.match(data, at) else "string", start, end)


def text_of(data: bytes, sign: Sign, slashes: int) -> str:
    """What a string or a word of JSON means."""
    raw = data[sign.start : sign.end]
    return raw.decode() if sign.kind == "word" else plain(raw, level_of(slashes))


def hide_all(work: Work, at: int, slashes: int, rule: str, name: bytes = b"") -> None:
    """Replace every string and number in an object or list, unless it is no JSON to its end, as in scripts."""
    found: list[tuple[int, int, str, bytes]] = []
    depth, end, key = 0, at, b""
    quote = b"\\" * slashes + b'"'
    # What was no JSON before is none from a place within it on, either.
    if at < work.seen.get(f"no JSON {slashes}", 0):
        return
    for sign in signs(work.data, at, slashes):
        end = sign.end
        if sign.kind in ("string", "word"):
            around = quote if sign.kind == "word" else b""
            text = text_of(work.data, sign, slashes)
            if depth == 1 and ((key == b"type" and text in _SCHEMA_TYPES) or key == b"$ref"):
                return
            if not (name and is_ordinary(name, text, number=sign.kind == "word")):
                found.append((sign[1], sign[2], text, around))
        elif sign.kind == "key":
            key = work.data[sign.start : sign.end]
        else:
            depth += 1 if sign.kind in "[{" else -1
            if sign.kind == "cut" or depth == 0:
                break
    else:
        work.seen[f"no JSON {slashes}"] = end
        return
    for start, stop, secret, around in found:
        work.replace(start, stop, secret, rule, around)
    work.done = max(work.done, end)
