"""What each population of captures looks like, as data.

Knots are quantiles (see :data:`~packhorse.bench.synth.draws.KNOT_POSITIONS`) of 167 recorded captures, body sizes by
kind among them; where a survey gave only the median, the 95th percentile and the spread of the logarithms, the
other knots lie on the two-sided lognormal curve through them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packhorse.bench.synth.draws import Knots

#: Sizes of bodies in characters of text as a browser export holds them (base64 for images and fonts).
BODY_CHARS: dict[str, Knots] = {
    "script": (60, 320, 2730, 12049, 35700, 94800, 171600, 400000, 472000),
    "image": (60, 90, 600, 2839, 13600, 56000, 130400, 440000, 1042000),
    "style": (60, 220, 900, 2710, 13000, 38000, 65100, 180000, 252000),
    "page": (120, 350, 3600, 10052, 19500, 37000, 55000, 112000, 190000),
    "font": (6000, 8000, 17000, 32290, 69000, 137000, 209000, 210000, 210000),
    "drawing": (250, 400, 2700, 10108, 31000, 84000, 152000, 290000, 353000),
    "plain": (10, 18, 30, 36, 150, 6000, 31000, 80000, 103000),
    "json": (20, 60, 500, 2356, 5000, 7000, 7579, 7579, 7579),
}
#: Sizes of the answers of recorded JSON APIs.
API_CHARS: Knots = (2, 15, 150, 1300, 4300, 13500, 32000, 105000, 460000)
#: Sizes of the answers in traffic with language models and media, where there is a body at all.
LLM_CHARS: dict[str, Knots] = {
    "media": (800, 4000, 20000, 70000, 151000, 600000, 1051000, 1051000, 1051000),
    "stream": (600, 1250, 2600, 4311, 12000, 40000, 74000, 180000, 327000),
    "json": (20, 60, 100, 138, 300, 500, 1000, 2000, 2000),
}


@dataclass(frozen=True, slots=True)
class Population:
    """One population.

    Attributes:
        visit_entries: Entries that belong together: one page and what it loads, or one session with an API.
        kinds: Kinds of answers and how often each occurs.
        body_chars: Body sizes by kind.
        bodied: Share of entries that have a body, drawn per visit.
        repeated: Share of bodies that repeat an earlier body, drawn per visit.
        media_weight: Factor on the weight of images and fonts, drawn per visit.
        hosts: Hosts per visit.
        cookies: Cookies per host.
        request_headers: Fewest and most headers of a client's requests, cookies not counted.
        response_headers: Fewest and most headers of a host's answers.
        recurring: Share of an API's records that were shown before.
        whole_ms: Share of visits whose recorder timed in whole milliseconds.
        scripted: Share of requests that a script began; their entries carry its call stack.
        queries: Share of URLs with a query string.
        foreign: Share of visits with text outside ASCII.
        posts: Share of requests that carry data.
        browser: True when the recorder was a browser (initiators, priorities, pages).
    """

    visit_entries: Knots
    kinds: tuple[tuple[str, float], ...]
    body_chars: dict[str, Knots]
    bodied: Knots
    repeated: Knots
    hosts: Knots
    cookies: Knots
    request_headers: tuple[int, int]
    response_headers: tuple[int, int]
    foreign: float
    posts: float
    recurring: float = 0.5
    whole_ms: float = 0.3
    scripted: float = 0.25
    queries: float = 0.2
    browser: bool = True
    media_weight: Knots = field(default=(1, 1, 1, 1, 1, 1, 1, 1, 1))


_BROWSER_KINDS = (
    ("script", 0.39),
    ("image", 0.288),
    ("style", 0.123),
    ("page", 0.108),
    ("font", 0.022),
    ("drawing", 0.022),
    ("plain", 0.023),
    ("json", 0.016),
)
_NEVER: Knots = (0, 0, 0, 0, 0, 0, 0, 0, 0)
_ALWAYS: Knots = (1, 1, 1, 1, 1, 1, 1, 1, 1)

POPULATIONS: dict[str, Population] = {
    "browser": Population(
        visit_entries=(2, 3, 7, 12, 22, 54, 82, 130, 160),
        kinds=_BROWSER_KINDS,
        body_chars=BODY_CHARS,
        bodied=(0.2, 0.25, 0.46, 0.78, 1, 1, 1, 1, 1),
        repeated=(0, 0, 0, 0, 0.05, 0.6, 0.75, 0.8, 0.8),
        media_weight=(0, 0, 0.1, 0.9, 2.5, 7, 11, 20, 30),
        hosts=(1, 1, 2, 2.4, 5, 8, 9, 15, 20),
        cookies=(0, 0, 0, 1, 2, 4, 5, 12, 21),
        request_headers=(6, 11),
        response_headers=(7, 14),
        foreign=0.3,
        posts=0.04,
    ),
    "headers": Population(
        visit_entries=(8, 10, 17, 38, 160, 285, 550, 730, 800),
        kinds=_BROWSER_KINDS,
        body_chars=BODY_CHARS,
        bodied=_NEVER,
        repeated=_NEVER,
        hosts=(1, 1.6, 2.3, 6.5, 33, 67, 86, 140, 150),
        cookies=(0, 0, 0, 0.5, 2, 6, 9, 15, 23),
        request_headers=(3, 8),
        response_headers=(9, 18),
        foreign=0.05,
        whole_ms=0.85,
        scripted=0.6,
        queries=0.4,
        posts=0.026,
    ),
    "api": Population(
        visit_entries=(100, 100, 200, 300, 500, 700, 900, 1000, 1000),
        kinds=(("records", 1.0),),
        body_chars={"records": API_CHARS},
        bodied=_ALWAYS,
        repeated=(0, 0, 0.003, 0.01, 0.1, 0.2, 0.2, 0.2, 0.2),
        hosts=_ALWAYS,
        cookies=_NEVER,
        request_headers=(5, 8),
        response_headers=(13, 21),
        foreign=0.2,
        recurring=0.71,
        whole_ms=1.0,
        posts=0.65,
        browser=False,
    ),
    "llm": Population(
        visit_entries=(300, 300, 500, 667, 800, 900, 900, 900, 900),
        kinds=(("media", 0.5), ("stream", 0.489), ("json", 0.011)),
        body_chars=LLM_CHARS,
        bodied=(0.1, 0.1, 0.12, 0.13, 0.14, 0.15, 0.16, 0.2, 0.2),
        repeated=(0.7, 0.71, 0.73, 0.75, 0.77, 0.79, 0.8, 0.8, 0.8),
        hosts=_ALWAYS,
        cookies=_NEVER,
        request_headers=(6, 6),
        response_headers=(7, 10),
        foreign=0.0,
        whole_ms=1.0,
        posts=0.93,
        browser=False,
    ),
}
