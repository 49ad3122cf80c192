"""A whole gate: find the sides, measure, measure again what is not settled, and write down what was seen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from packhorse import __version__
from packhorse.errors import InputError
from packhorse.lab.targets import Target, start_target
from packhorse.race import inputs
from packhorse.race.gate.config import GateConfig, GateRow
from packhorse.race.gate.measure import ARMS, BASE, HEAD, Bench, Probe, measure, probe
from packhorse.race.gate.record import GATE_SCHEMA_VERSION, GateRecord, row_record
from packhorse.race.gate.sides import Side, here, project_sides
from packhorse.race.gate.subjects import Subject, SubjectKind, check_comparable, resolve
from packhorse.race.inputs import CaptureFile
from packhorse.race.machine import describe
from packhorse.race.stats.gate import GateRule, GateState, Stage, first_pass, second_pass

LINK = "loopback"


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What a gate is asked to do.

    Attributes:
        base: A revision, profile or record.
        head: The same kinds; None is the working tree for a revision, and the packaged default otherwise.
        project: A folder inside the user's repository.
        config: See there.
        own_environments: Install each checkout in an environment of its own; else both run in this one.
        captures: The user's captures; none takes the configured ones.
        command: The command line, for the record.
    """

    base: str
    head: str | None
    project: Path
    config: GateConfig
    own_environments: bool = True
    captures: tuple[Path, ...] = ()
    command: str = ""


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


@dataclass(slots=True)
class _Plan:
    """Both sides ready to be measured."""

    sides: dict[str, Side]
    rows: dict[str, list[dict[str, Any]]]
    margins: dict[str, float]
    uploads: bool
    labels: dict[str, str] = field(default_factory=dict)


def run_gate(request: GateRequest, observer: GateObserver) -> GateRecord:
    """Run a gate. Servers, processes and checkouts are gone afterwards, also after an exception.

    Returns:
        The record (``gate.schema.json``), with its verdict.

    Raises:
        InputError: A side cannot be made, no rows, a row that runs on neither side, or records that do not compare.
        WorkerDied: A side's processes keep dying.
    """
    with tempfile.TemporaryDirectory(prefix="packhorse-gate-") as folder:
        work = Path(folder).resolve()
        captures_folder = work / "captures"
        captures_folder.mkdir()
        base, head = _subjects(request, work)
        captures = _captures(request, base, captures_folder)
        check_comparable([base, head], describe(), LINK, {c.name: c.sha256 for c in captures})
        observer.say("making the two sides ready")
        plan = _plan(request, base, head, work)
        target = start_target(request.config.target) if plan.uploads else None
        try:
            _give_target(plan, target)
            bench = Bench(
                plan.sides,
                plan.rows,
                captures_folder,
                [c.name for c in captures],
                request.config.repeats,
                request.config.sample_s,
            )
            return _judge(request, plan, bench, captures, observer)
        finally:
            if target is not None:
                target.stop()


def _subjects(request: GateRequest, work: Path) -> tuple[Subject, Subject]:
    base = resolve(request.base, work)
    if request.head is None:
        head = Subject(SubjectKind.REVISION, "") if base.kind is SubjectKind.REVISION else resolve("default", work)
    else:
        head = resolve(request.head, work)
    if (base.kind is SubjectKind.REVISION) != (head.kind is SubjectKind.REVISION):
        raise InputError(
            f"--base {request.base} is a {base.kind}, --head {request.head} a {head.kind}; "
            "compare two revisions, or two of profile and record"
        )
    return base, head


def _captures(request: GateRequest, base: Subject, folder: Path) -> list[CaptureFile]:
    paths = request.captures or tuple(request.project / name for name in request.config.captures)
    if paths:
        return inputs.given(folder, paths)
    seed = int(base.record["seed"]) if base.record is not None else request.config.seed
    return inputs.synthetic(folder, seed)


