"""Running one phase: blocks until the time is used, suspect blocks again, beaten and failing arms out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

from packhorse.bench.race.child import BlockOutcome, run_block
from packhorse.bench.race.decide import noise_floor
from packhorse.bench.race.exits import Exit, LookSchedule, leavers, schedule
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.options import PhasePlan
from packhorse.bench.race.plan import Deadlines, another_block, order
from packhorse.bench.race.progress import Observer
from packhorse.bench.race.spec import Arm, BlockSpec, Mode, Sample

#: A block is suspect when more than this part of its samples is.
SUSPECT_SHARE = 0.5
#: Suspect blocks that a phase measures again; on a machine that is always busy every block would be suspect.
MAX_RERUNS = 1
#: Error that the looks of a screening phase spend together: a best arm leaves early in fewer phases than this.
SCREENING_ALPHA = 0.05
#: Arms within 2 % of the best stay: the margin inside which verdicts call pipelines equivalent.
LEAST_DEFICIT = math.log1p(0.02)

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
        exits: The same in full: when, by which rule, beaten by whom.
        looks: What was declared of early exits before the phase began; None where none leave.
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
    exits: list[Exit] = field(default_factory=list)
    looks: LookSchedule | None = None
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

    Attributes:
        cost: What counts.
        keep: Never fewer than this many arms stay.
        protected: Arms that stay whatever they cost.
        apart: Arms that neither leave nor are rivals of the others (the null arm).
        barred: Arms that may not win: they leave when anyone beats them, but nobody leaves for being beaten by them.
        alpha: Error that all looks of the phase may spend together.
        margins: Whether hopeless arms leave before the first test; not in the finals.
        least_deficit: In log units; who is no slower than this stays.
        twins: The arm that is raced under two names: who is within what these differ by stays.
    """

    cost: Cost
    keep: int = 2
    protected: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    alpha: float = SCREENING_ALPHA
    margins: bool = True
    least_deficit: float = LEAST_DEFICIT
    twins: tuple[str, str] | None = None


@dataclass(slots=True)
class Bench:
    """Where phases run: the captures' folder, the target and its keys, the seed, and who is told about progress."""

    folder: str
    captures: list[CaptureFile]
    endpoint: dict[str, Any] | None
    seed: int
    min_sample_s: float
    max_sample_s: float
    key_prefix: str
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
            key_prefix=self.key_prefix,
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
        if rule is not None:
            data.looks = schedule(
                plan.max_blocks, alpha=rule.alpha, margins=rule.margins, least_deficit=rule.least_deficit
            )
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
        assert data.looks is not None, "looks are declared before the first block"
        costs: Mapping[str, dict[int, float]] = data.costs(rule.cost)
        racing = {n: by_block for n, by_block in costs.items() if n not in data.dropped and n not in rule.apart}
        floor = 0.0
        if rule.twins is not None and all(name in costs for name in rule.twins):
            floor = noise_floor((costs[rule.twins[0]], costs[rule.twins[1]]), seed=self.seed).floor
        rivals = {name: by_block for name, by_block in racing.items() if name not in rule.barred}
        look = partial(leavers, declared=data.looks, noise_floor=floor)
        leaving = look(rivals, keep=rule.keep, protected=rule.protected)
        if len(rivals) < len(racing):
            leaving += look(racing, keep=1, protected=rule.protected | frozenset(rivals))
        for exit_ in leaving:
            data.exits.append(exit_)
            data.dropped[exit_.arm] = exit_.reason
            self.observer.left(data.name, exit_.arm, exit_.reason)
