"""What a gate is asked to do, and what follows from it: the two subjects, the captures, the rows of each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from packhorse.bench.gate.config import GateConfig, check_blocks
from packhorse.bench.gate.measure import ARMS, BASE, HEAD
from packhorse.bench.gate.sides import Side, here, project_sides
from packhorse.bench.gate.subjects import Subject, SubjectKind, resolve
from packhorse.bench.race import inputs
from packhorse.bench.race.inputs import CaptureFile
from packhorse.errors import InputError
from packhorse.stores.base import Endpoint

#: The rows of a comparison of profiles, with the slowdown each tolerates.
PROFILE_MARGINS = {"cpu": 0.01, "upload": 0.02}


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
        options: Field of ``config`` → the option that set it, which errors then name.
    """

    base: str
    head: str | None
    project: Path
    config: GateConfig
    own_environments: bool = True
    captures: tuple[Path, ...] = ()
    command: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """The rows of a gate.

    Attributes:
        rows: Arm → the rows as its process gets them.
        margins: Row → tolerated slowdown as a ratio.
        uploads: Whether a row needs an S3 target.
        settings: What else the record has to say of them.
    """

    rows: dict[str, list[dict[str, Any]]]
    margins: dict[str, float]
    uploads: bool
    settings: dict[str, Any] = field(default_factory=dict)

    def send_to(self, endpoint: Endpoint) -> None:
        """Give every row the endpoint, and keys of its own."""
        for arm, rows in self.rows.items():
            self.rows[arm] = [
                {**row, "endpoint": asdict(endpoint), "prefix": f"gate-{arm}-{number}"}
                for number, row in enumerate(rows)
            ]


def find_subjects(request: GateRequest, work: Path) -> tuple[Subject, Subject]:
    """What base and head name.

    Raises:
        InputError: They cannot be compared with each other, or one cannot be read.
    """
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


def find_captures(request: GateRequest, base: Subject, folder: Path) -> list[CaptureFile]:
    """Write the captures into ``folder``: those given, the configured ones, or synthetic ones.

    Raises:
        CaptureError: One cannot be read; the message names it.
    """
    paths = request.captures or tuple(request.project / name for name in request.config.captures)
    if paths:
        return inputs.given(folder, paths)
    seed = int(base.record["seed"]) if base.record is not None else request.config.seed
    return inputs.synthetic(folder, seed)


def make_plan(request: GateRequest, base: Subject, head: Subject) -> Plan:
    """The rows: the declared ones for revisions, ``cpu`` and ``upload`` for profiles.

    Raises:
        InputError: None are declared, or too few blocks to decide them.
    """
    if base.kind is not SubjectKind.REVISION:
        check_blocks(request.config, len(PROFILE_MARGINS), options={"blocks": "blocks (--blocks)"})
        return _profile_plan({BASE: base, HEAD: head})
    rows = request.config.rows
    if not rows:
        raise InputError(
            "gate: no rows are declared; add some to pyproject.toml, for example\n"
            '[[tool.packhorse.gate.rows]]\nname = "encode"\ncall = "myservice.captures:encode"\nmargin = 0.01'
        )
    check_blocks(request.config, len(rows), options=request.options)
    uploads = any(row.uploads for row in rows)
    return Plan({arm: [row.what() for row in rows] for arm in ARMS}, request.config.margins(), uploads)


def _profile_plan(subjects: Mapping[str, Subject]) -> Plan:
    """Each profile uploads with as many in flight as it asks for; the work of a pass is the same for both."""
    in_flight = {side: subject.in_flight for side, subject in subjects.items()}
    specs: dict[str, list[dict[str, Any]]] = {}
    for side, subject in subjects.items():
        cpu = " | ".join(part.strip() for part in subject.pipeline.split("|")[:3])
        upload: dict[str, Any] = {
            "profile": subject.profile,
            "in_flight": subject.in_flight,
            "copies": max(in_flight.values()),
        }
        specs[side] = [{"name": "cpu", "pipeline": cpu}, {"name": "upload", **upload}]
    return Plan(
        {arm: specs[HEAD if arm == HEAD else BASE] for arm in ARMS},
        PROFILE_MARGINS.copy(),
        uploads=True,
        settings={"in_flight": in_flight},
    )


def make_sides(request: GateRequest, base: Subject, head: Subject, work: Path) -> dict[str, Side]:
    """Arm → its side. Revisions are checked out and installed in ``work``, which takes minutes.

    Raises:
        InputError: A revision that there is not, or a side that cannot be installed.
    """
    if base.kind is SubjectKind.REVISION:
        install = request.config.install if request.own_environments else None
        sides = project_sides(request.project, base.text, head.text or None, install, work)
    else:
        sides = (here("base", base.text), here("head", head.text))
    return {arm: sides[1] if arm == HEAD else sides[0] for arm in ARMS}
