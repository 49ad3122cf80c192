"""A race from options to record: phases in their order, and whatever was measured kept, also on Ctrl-C."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from packhorse.bench.lab.folder import work_folder
from packhorse.bench.lab.link.model import LOOPBACK
from packhorse.bench.race import inputs, lineup
from packhorse.bench.race.driver import new_key_prefix
from packhorse.bench.race.findings import Findings
from packhorse.bench.race.one_at_a_time import one_at_a_time
from packhorse.bench.race.options import Objective, RaceOptions, Require
from packhorse.bench.race.phase import Bench, Cost, Elimination, PhaseData
from packhorse.bench.race.plan import Deadlines, able_to_decide, best_of
from packhorse.bench.race.progress import Observer, Silent
from packhorse.bench.race.record import Record, write_record
from packhorse.bench.race.score import fit_price, own_cost, predicted_cost, upload_cost
from packhorse.bench.race.spec import KEY_PREFIX, Arm, Kind, Mode
from packhorse.bench.race.survivors import alone, best_clients, for_goal, for_threads, undominated
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline

if TYPE_CHECKING:
    from packhorse.bench.lab.link.start import RunningLink

#: Body sizes of the ceiling's arms, in bytes.
CEILING_BODIES = (1_024, 256 * 1024)
#: Seconds that the planned time keeps back for deciding, writing and stopping servers.
RESERVE_S = 3.0
#: Times the planned time after which no phase begins a block beyond its first: a busy machine gets fewer blocks than it
#: needs for a verdict, and is told so, rather than a race without end.
OVERTIME = 1.15
#: Error that the looks of the finals may spend, on top of the winner set's own.
FINALS_ALPHA = 0.01


def run_race(options: RaceOptions, observer: Observer | None = None) -> Record:
    """Race, and write ``record.json`` and ``report.md`` into ``options.out_dir``.

    Ctrl-C ends the race early: what was measured is written, with ``interrupted`` set. Files are written beside
    themselves and renamed, so that a half-written one never exists. Servers and child processes are always stopped.

    Raises:
        InputError: A capture, pipeline or target cannot be used. Nothing is written then.
        RecordError: The record does not follow its own schema (a defect).
    """
    from packhorse.bench.race.results import build_record
    from packhorse.bench.report import write as write_report

    if options.objective is Objective.MEMORY:
        raise InputError(
            "objective memory: peak memory is measured after the race, so it cannot steer one; race by another "
            "objective, then 'packhorse judge DIR --objective memory'"
        )
    watching = observer or Silent()
    watching.begin(options.time_s)
    findings = Findings()
    try:
        with ExitStack() as stack:
            Race(options, watching, findings, stack).run()
    except KeyboardInterrupt:
        findings.interrupted = True
    finally:
        watching.end(interrupted=findings.interrupted)
    record = build_record(options, findings, sys.argv)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    write_record(record, options.out_dir / "record.json")
    write_report(options.out_dir)
    return record


class Race:
    """The phases. Each reads the findings of those before it and adds its own."""

    def __init__(self, options: RaceOptions, observer: Observer, findings: Findings, stack: ExitStack) -> None:
        self._options = options
        findings.steered = options.objective
        self._effort = options.effort
        self._observer = observer
        self._found = findings
        self._stack = stack
        self._share = 0.0
        self._running: RunningLink | None = None
        self._cores = os.cpu_count() or 1
        self._key_prefix = KEY_PREFIX

    def run(self) -> None:
        """All phases in order. Interrupts and input errors pass through; findings keep what was measured."""
        options, found = self._options, self._found
        explicit = lineup.explicit_arms(options) if options.pipelines else None
        self._bench = self._prepare()
        self._ceiling()
        finals = explicit if explicit is not None else self._screened_finals()
        # Presets that nobody asked for are raced to be compared with; they may hold whole captures in memory.
        found.eligible = frozenset(arm.name for arm in finals if explicit is not None or self._may_win(arm))
        found.eligible -= found.for_text
        self._check(finals)
        self._finals([arm for arm in finals if arm.name not in found.phases["check"].errors])
        if explicit is None:
            self._one_at_a_time()
        self._memory()
        self._held_out()
        self._link()

    def _link(self) -> None:
        """How far the link was from what it was asked for; last, so that the traffic of the race has been seen."""
        if self._running is not None and self._found.link is not None:
            self._observer.phase("measuring the link")
            self._found.link["achieved"] = self._running.achieved().to_record()

    def _until(self, share: float) -> Deadlines:
        """The phase's end: shares add up, so that time left over passes on to the next phase."""
        self._share += share
        begun_s, time_s = self._found.begun_s, self._options.time_s
        return Deadlines(begun_s + self._share * (time_s - RESERVE_S), begun_s + OVERTIME * time_s)

    def _prepare(self) -> Bench:
        options, found = self._options, self._found
        self._observer.phase("preparing captures and target")
        folder = self._stack.enter_context(work_folder("race"))
        if options.captures:
            files = inputs.given(folder, options.captures)
            found.captures, found.held_out, found.held_out_note = inputs.split(files, options.seed)
        else:
            found.captures = inputs.synthetic(folder, options.seed)
            found.held_out = inputs.synthetic(folder, options.seed + inputs.HELD_OUT_SEED_OFFSET, prefix="held-out-")
            found.held_out_note = "synthetic captures of another seed"
        endpoint = self._target()
        return Bench(
            folder=str(folder),
            captures=found.captures,
            endpoint=endpoint,
            seed=options.seed,
            min_sample_s=self._effort.min_sample_s,
            max_sample_s=self._effort.max_sample_s,
            key_prefix=self._key_prefix,
            observer=self._observer,
            done=found.phases,
        )

    def _target(self) -> dict[str, Any] | None:
        if self._options.target == "memory":
            self._found.target = {"name": "memory", "version": None}
            return None
        from packhorse.bench.lab.targets import start_target

        link = self._options.declared_link()
        if link is not None:
            self._found.link = {"asked": link.to_record(), "achieved": None}
        # Nothing stands in front of a server on loopback, not even a simulator that passes bytes on at once.
        simulated = link if link is not None and link.name != LOOPBACK else None
        target = self._stack.enter_context(
            start_target(self._options.target, bucket=self._options.bucket, link=simulated)
        )
        self._running = target.link
        self._found.target = {"name": target.name, "version": target.version}
        if target.server is None:
            # A user's bucket. A local one goes with the race; a folder in it would cost rclone 4 % of a PUT of 1 KiB.
            self._key_prefix = self._found.target["key_prefix"] = new_key_prefix()
        return asdict(target.endpoint)

    def _ceiling(self) -> None:
        self._observer.phase("measuring the target's ceiling")
        stores = lineup.store_texts(self._options.target)
        if not stores:
            raise InputError("no S3 client is installed: pip install 'packhorse[store]'")
        cheapest = "obstore" if "obstore" in stores else stores[0]
        text = f"json | none | raw | {cheapest}"
        arms = [
            Arm(f"put of {size} bytes", Kind.CEILING, text, in_flight=max(8, *self._options.levels), body_bytes=size)
            for size in CEILING_BODIES
        ]
        data = self._bench.phase(
            "ceiling", arms, self._effort.ceiling, deadlines=self._until(self._effort.ceiling.share)
        )
        if data.errors:
            raise InputError(f"the target cannot be written to: {next(iter(data.errors.values()))}")
        self._found.price = fit_price(arms, data.samples)

    def _screened_finals(self) -> list[Arm]:
        self._observer.phase("checking that every candidate gives its captures back")
        arms = lineup.stage_arms(self._options)
        checks = self._bench.ask("check", Mode.CHECK, [arm for arm in arms if arm.kind is not Kind.NULL])
        slow = {note["arm"]: note["reason"] for note in checks.notes if note["event"] == "slow"}
        checks.dropped.update(slow)
        fit = [arm for arm in arms if arm.name not in checks.errors and arm.name not in slow]
        encoders, compressors, base64 = self._screen(fit)
        cpu = self._cross(encoders, compressors, base64)
        self._found.finalists = cpu
        stores = self._stores(cpu[0])
        arms = [lineup.upload_arm(f"{text} | {store}", level) for text in cpu for store, level in stores]
        return [*arms, *self._for_goals(*stores[0], taken=frozenset(arm.name for arm in arms))]

    def _for_goals(self, store: str, level: int, taken: frozenset[str]) -> list[Arm]:
        """What the record's other goals need, behind the best client; some of it may be in the finals already."""
        found, options = self._found, self._options
        arms: dict[str, Arm] = {}
        for goal in options.goals:
            if goal.require is Require.THREADS:
                cost, wanted = upload_cost(goal.objective, options.tariff), lineup.reference_level(options)
                mine = for_threads(found.phases["stores"], cost, wanted, found.finalists)
            else:
                predicted = partial(self._predicted, objective=goal.objective)
                texts = for_goal(goal, found.phases, predicted, self._may_win)
                mine = [lineup.upload_arm(f"{text} | {store}", level) for text in texts]
            arms.update((arm.name, arm) for arm in mine)
            if goal.require is Require.TEXT:
                found.for_text |= {arm.name for arm in mine} - taken
        found.for_goals = frozenset(arms)
        return [arm for name, arm in arms.items() if name not in taken]

    def _screen(self, arms: list[Arm]) -> tuple[list[str], list[str], list[str]]:
        """Screen the stages alone, all in the same blocks; returns the survivors of each."""
        self._observer.phase("screening encoders, compressors and base64 alone")
        own = own_cost(self._options.objective)
        # A stage is a phase of its own, so that its rivals are its own kind; the null arm runs with the encoders.
        survivors: dict[str, list[str]] = {}
        counts = {"encode": self._effort.encoders, "compress": self._effort.compressors, "base64": 1}
        cost, before_s = own, 0.0
        for stage, part in (("encode", 0.40), ("compress", 0.52), ("base64", 0.08)):
            mine = [arm for arm in arms if arm.kind == stage or (stage == "encode" and arm.kind is Kind.NULL)]
            if stage != "encode":
                predicted = self._predicted(before_s)
                cost = predicted if stage == "compress" else own
            allowed = [arm.name for arm in mine if self._may_win(arm)]
            barred = frozenset(arm.name for arm in mine) - frozenset(allowed)
            data = self._bench.phase(
                stage,
                mine,
                self._effort.screen,
                deadlines=self._until(part * self._effort.screen.share),
                rule=Elimination(cost, keep=counts[stage] + 1, apart=frozenset({lineup.NULL_ARM}), barred=barred),
            )
            costs = {name: list(by.values()) for name, by in data.costs(cost, allowed).items()}
            best = best_of({name: c for name, c in costs.items() if name not in data.dropped}, counts[stage])
            survivors[stage] = [lineup.stage_part(name)[1] for name in best]
            if stage == "encode" and best:
                before_s = data.middle(own)[best[0]]
        if not survivors["encode"] or not survivors["compress"]:
            raise InputError("no encoder or no compressor came through the checks; 'packhorse candidates' says why")
        return survivors["encode"], survivors["compress"], survivors["base64"]

    def _may_win(self, arm: Arm) -> bool:
        if arm.kind is Kind.NULL:
            return False
        pipeline = Pipeline.parse(arm.pipeline)
        if not self._options.whole and not all(choice.candidate.streaming for choice in alone(arm, pipeline)):
            return False
        return arm.kind is not Kind.ENCODE or pipeline.wire[0] in self._options.wires

    def _cross(self, encoders: list[str], compressors: list[str], base64: list[str]) -> list[str]:
        self._observer.phase("crossing the survivors")
        cost = self._predicted()
        data = self._bench.phase(
            "cross",
            lineup.crossed(encoders, compressors, ["raw", *base64]),
            self._effort.cross,
            deadlines=self._until(self._effort.cross.share),
            rule=Elimination(cost, keep=self._effort.finalists),
        )
        costs = {name: list(by.values()) for name, by in data.costs(cost).items() if name not in data.dropped}
        best = best_of(undominated(costs), self._effort.finalists)
        if not best:
            raise InputError(f"no crossed pipeline ran: {next(iter(data.errors.values()), 'no samples')}")
        return best

    def _stores(self, cpu: str) -> list[tuple[str, int]]:
        """Race the clients at every level behind the best CPU pipeline; returns clients with their best level."""
        self._observer.phase("racing store clients and concurrencies")
        texts = lineup.store_texts(self._options.target)
        arms = [lineup.upload_arm(f"{cpu} | {store}", level) for store in texts for level in self._options.levels]
        cost = upload_cost(self._options.objective, self._options.tariff)
        data = self._bench.phase(
            "stores",
            arms,
            self._effort.stores,
            deadlines=self._until(self._effort.stores.share),
            rule=Elimination(cost, keep=self._effort.store_finalists),
        )
        chosen = best_clients(data, cost, lineup.reference_level(self._options))
        if not chosen:
            raise InputError(f"no store client could upload: {next(iter(data.errors.values()), 'no samples')}")
        return chosen[: self._effort.store_finalists]

    def _check(self, finals: list[Arm]) -> None:
        """Check whole CPU pipelines, presets included, before they are raced end to end."""
        self._observer.phase("checking finalists")
        found = self._found
        level = lineup.reference_level(self._options)
        reference, common = lineup.presets(self._options.target)
        found.reference, found.common = lineup.upload_arm(reference, level), lineup.upload_arm(common, level)
        arms = {arm.name: arm for arm in (*finals, found.reference, found.common)}
        data = self._bench.ask("check", Mode.CHECK, arms.values())
        for note in data.notes:
            if note["event"] == "slow" and note["arm"] in arms:
                data.dropped[note["arm"]] = note["reason"]

    def _finals(self, arms: list[Arm]) -> None:
        self._observer.phase("racing finalists end to end")
        found = self._found
        if not arms:
            return
        reference, common = found.reference, found.common
        assert reference is not None
        assert common is not None
        found.twin = arms[0]
        extra = [lineup.twin_of(arms[0])]
        checked = found.phases["check"].errors
        extra += [arm for arm in (reference, common) if arm.name not in checked]
        # The original design may be faster alone than side by side; it is compared with at its better.
        if reference.in_flight != 1 and reference.name not in checked:
            extra.append(lineup.upload_arm(reference.pipeline, 1))
        protected = frozenset(arm.name for arm in (arms[0], *extra)) | found.for_goals
        racing = {arm.name: arm for arm in (*arms, *extra)}
        plan = self._effort.finals
        self._bench.phase(
            "finals",
            list(racing.values()),
            plan if self._options.quick else able_to_decide(plan, rows=len(racing) - 2, seed=self._options.seed),
            deadlines=self._until(self._effort.finals.share),
            rule=Elimination(
                upload_cost(self._options.objective, self._options.tariff),
                protected=protected,
                apart=(frozenset(arm.name for arm in extra) - found.eligible) | found.for_text,
                alpha=FINALS_ALPHA,
                margins=False,
                twins=(arms[0].name, extra[0].name),
            ),
        )

    def _one_at_a_time(self) -> None:
        """What one PUT takes of each finalist when nothing waits: the report parts uploading from waiting by it."""
        self._observer.phase("measuring uploads one at a time")
        link, finals, plan = self._options.declared_link(), self._found.phases.get("finals"), self._effort.alone
        arms = one_at_a_time(
            finals or PhaseData("finals"),
            items=len(self._found.captures),
            round_trip_s=link.answer_ms / 1e3 if link is not None else 0.0,
            budget_s=plan.share * self._options.time_s,
        )
        # One round is enough: a PUT's seconds are measured by themselves.
        replace(self._bench, min_sample_s=0.0).phase("alone", arms, plan, deadlines=self._until(plan.share))

    def _memory(self) -> None:
        """Peak memory of every arm that finished, each in a process of its own; two at once, since nothing is timed."""
        self._observer.phase("measuring peak memory")
        finals = self._found.phases.get("finals")
        if finals is None:
            return
        arms = [arm for name, arm in finals.arms.items() if name not in finals.errors]
        self._found.phases.setdefault("memory", PhaseData("memory"))
        pool = ThreadPoolExecutor(max(1, min(2, self._cores)))
        try:
            for done in [pool.submit(self._bench.ask, "memory", Mode.MEMORY, [arm]) for arm in arms]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _held_out(self) -> None:
        """Measure the winner again, in fresh processes, on captures that the race did not see."""
        from packhorse.bench.race.outcome import choices

        self._observer.phase("measuring the winner again on held-out captures")
        chosen = choices(self._options, self._found)
        finals = self._found.phases.get("finals")
        if not chosen or finals is None:
            return
        reference = self._found.reference
        alone = [lineup.upload_arm(reference.pipeline, 1)] if reference is not None else []
        wanted = (*chosen, reference, *alone, self._found.common)
        names = [arm.name for arm in wanted if arm is not None and arm.name in finals.arms]
        arms = {name: finals.arms[name] for name in names if name not in finals.errors}
        # Other captures, other rounds: the child finds them anew.
        self._bench.on(self._found.held_out).phase(
            "held-out",
            [arm.with_rounds(0) for arm in arms.values()],
            self._effort.held_out,
            deadlines=self._until(1 - self._share),
        )

    def _predicted(self, before_s: float = 0.0, *, objective: Objective | None = None) -> Cost:
        assert self._found.price is not None, "the ceiling is measured first"
        options = self._options
        return predicted_cost(
            objective or options.objective,
            self._found.price,
            cores=self._cores,
            before_s=before_s,
            tariff=options.tariff,
        )
