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
class Effort:
    """How much a race measures.

    Attributes:
        time_s: Planned wall time of the whole race, servers and processes included.
        screening, publishing: Parts of it that screening and the published figure may take; the finals get the rest.
        pipelines: CPU pipelines that go to the finals behind the best client.
        clients: Further clients that go there behind the best CPU pipeline.
        processes: The least processes of the finals, whatever the time.
        rounds: Rounds in each of them.
        half_width: The finals end early once no interval in the set is wider to either side.
        screening_s: CPU seconds that one stage's candidate may take on a capture before it is left out as too slow.
        passes: Times that a candidate is screened.
        sample_s: Least seconds of a sample of the finals.
    """

    time_s: float
    screening: float
    publishing: float
    pipelines: int
    clients: int
    processes: int
    rounds: int
    half_width: float
    screening_s: float
    passes: int
    sample_s: float


#: Answers within 60 s of the command on two cores.
QUICK = Effort(
    time_s=48,
    screening=0.20,
    publishing=0.20,
    pipelines=3,
    clients=2,
    processes=3,
    rounds=6,
    half_width=0.05,
    screening_s=0.5,
    passes=3,
    sample_s=0.12,
)
#: About five minutes.
FULL = Effort(
    time_s=300,
    screening=0.14,
    publishing=0.14,
    pipelines=5,
    clients=3,
    processes=6,
    rounds=12,
    half_width=0.02,
    screening_s=2.0,
    passes=5,
    sample_s=0.15,
)
#: The most processes of the finals: beyond them an interval hardly shrinks.
MOST_PROCESSES = 60

#: Targets that a link can be put in front of, and the link that they get unless another is asked for.
LINKED_TARGETS = ("rclone", "moto", "seaweedfs")
DEFAULT_LINK = "same-region"
#: What a record calls the way to an endpoint given by URL.
AS_IT_IS = "as it is (endpoint given by URL)"
#: Captures in flight unless levels are given: what a hand-written loop has.
IN_FLIGHT = 8
MAX_IN_FLIGHT = 256
#: Each further goal adds this part to the planned time.
ALSO_SHARE = 0.15

__all__ = ["FULL", "QUICK", "STEERING", "Effort", "Goal", "Objective", "RaceOptions", "Require"]


@dataclass(frozen=True, slots=True)
class RaceOptions:
    """A race's options.

    Attributes:
        captures: Capture files; none takes the synthetic set.
        target: ``rclone``, ``moto``, ``seaweedfs``, ``aws``, ``memory`` (no server; for tests) or an endpoint's URL.
        bucket: Bucket at that target; the embedded targets make it.
        link: A preset's name or figures (:func:`packhorse.bench.lab.link.model.parse_link`); None for ``same-region``
            in front of a local server, and nothing elsewhere.
        objective: What decides.
        quick: Within a minute instead of about five.
        seed: Seed of orders, synthetic captures and what is held out.
        out_dir: Folder of ``record.json`` and the reports; made when it is missing.
        pipelines: Race exactly these, without screening. Presets' names are allowed.
        in_flight: Concurrency levels in place of eight.
        time_budget_s: Wall time to plan for in place of the effort's own.
        redact: Whether the finals redact, as the uploader does unless told otherwise.
        whole: Let candidates win that hold a whole encoded capture in memory. Otherwise they are screened and shown
            only: the fastest *safe* way is sought, and memory that grows with the capture is not safe.
        wires: Wire formats of encoders that may win. Others are screened and shown, but are not raced end to end:
            their objects are not JSON documents, which is for the user to want.
        also: Goals whose best by the screening go to the finals too, so that the record can be judged for them
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
    redact: bool = True
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
        return (1,) if self.objective is Objective.LATENCY else (IN_FLIGHT,)

    @property
    def time_s(self) -> float:
        """Planned wall time of the whole race in seconds."""
        if self.time_budget_s is not None:
            return self.time_budget_s
        return self.effort.time_s * (1 + ALSO_SHARE * len(self.goals))
