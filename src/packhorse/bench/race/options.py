"""What a race is asked to do, and how it shares out its time. All bounds on the race's effort are here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from packhorse.bench.lab.link.model import Link, parse_link
from packhorse.bench.race.cost import Tariff
from packhorse.bench.race.goals import Goal, Require, goal
from packhorse.bench.race.objective import STEERING, Objective
from packhorse.errors import InputError


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """One phase's part of a race.

    Attributes:
        share: Part of the race's whole time.
        min_blocks: Blocks that are measured even when the time is used up.
        max_blocks: Blocks after which the phase ends although there is time left.
    """

    share: float
    min_blocks: int
    max_blocks: int


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a race measures.

    Attributes:
        time_s: Planned wall time of the whole race, servers and processes included.
        ceiling, screen, cross, stores, finals, alone, held_out: The phases in their order (memory takes what is left).
        encoders, compressors: Stage survivors that are crossed.
        finalists: CPU pipelines that are raced end to end.
        store_finalists: Store clients that are raced with every finalist.
        in_flight: Concurrency levels that store clients are tried at.
        in_flight_linked: The same on a link with round trips, where more in flight is the whole story.
        min_sample_s, max_sample_s: A sample is repeated until the first, and held to the second unless too few captures
            would be in flight.
    """

    time_s: float
    ceiling: PhasePlan
    screen: PhasePlan
    cross: PhasePlan
    stores: PhasePlan
    finals: PhasePlan
    alone: PhasePlan
    held_out: PhasePlan
    encoders: int
    compressors: int
    finalists: int
    store_finalists: int
    in_flight: tuple[int, ...]
    in_flight_linked: tuple[int, ...]
    min_sample_s: float
    max_sample_s: float


#: Ends within 60 s on two cores: 44 s are planned, the rest is for a noisy machine and the last block of each phase.
QUICK = Effort(
    time_s=44,
    ceiling=PhasePlan(0.03, 2, 2),
    screen=PhasePlan(0.17, 2, 6),
    cross=PhasePlan(0.10, 3, 8),
    stores=PhasePlan(0.15, 2, 4),
    finals=PhasePlan(0.31, 6, 12),
    alone=PhasePlan(0.04, 1, 1),
    held_out=PhasePlan(0.12, 2, 6),
    encoders=2,
    compressors=3,
    finalists=2,
    store_finalists=2,
    in_flight=(2, 8),
    in_flight_linked=(8, 16),
    min_sample_s=0.05,
    max_sample_s=0.4,
)
#: Ends within 6 min on two cores.
FULL = Effort(
    time_s=315,
    ceiling=PhasePlan(0.02, 3, 6),
    screen=PhasePlan(0.18, 4, 10),
    cross=PhasePlan(0.12, 4, 10),
    stores=PhasePlan(0.14, 4, 8),
    finals=PhasePlan(0.36, 8, 24),
    alone=PhasePlan(0.03, 1, 2),
    held_out=PhasePlan(0.11, 8, 12),
    encoders=3,
    compressors=5,
    finalists=3,
    store_finalists=3,
    in_flight=(1, 8, 32),
    in_flight_linked=(8, 32, 64),
    min_sample_s=0.1,
    max_sample_s=1.0,
)

#: Targets that a link can be put in front of, and the link that they get unless another is asked for.
LINKED_TARGETS = ("rclone", "moto")
DEFAULT_LINK = "same-region"
#: What a record calls the way to an endpoint given by URL.
AS_IT_IS = "as it is (endpoint given by URL)"
#: Answers later than this make a link one with round trips.
ROUND_TRIPS_MS = 5.0
#: Captures in flight that the reference is compared at, and that the target's ceiling is measured with.
REFERENCE_IN_FLIGHT = 8
#: A pipeline that reaches this part of the target's ceiling may be limited by the target.
CEILING_SHARE = 0.7
MAX_IN_FLIGHT = 1024
#: Part of the planned time that each further goal adds: its pipelines run in every block of the finals.
ALSO_SHARE = 0.15

__all__ = ["FULL", "QUICK", "STEERING", "Effort", "Objective", "PhasePlan", "RaceOptions", "Require"]


