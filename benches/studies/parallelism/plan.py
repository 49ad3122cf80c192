"""Which levels and variants a study runs: data."""

from __future__ import annotations

from dataclasses import dataclass

from benches.studies.parallelism.spec import PLAIN, Variant
from packhorse.bench.lab.link.model import LOOPBACK

#: Where a round trip makes the pool matter, and where bandwidth is short.
FAR_LINK, SLOW_LINK = "cross-region", "home"


@dataclass(frozen=True, slots=True)
class Case:
    """One variant run: what question it belongs to, under which name, which way, at which parallelism and link."""

    question: str
    name: str
    way: str
    parallelism: int
    variant: Variant = PLAIN
    link: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class Plan:
    """How thorough a study is.

    Attributes:
        levels: Parallelisms that every way runs at, ascending, 1 first.
        refinements: Further levels per way between the last good and the first bad one.
        repeats: Runs per level, spread over the study.
        warmup_s, window_s: Of each run. Runs of one task at a time last twice as long: all ratios stand on them.
        cases: Variants, after the levels.
    """

    levels: tuple[int, ...]
    refinements: int
    repeats: int
    warmup_s: float
    window_s: float
    cases: tuple[Case, ...]

    def runs(self, ways: int) -> int:
        """Runs at the most."""
        return ways * (len(self.levels) + self.refinements) * self.repeats + len(self.cases)


def _gc(modes: tuple[str, ...], parallelism: int) -> tuple[Case, ...]:
    return tuple(Case("gc", mode, "packhorse", parallelism, Variant(gc=mode)) for mode in modes)


def _logging(names: tuple[str, ...], parallelism: int) -> tuple[Case, ...]:
    return tuple(Case("logging", name, "packhorse", parallelism, Variant(logging=name)) for name in names)


def _pools(sizes: tuple[int, ...], parallelism: int, link: str) -> tuple[Case, ...]:
    """The collector is tuned, so that the pool is what is left to differ."""
    tuned = "freeze+thresholds"
    return tuple(Case("pool", f"{n} ({link})", "quick", parallelism, Variant(pool=n, gc=tuned), link) for n in sizes)


def _slow_link(ways: tuple[str, ...], parallelism: int) -> tuple[Case, ...]:
    """More captures than the link carries: what becomes of those that wait."""
    return tuple(Case("link", f"{way} ({SLOW_LINK})", way, parallelism, link=SLOW_LINK) for way in ways)


FULL = Plan(
    levels=(1, 10, 30, 100, 300),
    refinements=3,
    repeats=2,
    warmup_s=1.5,
    window_s=5.0,
    cases=(
        *_gc(("default", "freeze", "thresholds", "freeze+thresholds", "off"), 100),
        *_logging(("none", "stdlib", "structlog", "stdlib+payload", "structlog+payload"), 30),
        *_pools((10, 50, 256), 120, LOOPBACK),
        *_pools((10, 50, 256), 120, FAR_LINK),
        *_slow_link(("floating", "quick", "common", "packhorse"), 30),
        Case("redaction", "off", "packhorse", 30),
        Case("redaction", "on", "packhorse", 30, Variant(redact=True)),
    ),
)
QUICK = Plan(
    levels=(1, 10, 30, 100),
    refinements=0,
    repeats=1,
    warmup_s=1.0,
    window_s=1.5,
    cases=(
        *_gc(("default", "freeze+thresholds"), 100),
        *_logging(("none", "stdlib+payload", "structlog+payload"), 30),
        *_pools((10, 256), 120, FAR_LINK),
        *_slow_link(("quick", "packhorse"), 30),
    ),
)
