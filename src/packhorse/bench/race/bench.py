"""Where a race's phases run: captures, target and seed, and the child processes that are given tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from packhorse.bench.child import Child, ChildEnded
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.machine import scrub
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.progress import Observer
from packhorse.bench.race.record_types import (
    ErrorRow,
    Look,
    RoundRow,
    StageRow,
)
from packhorse.bench.race.spec import Arm, Sample, Task
from packhorse.bench.sampler import count_rounds

#: Child processes by phase.
_MAINS = {
    "finals": "packhorse.bench.race.racers:main",
    "published": "packhorse.bench.race.racers:main",
    "memory": "packhorse.bench.race.memory:main",
    "screening": "packhorse.bench.race.screener:main",
}


@dataclass(slots=True)
class Findings:
    """What a race has found out so far; its record can be made from it at any time.

    Attributes:
        captures, held_out: Files raced on and files of the last measurement, with ``held_out_note`` saying which.
        samples, warmups: Phase → samples.
        rounds: Every round of finals and publication.
        looks: Of the finals.
        arms, published_arms: Arms of the finals, and of the publication.
        stages: Screening, by stage.
        errors: What failed.
        eligible: Arms that may be chosen; ``for_text``: only where text is required; ``for_goals``: never leave early.
        peaks: Arm → peak and working memory in bytes.
        bundle: Captures in a sample of the finals.
        process_s, round_s: Seconds that each process of the finals took, and each of their rounds; ``check_s`` is what
            the first process's checks took.
        seconds: Phase → wall seconds.
        steered: The objective by which arms left early.
        link: What was asked of the link, and what it did; None without one.
    """

    captures: list[CaptureFile] = field(default_factory=list)
    held_out: list[CaptureFile] = field(default_factory=list)
    held_out_note: str = ""
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    warmups: list[Sample] = field(default_factory=list)
    rounds: list[RoundRow] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    arms: dict[str, Arm] = field(default_factory=dict)
    published_arms: dict[str, Arm] = field(default_factory=dict)
    stages: dict[str, list[StageRow]] = field(default_factory=dict)
    errors: list[ErrorRow] = field(default_factory=list)
    eligible: frozenset[str] = frozenset()
    for_text: frozenset[str] = frozenset()
    for_goals: frozenset[str] = frozenset()
    peaks: dict[str, tuple[int, int]] = field(default_factory=dict)
    bundle: int = 0
    process_s: list[float] = field(default_factory=list)
    round_s: list[float] = field(default_factory=list)
    check_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    steered: Objective = Objective.THROUGHPUT
    target: dict[str, Any] = field(default_factory=dict)
    link: dict[str, Any] | None = None
    interrupted: bool = False
    begun_s: float = field(default_factory=time.monotonic)

    def failed(self, phase: str) -> set[str]:
        """Arms that failed in a phase."""
        return {row.arm for row in self.errors if row.phase == phase}


@dataclass(slots=True)
class Bench:
    """What every phase needs, and what it found.

    Attributes:
        folder: Where the captures lie.
        endpoint, key_prefix, servers: The target; its process ids are those of server and link.
        seed: The race's.
        observer: Who is told.
        found: Grows message by message, so that an interrupt keeps what was measured.
    """

    folder: str
    endpoint: dict[str, Any] | None
    key_prefix: str
    servers: tuple[int, ...]
    seed: int
    observer: Observer
    found: Findings

    def task(self, arms: Sequence[Arm], captures: Sequence[CaptureFile], **more: Any) -> Task:
        """A task on some captures."""
        return Task(
            arms=tuple(arms),
            folder=self.folder,
            captures=tuple(file.name for file in captures),
            endpoint=self.endpoint,
            key_prefix=self.key_prefix,
            servers=self.servers,
            seed=self.seed,
            **more,
        )

    def left_s(self, end_s: float) -> float:
        """Seconds from now to ``end_s`` after the race's beginning."""
        return self.found.begun_s + end_s - time.monotonic()

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """Tell of a phase, and note how long it takes."""
        self.observer.phase(title)
        begun = time.monotonic()
        try:
            yield
        finally:
            self.found.seconds[name] = self.found.seconds.get(name, 0.0) + time.monotonic() - begun

    def run(self, phase: str, task: Any, heard: Callable[[dict[str, Any]], None]) -> bool:
        """Run one child on a task. What it says of errors is noted here, all else is handed on.

        Returns:
            False where the child died or hung: the arm under way has an error row then.
        """
        under_way = "(start)"
        with Child.of(_MAINS[phase]) as child:
            child.send(msgspec.to_builtins(task))
            try:
                for message in child.messages():
                    kind = message["event"]
                    if kind == "start":
                        under_way = message["arm"]
                    elif kind == "error":
                        self._failed(phase, message["arm"], message["error"])
                    else:
                        heard(message)
            except ChildEnded as error:
                self._failed(phase, under_way, str(error))
                return False
        return True

    def _failed(self, phase: str, arm: str, error: str) -> None:
        self.found.errors.append(ErrorRow(phase, arm, scrub(error)))

    def sample(self, phase: str, task: Task, on_round: Callable[[], None] = lambda: None) -> bool:
        """Run one process of finals or publication, and keep its samples."""
        samples = self.found.samples.setdefault(phase, [])
        mine: list[Sample] = []
        shares: list[float] = []

        def heard(message: dict[str, Any]) -> None:
            kind = message["event"]
            if kind == "round":
                shares.append(message["share"])
                if not task.apart:
                    self.found.round_s.append(message["seconds"])
                mine.extend(msgspec.convert(message["samples"], list[Sample]))
                on_round()
            elif kind == "preset":
                mine.append(msgspec.convert(message["sample"], Sample))
            elif kind == "warmup":
                self.found.warmups.append(msgspec.convert(message["sample"], Sample))
            elif kind == "ready" and not task.apart:
                self.found.bundle = message["bundle"]
                self.found.check_s = max(self.found.check_s, message["checks"])

        try:
            return self.run(phase, task, heard)
        finally:
            counted = count_rounds(shares, task.rounds)
            presets = {arm.name for arm in task.arms if arm.preset} if not task.apart else set()
            samples += [
                one
                if one.arm in presets or (one.round < len(counted) and counted[one.round])
                else msgspec.structs.replace(one, counted=False)
                for one in mine
            ]
            self.found.rounds += [
                RoundRow(phase, task.process, index, share, counted[index]) for index, share in enumerate(shares)
            ]
