"""HAR entries with the keys that a modern Chrome export writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from packhorse.captures.synth.bodies import Body
from packhorse.captures.synth.draws import Draws, plain_sum
from packhorse.captures.synth.headers import Client, Host, Pair, cookie_list, pair, request_headers, response_headers
from packhorse.captures.synth.populations import Population

_PRIORITIES = ("High", "Low", "VeryHigh", "Medium")
_TYPES = {
    "script": "script",
    "image": "image",
    "style": "stylesheet",
    "page": "document",
    "font": "font",
    "json": "xhr",
}
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
class Exchange:
    """One request and its answer: who asked whom for what, and the answer's body if it was recorded."""

    client: Client
    host: Host
    kind: str
    url: str
    referer: str
    body: Body | None


def timestamp(milliseconds: int) -> str:
    """``milliseconds`` since 1970 as HAR writes it."""
    return (
        datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"
    )


def entry(
    draws: Draws, exchange: Exchange, population: Population, *, page: str, started_ms: int, size: int
) -> dict[str, Any]:
    """One entry; ``size`` is the content's size when its body was not recorded."""
    body = exchange.body
    if body is not None:
        size = len(body.text) * 3 // 4 if body.base64 else len(body.text)
    timings = _timings(draws)
    posts = draws.chance(population.posts)
    made: dict[str, Any] = {}
    if population.browser:
        made["_initiator"] = _initiator(draws, exchange.referer)
        made["_priority"] = draws.pick(_PRIORITIES)
        made["_resourceType"] = _TYPES.get(exchange.kind, "other")
        made["pageref"] = page
    return made | {
        "cache": {},
        "connection": exchange.host.connection,
        "request": _request(draws, exchange, posts=posts),
        "response": _response(draws, exchange, size),
        "serverIPAddress": exchange.host.address,
        "startedDateTime": timestamp(started_ms),
        "time": plain_sum([part for part in timings.values() if part > 0]),
        "timings": timings,
    }


def _timings(draws: Draws) -> dict[str, float]:
    fresh = draws.chance(0.2)
    return {
        "blocked": draws.random() * 20,
        "dns": draws.random() * 9 if fresh else -1,
        "ssl": draws.random() * 60 if fresh else -1,
        "connect": draws.random() * 90 if fresh else -1,
        "send": draws.below(400) / 1000,
        "wait": draws.random() * 200,
        "receive": draws.random() * 30,
        "_blocked_queueing": draws.below(9000) / 1000,
    }


def _initiator(draws: Draws, referer: str) -> dict[str, Any]:
    if draws.chance(0.75):
        return {"type": "parser", "url": referer, "lineNumber": draws.below(900)}
    depth = draws.between(1, 3) if draws.chance(0.95) else draws.between(8, 20)
    frames = [
        {
            "functionName": draws.pick(("", "e", "t", "load", "send", "n.request")),
            "scriptId": str(draws.below(200)),
            "url": f"{referer}app.js",
            "lineNumber": draws.below(80),
            "columnNumber": draws.below(40_000),
        }
        for _ in range(depth)
    ]
    return {"type": "script", "stack": {"callFrames": frames}}


def _request(draws: Draws, exchange: Exchange, *, posts: bool) -> dict[str, Any]:
    query: list[Pair] = []
    url = exchange.url
    if draws.chance(0.2):
        query = [pair(draws.hex(2), draws.token(draws.between(1, 24))) for _ in range(draws.between(1, 8))]
        url += "?" + "&".join([f"{p['name']}={p['value']}" for p in query])
    request: dict[str, Any] = {
        "method": "POST" if posts else "GET",
        "url": url,
        "httpVersion": exchange.host.version,
        "headers": request_headers(draws, exchange.client, exchange.host, exchange.kind, exchange.referer),
        "queryString": query,
        "cookies": cookie_list(exchange.host),
        "headersSize": -1,
        "bodySize": 0,
    }
    if posts:
        text = f'{{"id":{draws.below(10**6)},"query":"{draws.hex(draws.between(8, 60))}","limit":100}}'
        request["postData"] = {"mimeType": "application/json", "text": text}
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
        "_transferSize": size + draws.between(200, 700),
        "_error": None,
    }
