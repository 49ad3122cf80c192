"""HAR entries with the keys that a modern Chrome export writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from packhorse.bench.synth.bodies import Body
from packhorse.bench.synth.draws import Draws, plain_sum
from packhorse.bench.synth.headers import Client, Host, Pair, cookie_list, pair, request_headers, response_headers
from packhorse.bench.synth.populations import Population

_PRIORITIES = ("High", "Low", "VeryHigh", "Medium")
_TYPES = {
    "script": "script",
    "image": "image",
    "style": "stylesheet",
    "page": "document",
    "font": "font",
    "json": "xhr",
}
_FIELDS = ("filter", "sort", "cursor", "query", "user", "session", "after", "before", "scope", "token")
_MIMES = {
    "script": "application/javascript",
    "image": "image/png",
    "style": "text/css",
    "page": "text/html",
    "font": "font/woff2",
    "drawing": "image/svg+xml",
    "plain": "text/plain",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the entries of a visit share.

    Attributes:
        ident: The page's id.
        url: Its address, the referer of all that it loads.
        client: What sends the requests.
        frames: The places in scripts that start requests.
        whole_ms: True when the recorder timed in whole milliseconds.
    """

    ident: str
    url: str
    client: Client
    frames: tuple[dict[str, Any], ...]
    whole_ms: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer: who asked whom for what, and the answer's body if it was recorded."""

    page: Page
    host: Host
    kind: str
    url: str
    body: Body | None


def frame(draws: Draws, url: str) -> dict[str, Any]:
    """A place in the script at ``url`` that starts requests, as a call stack names it."""
    return {
        "functionName": draws.pick(("", "", "e", "t", "load", "send", "n.request")),
        "scriptId": str(draws.below(200)),
        "url": url,
        "lineNumber": draws.below(80),
        "columnNumber": draws.below(40_000),
    }


def timestamp(milliseconds: int) -> str:
    """``milliseconds`` since 1970 as HAR writes it."""
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()[:19]}.{milliseconds % 1000:03d}Z"


def entry(draws: Draws, exchange: Exchange, population: Population, *, started_ms: int, size: int) -> dict[str, Any]:
    """One entry; ``size`` is the content's size when its body was not recorded."""
    body = exchange.body
    if body is not None:
        size = len(body.text) * 3 // 4 if body.base64 else len(body.text)
    timings = _timings(draws, whole_ms=exchange.page.whole_ms)
    response = _response(draws, exchange, size)
    made: dict[str, Any] = {}
    if population.browser:
        response |= {"_transferSize": size + draws.between(200, 700), "_error": None}
        made = {
            "_initiator": _initiator(draws, exchange.page, population.scripted),
            "_priority": draws.pick(_PRIORITIES),
            "_resourceType": _TYPES.get(exchange.kind, "other"),
            "pageref": exchange.page.ident,
            "connection": exchange.host.connection,
            "serverIPAddress": exchange.host.address,
        }
    elif exchange.kind == "records":
        made = {"_id": draws.hex(32), "_order": 0}
    return made | {
        "cache": {},
        "request": _request(draws, exchange, population),
        "response": response,
        "startedDateTime": timestamp(started_ms),
        "time": plain_sum([part for part in timings.values() if part > 0]),
        "timings": timings,
    }


def _timings(draws: Draws, *, whole_ms: bool) -> dict[str, float]:
    fresh = draws.chance(0.2)
    if whole_ms:
        return {
            "blocked": draws.below(4),
            "dns": draws.below(9) if fresh else -1,
            "ssl": draws.below(60) if fresh else -1,
            "connect": draws.below(90) if fresh else -1,
            "send": 0,
            "wait": draws.below(200),
            "receive": draws.below(30),
        }
    return {
        "blocked": draws.random() * 20,
        "dns": draws.below(9000) / 1000 if fresh else -1,
        "ssl": draws.random() * 60 if fresh else -1,
        "connect": draws.random() * 90 if fresh else -1,
        "send": draws.below(400) / 1000,
        "wait": draws.random() * 200,
        "receive": draws.random() * 30,
        "_blocked_queueing": draws.below(9000) / 1000,
    }


def _initiator(draws: Draws, page: Page, scripted: float) -> dict[str, Any]:
    if not draws.chance(scripted):
        return {"type": "parser", "url": page.url, "lineNumber": draws.below(900)}
    depth = draws.between(1, 6) if draws.chance(0.97) else draws.between(8, 20)
    start = draws.below(len(page.frames))
    return {"type": "script", "stack": {"callFrames": [*page.frames[start : start + depth]]}}


def _request(draws: Draws, exchange: Exchange, population: Population) -> dict[str, Any]:
    page = exchange.page
    posts = draws.chance(population.posts)
    query: list[Pair] = []
    url = exchange.url
    if draws.chance(population.queries):
        query = [pair(draws.hex(2), draws.token(draws.between(1, 24))) for _ in range(draws.between(1, 8))]
        url += "?" + "&".join([f"{p['name']}={p['value']}" for p in query])
    request: dict[str, Any] = {
        "method": "POST" if posts else "GET",
        "url": url,
        "httpVersion": exchange.host.version,
        "headers": request_headers(draws, page.client, exchange.host, exchange.kind, page.url),
        "queryString": query,
        "cookies": cookie_list(exchange.host),
        "headersSize": -1,
        "bodySize": 0,
    }
    if posts:
        fields = ",".join(
            [
                f'"{draws.pick(_FIELDS)}":"{draws.hex(draws.between(4, 12))}"'
                for _ in range(draws.between(2, 22 if exchange.kind == "records" else 6))
            ]
        )
        text = f'{{"id":{draws.below(10**6)},"limit":100,{fields}}}'
        request["postData"] = {"mimeType": "application/json", "params": [], "text": text}
        request["bodySize"] = len(text)
    return request


def _response(draws: Draws, exchange: Exchange, size: int) -> dict[str, Any]:
    body = exchange.body
    mime = body.mime if body else _MIMES.get(exchange.kind, "application/json")
    content: dict[str, Any] = {"size": size, "mimeType": mime}
    if body is not None:
        content["text"] = body.text
        if body.base64:
            content["encoding"] = "base64"
    return {
        "status": 200 if body else draws.pick((200, 200, 200, 304, 302, 204)),
        "statusText": "" if exchange.host.version == "h2" else "OK",
        "httpVersion": exchange.host.version,
        "headers": response_headers(draws, exchange.host, mime, size),
        "cookies": [],
        "content": content,
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }
