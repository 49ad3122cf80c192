"""Running one phase: blocks until the time is used, suspect blocks again, beaten and failing arms out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from packhorse.race.child import BlockOutcome, run_block
from packhorse.race.inputs import CaptureFile
from packhorse.race.options import PhasePlan
from packhorse.race.plan import Deadlines, another_block, leavers, order
from packhorse.race.progress import Observer
from packhorse.race.spec import Arm, BlockSpec, Mode, Sample

#: A block is suspect when more than this part of its samples is.
SUSPECT_SHARE = 0.5
#: Suspect blocks that a phase measures again; on a machine that is always busy every block would be suspect.
MAX_RERUNS = 1

Cost = Callable[[Sample], float]


@dataclass(slots=True)
class PhaseData:
    """What a phase measured.

    Attributes:
        name: The phase.
        arms: Every arm that started, with its rounds.
        samples: Of blocks that count.
        suspect_samples: Of suspect blocks that were measured again.
        warmups: Never counted.
        blocks: One row per block, for the record.
        errors: Arm → what went wrong; it is out.
        dropped: Arm → why it left early.
        notes: Lines of checking and memory processes.
    """

    name: str
    arms: dict[str, Arm] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    suspect_samples: list[Sample] = field(default_factory=list)
    warmups: list[Sample] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def of(self, arm: str) -> list[Sample]:
        """Samples of one arm, by block."""
        return [sample for sample in self.samples if sample.arm == arm]

    def costs(self, cost: Cost, names: Iterable[str] | None = None) -> dict[str, dict[int, float]]:
        """Arm → block → cost, for arms that have samples and have not failed."""
        wanted = set(self.arms if names is None else names) - set(self.errors)
        table: dict[str, dict[int, float]] = {}
        for sample in self.samples:
            if sample.arm in wanted:
                table.setdefault(sample.arm, {})[sample.block] = cost(sample)
        return table

    def middle(self, cost: Cost) -> dict[str, float]:
        """Arm → median cost over its blocks."""
        return {name: median(by_block.values()) for name, by_block in self.costs(cost).items()}


@dataclass(frozen=True, slots=True)
class Elimination:
    """How arms leave a phase early: by which cost, never below ``keep``, never the protected.

    Arms in ``apart`` neither leave nor are rivals of the others (the null arm).
    """

    cost: Cost
    keep: int = 2
    protected: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()


@dataclass(slots=True)
class Bench:
    """Where phases run: the captures' folder, the target, the seed, and who is told about progress."""

    folder: str
    captures: list[CaptureFile]
    endpoint: dict[str, Any] | None
    seed: int
    min_sample_s: float
    max_sample_s: float
    observer: Observer
    clock: Callable[[], float] = time.monotonic
    done: dict[str, PhaseData] = field(default_factory=dict)

    def spec(self, mode: Mode, arms: Iterable[Arm]) -> BlockSpec:
        """What a block process is told."""
        return BlockSpec(
            mode=mode,
            arms=tuple(arms),
            folder=self.folder,
            captures=tuple(file.name for file in self.captures),
            min_sample_s=self.min_sample_s,
            max_sample_s=self.max_sample_s,
            endpoint=self.endpoint,
        )

    def on(self, captures: list[CaptureFile]) -> Bench:
        """The same bench with other captures; what it measures lands in the same place."""
        return replace(self, captures=captures)

    def ask(self, name: str, mode: Mode, arms: Iterable[Arm]) -> PhaseData:
        """Run one untimed process (checks, memory). An arm whose process dies is an error; the rest are asked anew."""
        data = self.done.setdefault(name, PhaseData(name))
        waiting = {arm.name: arm for arm in arms}
        data.arms.update(waiting)
        while waiting:
            outcome = BlockOutcome()
            try:
                run_block(self.spec(mode, waiting.values()), outcome)
            finally:
                data.notes += outcome.notes
                data.errors.update(outcome.errors)
            if outcome.finished or outcome.under_way is None:
                break
            answered = {note["arm"] for note in outcome.notes} | set(outcome.errors)
            waiting = {name: arm for name, arm in waiting.items() if name not in answered}
        return data

    def phase(
        self, name: str, arms: Iterable[Arm], plan: PhasePlan, *, deadlines: Deadlines, rule: Elimination | None = None
    ) -> PhaseData:
        """Measure a phase.

        Args:
            name: Unique within the race; it seeds the orders.
            arms: What is sampled.
            plan: Bounds on the number of blocks.
            deadlines: On this bench's clock; a block that is expected to end later is not begun.
            rule: Who leaves early; None keeps all.
        """
        data = self.done.setdefault(name, PhaseData(name))
        data.arms = {arm.name: arm for arm in arms}
        block, reruns, block_s = 0, 0, 0.0
        while another_block(plan, done=block, now_s=self.clock(), deadlines=deadlines, block_s=block_s):
            racing = [n for n in data.arms if n not in data.errors and n not in data.dropped]
            if not racing:
                break
            self.observer.block(name, block, len(racing))
            outcome = self._block(data, racing, block)
            block_s = outcome.duration_s
            doubtful = [sample for sample in outcome.samples if sample.suspect]
            suspect = len(doubtful) > SUSPECT_SHARE * max(1, len(outcome.samples))
            if suspect and reruns < MAX_RERUNS and self.clock() + block_s <= deadlines.planned_s:
                reruns += 1
                data.blocks[-1]["suspect"] = sorted({reason for sample in doubtful for reason in sample.suspect})[:5]
                moved = [sample for sample in data.samples if sample.block == block]
                data.samples = [sample for sample in data.samples if sample.block != block]
                data.suspect_samples += moved
                continue
            block += 1
            if rule is not None:
                self._eliminate(data, rule)
        return data

    def _block(self, data: PhaseData, racing: list[str], block: int) -> BlockOutcome:
        names = order(racing, seed=self.seed, phase=data.name, block=block)
        outcome = BlockOutcome()
        try:
            run_block(self.spec(Mode.SAMPLE, (data.arms[n] for n in names)), outcome)
        finally:
            data.samples += [replace(sample, block=block) for sample in outcome.samples]
            data.warmups += [replace(sample, block=block) for sample in outcome.warmups]
            data.errors.update(outcome.errors)
            data.blocks.append(
                {
                    "phase": data.name,
                    "block": block,
                    "order": names,
                    "duration_s": outcome.duration_s,
                    "finished": outcome.finished,
                    "suspect": [],
                }
            )
        for sample in outcome.samples:
            data.arms[sample.arm] = data.arms[sample.arm].with_rounds(sample.rounds)
        return outcome

    def _eliminate(self, data: PhaseData, rule: Elimination) -> None:
        costs: Mapping[str, dict[int, float]] = data.costs(rule.cost)
        racing = {
            n: list(by_block.values()) for n, by_block in costs.items() if n not in data.dropped and n not in rule.apart
        }
        for exit_ in leavers(racing, rule.protected, keep=rule.keep):
            data.dropped[exit_.arm] = exit_.reason
            self.observer.left(data.name, exit_.arm, exit_.reason)