@dataclass(frozen=True, slots=True)
class RaceOptions:
    """Everything that a race depends on beside the machine.

    Attributes:
        captures: Files to race on; empty for the seeded synthetic set.
        target: ``rclone``, ``moto``, ``memory`` (no server at all: CPU only, for tests) or an endpoint's URL.
        bucket: Bucket at that target; the embedded targets make it.
        link: A preset's name or figures (:func:`packhorse.bench.lab.link.model.parse_link`); None for ``same-region``
            in front of a local server, and nothing elsewhere.
        objective: What decides.
        quick: About a minute instead of about five.
        seed: Seed of orders, synthetic captures and resampling.
        out_dir: Folder of ``record.json`` and ``report.md``; made when it is missing.
        pipelines: Race exactly these end to end, without screening. Presets' names are allowed.
        in_flight: Concurrency levels in place of the effort's own.
        time_budget_s: Wall time to plan for in place of the effort's own.
        whole: Let candidates win that hold a whole encoded capture in memory. Otherwise they are screened and shown
            only: the fastest *safe* way is sought, and memory that grows with the capture is not safe.
        wires: Wire formats of encoders that may win. Others are screened and shown, but are not raced end to end:
            their objects are not JSON documents, which is for the user to want.
        also: Goals whose best survivors of the screening go end to end too, so that the record can be judged for them
            (:data:`packhorse.bench.race.goals.GOALS`).
        require: Let only pipelines be chosen whose objects meet this; all are measured and shown.
        tariff: Prices and retention that ``cost`` is reckoned with; None for the packaged ones.
    """

    captures: tuple[Path, ...] = ()
    target: str = "rclone"
    bucket: str = "packhorse-race"
    link: str | None = None
    objective: Objective = Objective.THROUGHPUT
    quick: bool = False
    seed: int = 1
    out_dir: Path = field(default_factory=lambda: Path("packhorse-race"))
    pipelines: tuple[str, ...] | None = None
    in_flight: tuple[int, ...] | None = None
    time_budget_s: float | None = None
    wires: tuple[str, ...] = ("json",)
    whole: bool = False
    also: tuple[str, ...] = ()
    require: Require | None = None
    tariff: Tariff | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be raced.

        Raises:
            InputError: Says which option and what is allowed.
        """
        if self.in_flight is not None and not (
            self.in_flight and all(1 <= level <= MAX_IN_FLIGHT for level in self.in_flight)
        ):
            raise InputError(f"in_flight: give one or more levels from 1 to {MAX_IN_FLIGHT}, not {self.in_flight}")
        if self.link is not None and self.target not in LINKED_TARGETS:
            raise InputError(f"--link: target {self.target!r} is reached as it is; a link is for local servers")
        self.declared_link()  # found out before anything is started
        if self.time_budget_s is not None and self.time_budget_s <= 0:
            raise InputError(f"--time: give seconds above 0, not {self.time_budget_s}")
        if self.pipelines is not None and not self.pipelines:
            raise InputError("pipelines: give at least one pipeline, or none at all to have the stages screened")
        if self.also and self.pipelines is not None:
            raise InputError("also: pipelines were given, so none are chosen; name what else is to be raced")
        for text in self.also:
            goal(text, self.objective)
        names = [path.name for path in self.captures]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"two captures are called {twice!r}; a record tells captures apart by file name")

    def declared_link(self) -> Link | None:
        """The link between client and server; None where there is none to declare (no server, or a URL).

        Raises:
            InputError: ``link`` is no preset, or has a figure that cannot be.
        """
        return parse_link(self.link or DEFAULT_LINK) if self.target in LINKED_TARGETS else None

    @property
    def link_name(self) -> str:
        """The link as a record names it."""
        link = self.declared_link()
        if link is not None:
            return link.name
        return "loopback" if self.target == "memory" else AS_IT_IS

    @property
    def effort(self) -> Effort:
        """The preset chosen by ``quick``."""
        return QUICK if self.quick else FULL

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What the record is to be judged for beside its own objective."""
        return tuple(goal(text, self.objective) for text in dict.fromkeys(self.also))

    @property
    def levels(self) -> tuple[int, ...]:
        """Concurrency levels, ascending. Latency is judged with one capture in flight unless levels are given."""
        if self.in_flight is not None:
            return tuple(sorted(set(self.in_flight)))
        if self.objective is Objective.LATENCY:
            return (1,)
        link = self.declared_link()
        linked = link is not None and link.answer_ms > ROUND_TRIPS_MS
        return self.effort.in_flight_linked if linked else self.effort.in_flight

    @property
    def time_s(self) -> float:
        """Planned wall time of the whole race in seconds."""
        if self.time_budget_s is not None:
            return self.time_budget_s
        return self.effort.time_s * (1 + ALSO_SHARE * len(self.goals))