def _plan(request: GateRequest, base: Subject, head: Subject, work: Path) -> _Plan:
    if base.kind is SubjectKind.REVISION:
        rows = request.config.rows
        if not rows:
            raise InputError(
                "gate: no rows are declared; add some to pyproject.toml, for example\n"
                '[[tool.packhorse.gate.rows]]\nname = "encode"\ncall = "myservice.captures:encode"\nmargin = 0.01'
            )
        install = request.config.install if request.own_environments else None
        sides = project_sides(request.project, base.text, head.text or None, install, work)
        specs = {side: [row.what() for row in rows] for side in (BASE, HEAD)}
        margins = request.config.margins()
    else:
        sides = (here("base", base.text), here("head", head.text))
        rows = (GateRow("cpu", pipeline="-"), GateRow("upload", profile="-", margin_ratio=0.02))
        specs = {name: _profile_rows(subject) for name, subject in ((BASE, base), (HEAD, head))}
        margins = {row.name: row.margin_ratio for row in rows}
    by_arm = {arm: sides[1] if arm == HEAD else sides[0] for arm in ARMS}
    uploads = any(spec.get("profile") or spec.get("pipeline", "").count("|") == 3 for spec in specs[BASE] + specs[HEAD])
    return _Plan(
        by_arm,
        {arm: specs[HEAD if arm == HEAD else BASE] for arm in ARMS},
        margins,
        uploads,
        {"base": sides[0].label, "head": sides[1].label},
    )


def _profile_rows(subject: Subject) -> list[dict[str, Any]]:
    cpu = " | ".join(part.strip() for part in subject.pipeline.split("|")[:3])
    return [
        {"name": "cpu", "pipeline": cpu},
        {"name": "upload", "profile": subject.profile, "in_flight": 8},
    ]


def _give_target(plan: _Plan, target: Target | None) -> None:
    if target is None:
        return
    for arm, rows in plan.rows.items():
        plan.rows[arm] = [
            {**row, "endpoint": asdict(target.endpoint), "prefix": f"gate-{arm}-{number}"}
            for number, row in enumerate(rows)
        ]


def _judge(
    request: GateRequest, plan: _Plan, bench: Bench, captures: list[CaptureFile], observer: GateObserver
) -> GateRecord:
    names = list(plan.margins)
    observer.say("running every row once on both sides")
    seen = probe(bench, names)
    both = [name for name in names if not any(name in seen.errors[arm] for arm in (BASE, HEAD))]
    _check_runnable(names, both, seen)
    rule = GateRule(margins=plan.margins, alpha=request.config.alpha, seed=request.config.seed)
    state = decide(bench, both, rule, request.config, observer)
    record: GateRecord = {
        "schema_version": GATE_SCHEMA_VERSION,
        "kind": "gate",
        "packhorse_version": __version__,
        "command": request.command,
        "base": plan.labels["base"],
        "head": plan.labels["head"],
        "machine": describe(),
        "link": LINK,
        "target": request.config.target if plan.uploads else None,
        "captures": [{"name": c.name, "sha256": c.sha256, "plain_bytes": c.plain_bytes} for c in captures],
        "settings": {
            "blocks": request.config.blocks,
            "repeats": request.config.repeats,
            "sample_s": request.config.sample_s,
            "alpha": request.config.alpha,
            "seed": request.config.seed,
            "environments": "own" if request.own_environments else "shared",
        },
        "rows": [row_record(name, state, bench, plan.margins[name], seen) for name in names],
        "exit_code": exit_code(state, seen),
        "timings": [timing.as_dict() for timing in bench.timings],
    }
    return record


def decide(bench: Bench, names: Sequence[str], rule: GateRule, config: GateConfig, observer: GateObserver) -> GateState:
    """Measure, and measure again what the first measurement did not settle."""

    def once(rows: Sequence[str], measurement: int) -> Any:
        observer.begin(config.blocks, measurement, rows)
        done: Callable[[], None] = observer.block
        return measure(bench, rows, measurement=measurement, blocks=config.blocks, seed=config.seed, done=done)

    state = first_pass(once(names, 1), rule)
    if state.stage is Stage.MEASURE_AGAIN:
        state = second_pass(state, once(state.measure_again, 2), rule)
    return state


def exit_code(state: GateState, seen: Probe) -> int:
    """The gate's exit status: a row that the change has broken is a regression whatever its time would be."""
    broken = seen.errors[HEAD].keys() - seen.errors[BASE].keys()
    return 1 if broken else state.exit_code


def _check_runnable(names: Sequence[str], both: Sequence[str], seen: Probe) -> None:
    for name in names:
        if name in seen.errors[BASE] and name in seen.errors[HEAD]:
            raise InputError(f"gate: row {name!r} runs on neither side: {seen.errors[HEAD][name]}")
    if not both:
        name, why = next((n, seen.errors[arm][n]) for arm in (HEAD, BASE) for n in names if n in seen.errors[arm])
        raise InputError(f"gate: no row runs on both sides; {name!r}: {why}")


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
