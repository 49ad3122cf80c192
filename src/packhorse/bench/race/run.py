"""A race from options to record: phases in their order, and whatever was measured kept, also on Ctrl-C."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from packhorse.bench.lab.folder import work_folder
from packhorse.bench.lab.link.model import LOOPBACK
from packhorse.bench.race import inputs, lineup
from packhorse.bench.race.bench import Bench, Findings
from packhorse.bench.race.clock import with_children
from packhorse.bench.race.finals import Finals
from packhorse.bench.race.inputs import new_key_prefix
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.progress import Observer, Silent
from packhorse.bench.race.publishing import publish
from packhorse.bench.race.record import write_record
from packhorse.bench.race.record_types import RaceRecord
from packhorse.bench.race.results import Asked, build_record, decision_of
from packhorse.bench.race.screening import Screening
from packhorse.bench.race.spec import KEY_PREFIX, Arm
from packhorse.errors import InputError

if TYPE_CHECKING:
    from packhorse.bench.lab.link.start import RunningLink

#: Seconds that the planned time keeps back for deciding, writing and stopping servers.
RESERVE_S = 3.0


def run_race(options: RaceOptions, observer: Observer | None = None) -> RaceRecord:
    """Race, and write ``record.json`` and the reports into ``options.out_dir``.

    Ctrl-C ends the race early: what was measured is written, with ``interrupted`` set. Files are written beside
    themselves and renamed, so that a half-written one never exists. Servers and child processes are always stopped.

    Raises:
        InputError: A capture, pipeline or target cannot be used. Nothing is written then.
        RecordError: The record does not follow its own classes (a defect).
    """
    from packhorse.bench.report import write as write_report

    if options.objective is Objective.MEMORY:
        raise InputError(
            "objective memory: peak memory is measured after the race, so it cannot steer one; race by another "
            "objective, then 'packhorse judge DIR --objective memory'"
        )
    watching = observer or Silent()
    watching.begin(options.time_s)
    findings = Findings(steered=options.objective)
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
        self._observer = observer
        self._found = findings
        self._stack = stack
        self._running: RunningLink | None = None
        self._key_prefix = KEY_PREFIX
        self._servers: tuple[int, ...] = ()
        self._cores = os.cpu_count() or 1

    def run(self) -> None:
        """All phases in order. Interrupts and input errors pass through; findings keep what was measured."""
        options, found = self._options, self._found
        explicit = lineup.explicit_arms(options) if options.pipelines else None
        bench = self._prepare()
        if explicit is None:
            with bench.phase("screening", "screening every stage's candidates alone"):
                arms = Screening(options, bench, self._cores).run()
        else:
            arms = explicit
        found.eligible = frozenset(arm.name for arm in arms) - found.for_text
        with bench.phase("finals", "racing finalists end to end"):
            Finals(options, bench, arms, self._finals_end_s()).run()
        if not options.quick:
            with bench.phase("memory", "measuring peak memory"):
                self._memory(bench)
        chosen = self._chosen()
        if chosen:
            with bench.phase("published", "measuring the uploader itself on captures that the race did not see"):
                publish(options, bench, chosen)
        # A late race goes without: the link's own error is worth two seconds, not a missed promise.
        if self._running is not None and found.link is not None and bench.left_s(options.time_s) > 0:
            with bench.phase("link", "measuring the link"):
                found.link["achieved"] = self._running.achieved().to_record()

    def _finals_end_s(self) -> float:
        options = self._options
        return (1 - options.effort.publishing) * options.time_s - RESERVE_S

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
            endpoint=endpoint,
            key_prefix=self._key_prefix,
            servers=self._servers,
            seed=options.seed,
            observer=self._observer,
            found=found,
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
        servers = [target.server, target.link.server if target.link is not None else None]
        self._servers = tuple(process for server in servers if server for process in with_children(server.pid))
        return asdict(target.endpoint)

    def _memory(self, bench: Bench) -> None:
        """Peak memory of every arm that finished, each in a process of its own; two at once, since nothing is timed."""
        found = self._found
        arms = [arm for arm in found.arms.values() if arm.name not in found.failed("finals")]

        def measure(arm: Arm) -> None:
            def heard(message: dict[str, Any]) -> None:
                found.peaks[message["arm"]] = (message["peak_rss_bytes"], message["working_rss_bytes"])

            bench.run("memory", bench.task([arm], found.captures), heard)

        pool = ThreadPoolExecutor(max(1, min(2, self._cores)))
        try:
            for done in [pool.submit(measure, arm) for arm in arms]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _chosen(self) -> list[Arm]:
        """The race's choice and those of its other goals: each can be published, by what it does on other captures."""
        options, found = self._options, self._found
        asked = Asked(options.objective, options.require, options.tariff)
        others = [replace(asked, objective=g.objective, require=g.require, as_raced=False) for g in options.goals]
        decisions = [decision_of(found, one) for one in (asked, *others)]
        if decisions[0] is None:
            return []
        chosen = {decision.choice: found.arms[decision.choice] for decision in decisions if decision is not None}
        return list(chosen.values())
