r"""Quotes within quotes: at which level of JSON within JSON a quote stands, and where a string of a level ends.

In JSON text a string's own quote is ``"``. In a string that holds JSON it is ``\"``, one level further ``\\\"``: each
level doubles the backslashes and adds one. So the backslashes before a quote tell its level, and a string of a level
ends at the first quote of that level or a lower one.
"""

from __future__ import annotations

import json
import re

import orjson

_MOST_SLASHES = 4200
_BACKSLASH = 92
#: Space between the signs of JSON, at any level: a line end within a string is written as an escape.
SPACE = rb"(?:\s|\\+[nrt]){0,200}"
COLON, COMMA = re.compile(SPACE + rb":" + SPACE), re.compile(SPACE + rb"," + SPACE)
#: A quote that opens a string, and the backslashes that tell its level.
OPENED = re.compile(rb"(\\*)\"")
#: Letters, digits and the like of a name; what else ends it. Bytes beyond ASCII are letters.
_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$-" + bytes(range(128, 256))


def charset(chars: bytes) -> bytes:
    """For :func:`run_start`: a table that makes every other byte a zero."""
    return bytes(byte if byte in chars else 0 for byte in range(256))


BARE_CHARS = charset(_WORD + b".")
PARAM_CHARS = charset(_WORD + b".[]%~+@")
LONGEST_NAME = 120
#: What a string of JSON text holds: up to its quote, or to a backslash that ends the text.
_CONTENT = re.compile(rb"[^\"\\]*+(?:\\.[^\"\\]*+)*+(?!\\)", re.DOTALL)
_ESCAPE = re.compile(rb"\\+(?:u([0-9a-fA-F]{4})|([/\"'\\]))")


def slashes_before(data: bytes, at: int, first: int = 0) -> int:
    """How many backslashes stand right before a place, not counting any before ``first``."""
    if at <= first or data[at - 1] != _BACKSLASH:
        return 0
    window = data[max(first, at - _MOST_SLASHES) : at]
    return len(window) - len(window.rstrip(b"\\"))


def level_of(slashes: int) -> int:
    """The level of a quote with so many backslashes before it. An even number is a text's own, before a bare quote."""
    level = 0
    while slashes & 1:
        slashes >>= 1
        level += 1
    return level


def string_end(data: bytes, at: int, level: int, stop: int | None = None) -> int:
    """Where the content of a string ends that begins at ``at``: before its closing quote and the backslashes of that.

    A string that is cut short ends where the one around it does, or the text, or at ``stop``.
    """
    stop = len(data) if stop is None else stop
    quote = data.find(b'"', at, stop)
    if quote >= 0 and data[quote - 1] != _BACKSLASH:
        return quote
    if level == 0 and (content := _CONTENT.match(data, at, stop)) is not None and content.end() < stop:
        return content.end()
    while quote >= 0:
        own = level_of(slashes_before(data, quote, at))
        if own <= level:
            return quote - ((1 << own) - 1)
        quote = data.find(b'"', quote + 1, stop)
    return stop


def plain(raw: bytes, level: int) -> str:
    """What a string's content means, once the escapes of all its levels are undone."""
    text = raw.decode("utf-8", "surrogateescape")
    if "\\" not in text:
        return text
    for _ in range(level + 1):
        if "\\" not in text:
            break
        try:
            text = _meaning(text)
        except ValueError:
            break
    return text


#: It allows line ends within a string, which texts have that are no JSON to their end.
_decode = json.JSONDecoder(strict=False).decode


def _meaning(text: str) -> str:
    try:
        return orjson.loads(f'"{text}"')  # type: ignore[no-any-return]
    except ValueError:
        return _decode(f'"{text}"')  # type: ignore[no-any-return]


def unescaped(raw: bytes) -> bytes:
    r"""A part of a string with ``\/`` and ``\u0041`` undone, whatever its level."""
    if b"\\" not in raw:
        return raw
    return _ESCAPE.sub(
        lambda match: chr(int(match[1], 16)).encode("utf-8", "surrogatepass") if match[1] else match[2], raw
    )


def run_start(data: bytes, at: int, chars: bytes, most: int = LONGEST_NAME) -> int:
    """Where the run of characters of a :func:`charset` begins that ends at ``at``; no further back than ``most``."""
    low = at - most if at > most else 0
    return low + data[low:at].translate(chars).rfind(0) + 1
