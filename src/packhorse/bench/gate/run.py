"""A whole gate: find the sides, measure, measure again what is not settled, and write down what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

from packhorse import __version__
from packhorse.bench.gate.config import GateConfig
from packhorse.bench.gate.measure import BASE, HEAD, Bench, measure
from packhorse.bench.gate.plan import GateRequest, Plan, find_captures, find_subjects, make_plan, make_sides
from packhorse.bench.gate.probe import Probe, probe
from packhorse.bench.gate.process import recordable
from packhorse.bench.gate.record import GateCapture, GateRecord
from packhorse.bench.gate.rows import row_record
from packhorse.bench.gate.subjects import check_comparable
from packhorse.bench.lab.folder import work_folder
from packhorse.bench.lab.targets import start_target
from packhorse.bench.race.clock import with_children
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.machine import describe, scrub
from packhorse.bench.stats.gate import (
    EXIT_REGRESSED,
    EXIT_UNRESOLVED,
    GateRule,
    GateState,
    RowData,
    Stage,
    two_passes,
)
from packhorse.errors import InputError

__all__ = ["LINK", "GateObserver", "GateRequest", "run_gate", "with_rows"]

LINK = "loopback"


class GateObserver(Protocol):
    """What a gate tells while it runs."""

    def say(self, text: str) -> None:
        """A step begins."""
        ...

    def begin(self, blocks: int, measurement: int, rows: Sequence[str]) -> None:
        """A measurement begins."""
        ...

    def block(self) -> None:
        """A block is done."""
        ...


def run_gate(request: GateRequest, observer: GateObserver) -> GateRecord:
    """Run a gate. Servers, processes and checkouts are gone afterwards, also after an exception.

    A KeyboardInterrupt ends the measuring early: what was measured is returned, with ``interrupted`` set. Before
    anything was measured it passes through.

    Returns:
        The record (``gate.schema.json``), with its verdict.

    Raises:
        InputError: A side cannot be made, no rows, a row that runs on neither side, or records that do not compare.
        WorkerDied: A side's processes die before they come to any row.
        ServerError: The local S3 server does not start.
    """
    with ExitStack() as stack:
        work = stack.enter_context(work_folder("gate")).resolve()
        captures_folder = work / "captures"
        captures_folder.mkdir()
        # What is cheap to find out comes before what takes minutes.
        base, head = find_subjects(request, work)
        plan = make_plan(request, base, head)
        captures = find_captures(request, base, captures_folder)
        check_comparable([base, head], describe(), LINK, {c.name: c.sha256 for c in captures})
        servers: list[int] = []
        if plan.uploads:
            target = stack.enter_context(start_target(request.config.target))
            plan.send_to(target.endpoint)
            servers = with_children(target.server.pid) if target.server is not None else []
        observer.say("making the two sides ready")
        bench = Bench(
            make_sides(request, base, head, work),
            plan.rows,
            captures_folder,
            [c.name for c in captures],
            request.config.repeats,
            request.config.sample_s,
            servers=servers,
            drop_failing=True,
        )
        found = _judge(request.config, plan, bench, observer)
    return _record(request, plan, bench, captures, found)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the measuring came to."""

    seen: Probe
    state: GateState
    interrupted: bool


def _judge(config: GateConfig, plan: Plan, bench: Bench, observer: GateObserver) -> _Found:
    names = list(plan.margins)
    observer.say("running every row once on both sides")
    seen = probe(bench, names)
    _check_runnable(names, seen)
    interrupted = False

    def once(rows: Sequence[str], number: int) -> dict[str, RowData]:
        nonlocal interrupted
        if not rows:
            return {}
        observer.begin(config.blocks, number, rows)
        try:
            return measure(bench, rows, measurement=number, blocks=config.blocks, seed=config.seed, done=observer.block)
        except KeyboardInterrupt:
            interrupted = True
            return {}

    rule = GateRule(margins=plan.margins, alpha=config.alpha)
    try:
        state = two_passes(once, [name for name in names if seen.failure(name) is None], rule)
    except KeyboardInterrupt:  # while the figures were made of what was measured
        state, interrupted = GateState(Stage.DECIDED, {}), True
    for (side, row), reason in bench.failures.items():
        seen.errors[side].setdefault(row, reason)
    return _Found(seen, state, interrupted)


def _record(
    request: GateRequest, plan: Plan, bench: Bench, captures: Sequence[CaptureFile], found: _Found
) -> GateRecord:
    config = request.config
    code = EXIT_UNRESOLVED if found.interrupted else exit_code(found.state, found.seen)
    return GateRecord(
        schema_version=2,
        kind="gate",
        packhorse_version=__version__,
        command=recordable(request.command),
        base=recordable(scrub(bench.sides[BASE].label)),
        head=recordable(scrub(bench.sides[HEAD].label)),
        machine=describe(),
        link=LINK,
        target=config.target if plan.uploads else None,
        captures=[GateCapture(recordable(c.name), c.sha256, c.plain_bytes) for c in captures],
        settings={
            "blocks": config.blocks,
            "repeats": config.repeats,
            "sample_s": config.sample_s,
            "alpha": config.alpha,
            "seed": config.seed,
            "environments": "own" if request.own_environments else "shared",
            **plan.settings,
        },
        rows=[row_record(name, found.state, bench, margin, found.seen) for name, margin in plan.margins.items()],
        exit_code=code,  # type: ignore[arg-type]
        timings=bench.timings,
        interrupted=found.interrupted,
        incidents=bench.incidents,
    )


def exit_code(state: GateState, seen: Probe) -> int:
    """The gate's exit status: by the rows that were compared, and by those that could not be.

    A row that the change has broken is a regression whatever its time would be; one whose base could not be measured
    leaves the gate unresolved. New rows count for nothing; where there are no others, nothing is resolved either.
    """
    outcomes = {failure[0] for row in {**seen.errors[BASE], **seen.errors[HEAD]} if (failure := seen.failure(row))}
    if "broken" in outcomes or state.exit_code == EXIT_REGRESSED:
        return EXIT_REGRESSED
    return EXIT_UNRESOLVED if "base failed" in outcomes else state.exit_code


def _check_runnable(names: Sequence[str], seen: Probe) -> None:
    """Refuse a row that nobody can run. One that is new and fails is not such a row: the change brought it broken."""
    for name in names:
        both = name in seen.errors[BASE] and name in seen.errors[HEAD]
        if both and not (name in seen.missing[BASE] and name not in seen.missing[HEAD]):
            raise InputError(f"gate: row {name!r} runs on neither side: {seen.errors[HEAD][name]}")


def with_rows(config: GateConfig, wanted: Sequence[str]) -> GateConfig:
    """The configuration with some of its rows only.

    Raises:
        InputError: A name that no row has.
    """
    known = {row.name for row in config.rows}
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise InputError(f"--row {unknown}: there is no such row; there are {', '.join(sorted(known)) or 'none'}")
    return replace(config, rows=tuple(row for row in config.rows if row.name in wanted)) if wanted else config
