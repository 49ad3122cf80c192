"""A visit: one page with what it loads, or one session with an API. All that its entries share is drawn once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from packhorse.bench.synth.bodies import Body, Library
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.entries import Exchange, Page, entry, frame
from packhorse.bench.synth.headers import Client, Host
from packhorse.bench.synth.populations import Population
from packhorse.bench.synth.words import dashed

_MEDIA = ("image", "font")
_EXTENSIONS = {"script": ".js", "image": ".png", "style": ".css", "font": ".woff2", "drawing": ".svg", "page": ""}


class Visit:
    """The shared state of one visit.

    Args:
        draws: Where the randomness comes from.
        population: What the capture is like.
        library: What bodies are written with.
        page: Id of the page that entries refer to.
    """

    def __init__(self, draws: Draws, population: Population, library: Library, page: str) -> None:
        self._draws = draws
        self._population = population
        self._library = library
        self._bodied = draws.quantile(population.bodied)
        self._repeated = draws.quantile(population.repeated)
        self._foreign = draws.chance(population.foreign)
        media = draws.quantile(population.media_weight)
        self._kinds = tuple([(kind, w * media if kind in _MEDIA else w) for kind, w in population.kinds])
        client = Client.draw(draws, browser=population.browser, count=draws.between(*population.request_headers))
        # An API has one address throughout the capture; a page brings its own hosts.
        naming = draws if population.browser else library.naming
        self._hosts = [self._host(naming, index) for index in range(max(1, int(draws.quantile(population.hosts))))]
        url = f"https://{self._hosts[0].name}/{draws.zipf(library.words)}/"
        frames = tuple([frame(draws, f"{url}{draws.pick(library.words)}.js") for _ in range(draws.between(4, 20))])
        self._page = Page(page, url, client, frames, draws.chance(population.whole_ms))

    def _host(self, draws: Draws, index: int) -> Host:
        prefix = draws.pick(("cdn", "static", "img", "ads", "t")) if self._population.browser and index else "www"
        name = f"{prefix}.{dashed(draws, self._library.words)[:12]}.example"
        count = draws.between(*self._population.response_headers)
        return Host.draw(draws, name, count=count, cookies=int(draws.quantile(self._population.cookies)))

    def entry(self, limit_chars: int, started_ms: int) -> dict[str, Any]:
        """The visit's next entry; its body has at most about ``limit_chars`` characters."""
        draws = self._draws
        host = draws.zipf(self._hosts)
        kind = draws.weighted(self._kinds)
        chars = int(draws.quantile(self._population.body_chars[kind]))
        body: Body | None = None
        if draws.chance(self._bodied):
            if draws.chance(self._repeated):
                body = self._library.repeated(draws, limit_chars)
            if body is None:
                body = self._library.body(draws, kind, max(min(chars, limit_chars), 2), foreign=self._foreign)
            kind = body.kind
        exchange = Exchange(self._page, host, kind, self._url(host, kind), body)
        return entry(draws, exchange, self._population, started_ms=started_ms, size=chars)

    def _url(self, host: Host, kind: str) -> str:
        draws, words = self._draws, self._library.words
        path = "/".join([dashed(draws, words)[:24] for _ in range(draws.between(1, 2))])
        if kind in _EXTENSIONS:
            stamp = draws.pick(("", f"-{draws.hex(8)}", f".{draws.hex(20)}"))
        else:
            stamp = f"/{draws.below(10**5)}"
        return f"https://{host.name}/{path}{stamp}{_EXTENSIONS.get(kind, '')}"


def visit_lengths(draws: Draws, population: Population, entries: int) -> Iterator[int]:
    """Entries of each visit, without end; the first is long enough to hold a small capture whole."""
    first = min(entries, int(population.visit_entries[4]))
    yield max(first, int(draws.quantile(population.visit_entries)))
    while True:
        yield max(1, int(draws.quantile(population.visit_entries)))
