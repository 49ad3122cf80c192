"""Hosts and their headers and cookies: most of a host's headers are the same in every answer, a few never are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packhorse.bench.synth.draws import Draws

Pair = dict[str, str]

#: Values marked with a leading colon are drawn anew for each answer.
_RESPONSE = (
    ("date", ":date"),
    ("content-type", ":mime"),
    ("content-length", ":length"),
    ("cache-control", ("max-age=31536000", "public, max-age=3600", "no-cache, no-store, must-revalidate", "private")),
    ("server", ("nginx", "Apache", "cloud-edge", "openresty", "gws")),
    ("last-modified", ":date"),
    ("etag", ":etag"),
    ("vary", ("Accept-Encoding", "Accept-Encoding, Origin", "Cookie")),
    ("content-encoding", ("gzip", "br")),
    ("connection", ("keep-alive", "Keep-Alive")),
    ("expires", ":date"),
    ("accept-ranges", "bytes"),
    ("access-control-allow-origin", ("*", "https://www.example.com")),
    ("x-content-type-options", "nosniff"),
    ("age", ":number"),
    ("strict-transport-security", ("max-age=31536000", "max-age=63072000; includeSubDomains; preload")),
    ("x-cache", ("HIT", "MISS", "Hit from edge", "HIT, HIT")),
    ("via", ("1.1 varnish", "2 edge-proxy", "1.1 google")),
    ("x-frame-options", ("SAMEORIGIN", "DENY")),
    ("x-request-id", ":id"),
    ("x-served-by", ":node"),
    ("timing-allow-origin", "*"),
    ("x-timer", ":timer"),
    ("x-xss-protection", ("0", "1; mode=block")),
    ("p3p", 'CP="NOI DSP COR CURa ADMa DEVa OUR IND COM NAV"'),
    ("alt-svc", ('h3=":443"; ma=86400', 'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000')),
    ("content-security-policy", "default-src 'self'; script-src 'self' 'unsafe-inline'; img-src * data:"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
)
_REQUEST = (
    ("accept", ":accept"),
    ("user-agent", ":agent"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", ":language"),
    ("referer", ":referer"),
    ("host", ":host"),
    ("connection", "keep-alive"),
    ("pragma", "no-cache"),
    ("cache-control", "no-cache"),
    ("sec-fetch-mode", "no-cors"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-dest", "empty"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua", '"Chromium";v="120", "Not A(Brand";v="24"'),
    ("dnt", "1"),
    ("if-none-match", ":etag"),
    ("origin", ":origin"),
)
_ACCEPT = {
    "image": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "page": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "style": "text/css,*/*;q=0.1",
    "json": "application/json, text/plain, */*",
    "records": "application/json",
}
_TWO = tuple([f"{number:02d}" for number in range(60)])
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(draws: Draws) -> str:
    """A date as headers write it."""
    minutes, second = divmod(int(draws.random() * 2_419_200), 60)
    day, minute = divmod(minutes, 1440)
    clock = f"{_TWO[minute // 60]}:{_TWO[minute % 60]}:{_TWO[second]}"
    return f"{_DAYS[day % 7]}, {_TWO[day + 1]} {_MONTHS[second % 12]} 2024 {clock} GMT"


def pair(name: str, value: str) -> Pair:
    """A header, cookie or parameter as HAR writes it."""
    return {"name": name, "value": value}


@dataclass(frozen=True, slots=True)
class Client:
    """What sends the requests: its user agent, its languages, and the names of the headers it sends."""

    agent: str
    language: str
    names: tuple[tuple[str, str], ...]

    @classmethod
    def draw(cls, draws: Draws, *, browser: bool, count: int) -> Client:
        """A client that sends ``count`` headers, cookies not counted."""
        if not browser:
            agent = (
                f"{draws.pick(('python-client', 'node-fetch', 'okhttp', 'api-sdk'))}/{draws.below(5)}.{draws.below(30)}"
            )
            return cls(agent, "en", (*_REQUEST[:3], *_REQUEST[5 : 2 + count]))
        version = draws.between(90, 130)
        engine = "AppleWebKit/537.36 (KHTML, like Gecko)"
        agent = f"Mozilla/5.0 (X11; Linux x86_64) {engine} Chrome/{version}.0.0.0 Safari/537.36"
        return cls(agent, draws.pick(("en-US,en;q=0.9", "en-GB,en;q=0.5", "de,en-US;q=0.7,en;q=0.3")), _REQUEST[:count])


@dataclass(frozen=True, slots=True)
class Host:
    """One server: its name, address and connection, what it answers with, and the cookies it has set."""

    name: str
    address: str
    version: str
    connection: str
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[Pair, ...]

    @classmethod
    def draw(cls, draws: Draws, name: str, *, count: int, cookies: int) -> Host:
        """A host whose answers have about ``count`` headers."""
        chosen: list[tuple[str, str]] = []
        for index, (header, value) in enumerate(_RESPONSE):
            if index < count // 2 or draws.chance((count - count // 2) / (len(_RESPONSE) - count // 2)):
                chosen.append((header, value if isinstance(value, str) else draws.pick(value)))
        jar = tuple(
            [pair(f"_{draws.token(draws.between(2, 10))}", draws.token(draws.between(6, 60))) for _ in range(cookies)]
        )
        address = ".".join([str(draws.between(11, 240)) for _ in range(4)])
        return cls(name, address, draws.pick(("h2", "h2", "http/1.1")), str(draws.below(10**6)), tuple(chosen), jar)


def request_headers(draws: Draws, client: Client, host: Host, kind: str, referer: str) -> list[Pair]:
    """The headers of one request."""
    known = {
        ":accept": _ACCEPT.get(kind, "*/*"),
        ":agent": client.agent,
        ":language": client.language,
        ":referer": referer,
        ":host": host.name,
        ":origin": referer[:40].rpartition("/")[0],
    }
    headers = [
        {"name": name, "value": value if value[0] != ":" else known.get(value) or _FRESH[value](draws)}
        for name, value in client.names
    ]
    if host.cookies:
        headers.append(pair("cookie", "; ".join([f"{c['name']}={c['value']}" for c in host.cookies])))
    return headers


def response_headers(draws: Draws, host: Host, mime: str, size: int) -> list[Pair]:
    """The headers of one answer."""
    known = {":mime": mime, ":length": str(size)}
    return [
        {"name": name, "value": value if value[0] != ":" else known.get(value) or _FRESH[value](draws)}
        for name, value in host.headers
    ]


_FRESH: dict[str, Callable[[Draws], str]] = {
    ":date": http_date,
    ":etag": lambda draws: f'"{draws.hex(12)}-{draws.hex(4)}"',
    ":number": lambda draws: str(draws.below(10**5)),
    ":id": lambda draws: draws.hex(32),
    ":node": lambda draws: f"cache-{draws.hex(3)}-{draws.between(1000, 9999)}",
    ":timer": lambda draws: f"S17{draws.below(10**8):08d}.{draws.below(10**6)},VS0,VE{draws.below(40)}",
}


def cookie_list(host: Host) -> list[dict[str, Any]]:
    """The cookies of a request as Chrome writes them."""
    return [{**cookie, "expires": None, "httpOnly": False, "secure": False} for cookie in host.cookies]
