"""Running the study: levels of every way, closer ones around each knee, then the variants."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from benches.studies.parallelism.bounded import FINISHED, run_bounded
from benches.studies.parallelism.level import run_level
from benches.studies.parallelism.plan import FULL, QUICK, Case, Plan
from benches.studies.parallelism.probe import COLUMNS
from benches.studies.parallelism.shape import Feed, TaskShape, feeds, task_shape
from benches.studies.parallelism.spec import MORE_WAYS, PLAIN, WAYS, Level, Row, Variant
from benches.studies.parallelism.summary import goals, level_figures, next_level, stretches, summarize
from packhorse.bench.lab.link.model import LOOPBACK, parse_link
from packhorse.bench.lab.targets import start_target
from packhorse.stores.base import Endpoint

#: Server that everything is uploaded to: its process shares the machine's cores with the service.
TARGET = "rclone"


@dataclass(slots=True)
class Bench:
    """What all runs of one study share, and the rows they have left."""

    plan: Plan
    shape: TaskShape
    feeds: tuple[Feed, ...]
    seed: int
    progress: Callable[[float], None]
    rows: list[Row] = field(default_factory=list)
    cases: list[Row] = field(default_factory=list)

    def run(self, way: str, parallelism: int, endpoint: Endpoint, variant: Variant = PLAIN) -> Row:
        """Run one level and hand back its row; it is not kept yet."""
        window_s = self.plan.window_s * (2 if parallelism == 1 else 1)
        level = Level(
            way, parallelism, endpoint, self.shape, self.feeds, variant, self.plan.warmup_s, window_s,
            seed=self.seed + len(self.rows),
        )  # fmt: skip
        outcome = run_bounded(run_level, level, memory_bytes=level.memory_bound_bytes, time_s=level.time_bound_s)
        last = dict(zip(COLUMNS, outcome.samples[-1], strict=True)) if outcome.samples else {}
        row: Row = {
            "way": way,
            "parallelism": parallelism,
            "variant": asdict(variant),
            "how": outcome.how,
            "error": outcome.error,
            "peak_rss_bytes": outcome.peak_rss_bytes,
            "seconds": round(outcome.seconds, 2),
            "backlog": last.get("backlog", 0),
            "backlog_bytes": last.get("backlog_bytes", 0),
            **(outcome.result if outcome.how == FINISHED else {}),
            "samples": outcome.samples,
        }
        return row

    def measure(self, way: str, parallelism: int, endpoint: Endpoint) -> None:
        """Run one level of a way and keep its row."""
        self.rows.append(self.run(way, parallelism, endpoint))
        self._tell()

    def case(self, case: Case, endpoint: Endpoint) -> None:
        """Run one variant and keep its row."""
        row = self.run(case.way, case.parallelism, endpoint, case.variant)
        self.cases.append({"question": case.question, "name": case.name, "link": case.link, **row})
        self._tell()

    def _tell(self) -> None:
        self.progress(min(1.0, (len(self.rows) + len(self.cases)) / self.plan.runs(len(WAYS))))


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the study against a local server and return its result document.

    Ctrl-C ends it; the document then holds what was measured so far and says ``interrupted``.
    """
    shape = task_shape()
    bench = Bench(QUICK if quick else FULL, shape, feeds(shape, seed), seed, progress)
    interrupted = False
    version = ""
    try:
        with start_target(TARGET) as target:
            version = target.version
            _levels(bench, target.endpoint)
        _cases(bench)
    except KeyboardInterrupt:
        interrupted = True
    progress(1.0)
    return _document(bench, version, interrupted=interrupted)


def _levels(bench: Bench, endpoint: Endpoint) -> None:
    """Every level once per repeat, its ways in a seeded order, reversed in every other repeat; then closer levels."""
    source = random.Random(bench.seed)
    orders = [source.sample(list(WAYS), len(WAYS)) for _ in bench.plan.levels]
    for repeat in range(bench.plan.repeats):
        for parallelism, order in zip(bench.plan.levels, orders, strict=True):
            for way in order if repeat % 2 == 0 else reversed(order):
                bench.measure(way, parallelism, endpoint)
    for _ in range(bench.plan.refinements):
        summary = summarize(bench.rows)
        for way in WAYS:
            closer = next_level(summary.get(way, {}))
            if closer is not None:
                for _ in range(bench.plan.repeats):
                    bench.measure(way, closer, endpoint)


def _cases(bench: Bench) -> None:
    """The variants, link by link: each link with a server of its own."""
    for link in dict.fromkeys(case.link for case in bench.plan.cases):
        simulated = None if link == LOOPBACK else parse_link(link)
        with start_target(TARGET, link=simulated) as target:
            for case in bench.plan.cases:
                if case.link == link:
                    bench.case(case, target.endpoint)


def _document(bench: Bench, server: str, *, interrupted: bool) -> dict[str, Any]:
    found = summarize(bench.rows)
    summary = {way: found[way] for way in WAYS if way in found}
    single, _ = stretches([row for row in bench.rows if row["way"] == "packhorse" and row["parallelism"] == 1])
    base = sum(single) / len(single) if single else None
    plan = bench.plan
    return {
        "settings": {
            "seed": bench.seed,
            "target": TARGET,
            "server": server,
            "link": LOOPBACK,
            "task": asdict(bench.shape),
            "ways": {name: asdict(way) for name, way in (WAYS | MORE_WAYS).items()},
            "levels": list(plan.levels),
            "repeats": plan.repeats,
            "refinements": plan.refinements,
            "warmup_s": plan.warmup_s,
            "window_s": plan.window_s,
        },
        "interrupted": interrupted,
        "goals": goals(summary),
        "levels": {way: {str(n): figures for n, figures in levels.items()} for way, levels in summary.items()},
        "cases": [_case(row, base) for row in bench.cases],
        "links": {name: parse_link(name).to_record() for name in dict.fromkeys(case.link for case in plan.cases)},
        "columns": list(COLUMNS),
        "samples": [*bench.rows, *bench.cases],
    }


def _case(row: Row, base: float | None) -> dict[str, Any]:
    kept = {key: row[key] for key in ("question", "name", "link", "way", "parallelism")}
    return {**kept, **level_figures([row], base)}
