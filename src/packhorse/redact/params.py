"""``name=value`` pairs: forms, queries, fragments, cookie headers."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, unquote_plus

from packhorse.redact.context import Context
from packhorse.redact.names import Place

#: A marker as quote() writes it.
_QUOTED_MARKER = re.compile(r"%5Bredacted%3A([0-9a-f]{8})%5D")
_PAIR_ENDS = re.compile(r"([&;])")
_URL = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]{0,30}:)?/[^\s\"'<>{}]*|[^\s\"'<>{}=&]*\?[^\s\"'<>{}]*")
_FORM = re.compile(r"[\w.\[\]%~+-]{1,200}=[^\s\"'<>{}]*")


def looks_like_url(text: str) -> bool:
    """A URL or a path with a query, and nothing else."""
    return _URL.fullmatch(text) is not None


def looks_like_form(text: str) -> bool:
    """``name=value`` pairs and nothing else."""
    return _FORM.fullmatch(text) is not None


def redact_pairs(ctx: Context, text: str, place: Place, depth: int) -> str:
    """Pairs separated by ``&`` or ``;``. Values under secret names are replaced, other values are searched, decoded."""
    pieces = _PAIR_ENDS.split(text)
    changed = False
    for index in range(0, len(pieces), 2):
        name, equals, value = pieces[index].partition("=")
        if not value:
            name, equals, value = "", "", pieces[index]
        new = _value(ctx, (name, value), place, depth)
        if new != value:
            pieces[index] = name + equals + new
            changed = True
    return "".join(pieces) if changed else text


def _value(ctx: Context, pair: tuple[str, str], place: Place, depth: int) -> str:
    name, value = pair
    # Cut at the last ? too: in http://a/?u=/b?token=x the inner name is token.
    if name and ctx.books[place].secret(fully_unquoted(name).strip().rpartition("?")[2]):
        # The digest is of what the value means, so that it equals the one of the same secret in a header or in JSON.
        plain = unquote_plus(value) if place == "form" else unquote(value)
        hidden = ctx.hide(plain, place)
        return value if hidden == plain else hidden
    decoded = unquote_plus(value) if place == "form" else unquote(value)
    new = ctx.text(decoded, depth=depth + 1)
    return value if new == decoded else _QUOTED_MARKER.sub(r"[redacted:\1]", quote(new, safe=""))


def fully_unquoted(text: str) -> str:
    """Percent-decoding until nothing changes, at most four times."""
    for _ in range(4):
        if "%" not in text:
            break
        text = unquote(text)
    return text


def redact_url(ctx: Context, text: str, depth: int) -> str:
    """Query, fragment and ``;name=value`` of a URL."""
    path, question, rest = text.partition("?")
    if not question:
        path, hash_mark, fragment = text.partition("#")
        query = ""
    else:
        query, hash_mark, fragment = rest.partition("#")
    if ";" in path:
        head, _, tail = path.partition(";")
        path = f"{head};{redact_pairs(ctx, tail, 'query', depth)}"
    if query:
        query = redact_pairs(ctx, query, "query", depth)
    if fragment:
        front, mark, back = fragment.rpartition("?")
        fragment = front + mark + redact_pairs(ctx, back, "query", depth)
    new = path + question + query + hash_mark + fragment
    return text if new == text else new


def redact_cookie_pairs(ctx: Context, text: str) -> str:
    """A ``Cookie`` or ``Set-Cookie`` value, where not every cookie is secret."""
    pieces = text.split(";")
    for index, piece in enumerate(pieces):
        name, equals, value = piece.partition("=")
        if equals and ctx.books["cookie"].secret(name.strip()):
            pieces[index] = f"{name}={ctx.hide(value, 'cookie')}"
    return ";".join(pieces)
