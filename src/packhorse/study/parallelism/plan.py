"""Which levels and variants a study runs: data."""

from __future__ import annotations

from dataclasses import dataclass

from packhorse.study.parallelism.spec import PLAIN, Variant


@dataclass(frozen=True, slots=True)
class Case:
    """One variant run: what question it belongs to, under which name, which way, at which parallelism and link."""

    question: str
    name: str
    way: str
    parallelism: int
    variant: Variant = PLAIN
    link: str = "loopback"


@dataclass(frozen=True, slots=True)
class Plan:
    """How thorough a study is.

    Attributes:
        levels: Parallelisms that every way runs at, ascending, 1 first.
        refinements: Further levels per way between the last good and the first bad one.
        repeats: Runs per level, spread over the study.
        warmup_s, window_s: Of each run.
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
    return tuple(Case("pool", f"{n} ({link})", "quick", parallelism, Variant(pool=n), link) for n in sizes)


FULL = Plan(
    levels=(1, 3, 10, 30, 100, 300),
    refinements=3,
    repeats=2,
    warmup_s=1.5,
    window_s=5.0,
    cases=(
        *_gc(("default", "freeze", "thresholds", "freeze+thresholds", "off"), 100),
        *_logging(("none", "stdlib", "structlog", "stdlib+payload", "structlog+payload"), 30),
        *_pools((10, 50, 256), 100, "loopback"),
        Case("redaction", "off", "packhorse", 30),
        Case("redaction", "on", "packhorse", 30, Variant(redact=True)),
    ),
)
QUICK = Plan(
    levels=(1, 10, 30, 100),
    refinements=0,
    repeats=1,
    warmup_s=1.0,
    window_s=2.0,
    cases=(
        *_gc(("default", "freeze+thresholds"), 100),
        *_logging(("none", "stdlib+payload", "structlog+payload"), 30),
        *_pools((10, 256), 100, "loopback"),
    ),
)
