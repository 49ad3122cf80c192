"""The measures of one entry: what the shape of a capture is summed up from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_ESCAPE = re.compile(rb"(?s:\\(.))")


@dataclass(frozen=True, slots=True)
class Tree:
    """The values in a JSON value, itself included (keys are not counted): how many, how deep, the longest string."""

    nodes: int
    depth: int
    longest_string_chars: int


@dataclass(frozen=True, slots=True)
class EntryShape:
    r"""One entry, measured. "Bytes" are those of its compact JSON in UTF-8 unless said otherwise.

    Attributes:
        text: The canonical text: compact, keys sorted.
        chars: Characters of that text.
        ascii_chars: Those of them that are ASCII.
        escape_bytes: Bytes that escape sequences take (``\n`` two, ``\u001f`` six).
        tree: Its values.
        body_bytes: The response body as a JSON string, quotes and escapes included; 0 without one.
        body_chars: Characters of the body's text as it stands in the entry (base64 text for a base64 body).
        body_is_base64: ``content.encoding`` says so.
        body_digest: Tells bodies apart; empty without one.
        request_header_bytes, response_header_bytes: The two lists of headers.
        request_headers, response_headers: Their lengths.
        cookie_bytes, cookies: The two lists of cookies together (an empty list takes two bytes).
        host: Host and port of ``request.url``; empty when there is none.
        url_chars: Length of ``request.url``.
        post_chars: Length of ``request.postData.text``.
    """

    text: bytes
    chars: int
    ascii_chars: int
    escape_bytes: int
    tree: Tree
    body_bytes: int
    body_chars: int
    body_is_base64: bool
    body_digest: bytes
    request_header_bytes: int
    response_header_bytes: int
    request_headers: int
    response_headers: int
    cookie_bytes: int
    cookies: int
    host: str
    url_chars: int
    post_chars: int


def measure_entry(entry: Any) -> EntryShape:
    """Measure one entry. Parts that are missing, or not of the type that HAR gives them, count as 0."""
    text, chars = canonical(entry)
    request, response = _part(entry, "request"), _part(entry, "response")
    content = _part(response, "content")
    body, url, post = content.get("text"), request.get("url"), _part(request, "postData").get("text")
    body = body if isinstance(body, str) else ""
    url = url if isinstance(url, str) else ""
    sides = (request, response)
    return EntryShape(
        text=text,
        chars=chars,
        # In UTF-8 only ASCII characters begin with, and are, a byte below 128.
        ascii_chars=len(text) - len(text.translate(None, _ASCII)),
        escape_bytes=_escape_bytes(text),
        tree=measure_tree(entry),
        body_bytes=len(canonical(body)[0]) if body else 0,
        body_chars=len(body),
        body_is_base64=content.get("encoding") == "base64",
        body_digest=hashlib.blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).digest() if body else b"",
        request_header_bytes=_list_bytes(request, "headers"),
        response_header_bytes=_list_bytes(response, "headers"),
        request_headers=_list_length(request, "headers"),
        response_headers=_list_length(response, "headers"),
        cookie_bytes=sum(_list_bytes(side, "cookies") for side in sides),
        cookies=sum(_list_length(side, "cookies") for side in sides),
        host=_host(url),
        url_chars=len(url),
        post_chars=len(post) if isinstance(post, str) else 0,
    )


def measure_tree(value: Any) -> Tree:
    """Count the values without recursion: a capture may be as deep as the reader lets it be."""
    nodes = depth = longest = 0
    level: list[Any] = [value]
    while level:
        depth += 1
        nodes += len(level)
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                longest = max(longest, len(item))
            elif isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
        level = below
    return Tree(nodes, depth, longest)


def canonical(value: Any) -> tuple[bytes, int]:
    """Compact JSON with sorted keys, and its length in characters.

    ``json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`` in UTF-8; a value with lone
    surrogates, which UTF-8 cannot express, is written with ``ensure_ascii=True`` instead.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode(), len(text)
    except UnicodeEncodeError:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return text.encode(), len(text)


_ASCII = bytes(range(128))


def _escape_bytes(text: bytes) -> int:
    if b"\\" not in text:
        return 0
    kinds = _ESCAPE.findall(text)
    return 2 * len(kinds) + 4 * _count(kinds, b"u")


def _count(kinds: Iterable[bytes], kind: bytes) -> int:
    return sum(1 for found in kinds if found == kind)


def _part(value: Any, key: str) -> dict[str, Any]:
    part = value.get(key) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def _list_bytes(side: dict[str, Any], key: str) -> int:
    return len(canonical(side[key])[0]) if isinstance(side.get(key), list) else 0


def _list_length(side: dict[str, Any], key: str) -> int:
    return len(side[key]) if isinstance(side.get(key), list) else 0


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
