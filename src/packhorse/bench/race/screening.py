"""The screening: every stage's candidates alone, and who goes on to the finals by what is predicted of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from packhorse.bench.lab.link.model import parse_link
from packhorse.bench.race import inputs, lineup
from packhorse.bench.race.bench import Bench
from packhorse.bench.race.goals import Goal, Require, meets
from packhorse.bench.race.options import DEFAULT_LINK, RaceOptions
from packhorse.bench.race.record_types import StageRow
from packhorse.bench.race.score import Alone, LinkPrice, Predictor
from packhorse.bench.race.screener import Candidate, Screened, ScreenTask
from packhorse.bench.race.spec import Arm
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline

#: Compact JSON of one pass, at the most: enough to differ on, little enough for the slowest.
BYTES_A_PASS = 2_000_000
#: Predictions within this of the lowest are equal: CPU seconds of three short passes scatter by about as much. Among
#: equals those that store less go on, so that the finals of two races of one capture have arms in common.
EQUAL_RATIO = 0.05
#: Pipelines that go to the finals for each further goal.
PER_GOAL = 2


@dataclass(frozen=True, slots=True)
class Whole:
    """A pipeline as predicted from its stages; ``rank`` is its place in the registry's order."""

    text: str
    cost: float
    stored_bytes: float
    rank: int


class Screening:
    """Runs the screening and picks the finalists."""

    def __init__(self, options: RaceOptions, bench: Bench, cores: int) -> None:
        self._options = options
        self._bench = bench
        link = options.declared_link() or parse_link(DEFAULT_LINK)
        price = LinkPrice.of(link, max(options.levels)) if options.target != "memory" else LinkPrice()
        self._predictor = Predictor(options.objective, price, cores, options.tariff)
        self._alone: dict[Candidate, Alone] = {}

    def run(self) -> list[Arm]:
        """Screen, and return the arms of the finals: the best pipelines behind the best client, then other clients.

        Raises:
            InputError: No encoder, compressor or client came through.
        """
        options, effort = self._options, self._options.effort
        candidates = lineup.stage_candidates(options)
        rows, samples = self._measure(candidates)
        captures = self._bench.found.captures
        mean_bytes = sum(file.plain_bytes for file in captures) / len(captures)
        for one, found in samples.items():
            each = [mean_bytes / s.raw_bytes for s in found]
            self._alone[one] = Alone(
                median(s.cpu_s * k for s, k in zip(found, each, strict=True)),
                median(s.bytes_out * k for s, k in zip(found, each, strict=True)),
            )
            rows[one].cpu_s, rows[one].bytes_out = self._alone[one].cpu_s, self._alone[one].bytes_out
            rows[one].wall_s = median(s.wall_s * k for s, k in zip(found, each, strict=True))
            rows[one].raw_bytes_per_s = mean_bytes / wall if (wall := rows[one].wall_s) else None
            rows[one].passes = len(found)
        self._need()
        wholes = self._wholes(self._predictor)
        for one, row in rows.items():
            row.predicted = next((w.cost for w in wholes if one.text in w.text.split(" | ")), None)
            self._bench.found.stages.setdefault(one.stage, []).append(row)
        for stage in self._bench.found.stages.values():
            stage.sort(key=lambda row: (row.cpu_s is None, row.cpu_s or 0.0))
        return self._finalists(wholes, effort.pipelines, effort.clients)

    def _measure(
        self, candidates: Sequence[Candidate]
    ) -> tuple[dict[Candidate, StageRow], dict[Candidate, list[Screened]]]:
        options, bench = self._options, self._bench
        effort = options.effort
        rows = {one: StageRow(one.text, None, None, None, None, 0) for one in candidates}
        samples: dict[Candidate, list[Screened]] = {}
        told = {f"{one.stage}/{one.text}": one for one in candidates}

        def heard(message: dict[str, Any]) -> None:
            one = Candidate(message["stage"], message["text"])
            if message["event"] == "slow":
                rows[one].not_raced = message["reason"]
            elif message["event"] == "screened":
                samples.setdefault(one, []).append(msgspec.convert(message["sample"], Screened))
                bench.observer.now(f"{one.stage} {one.text}")

        names = inputs.for_screening(Path(bench.folder), bench.found.captures, BYTES_A_PASS)
        waiting = list(candidates)
        while waiting:
            task = ScreenTask(
                tuple(waiting),
                bench.folder,
                tuple(names),
                bench.endpoint,
                bench.key_prefix,
                max(options.levels),
                effort.screening_s,
                effort.passes,
                BYTES_A_PASS,
                effort.screening * options.time_s,
            )
            before = len(bench.found.errors)
            if bench.run("screening", task, heard):
                break
            # One that takes its process down is out; the others get a new one.
            out = {row.arm for row in bench.found.errors[before:]} | {"(start)"}
            if not out & told.keys():
                break
            waiting = [one for one in waiting if f"{one.stage}/{one.text}" not in out]
        for failed in (row for row in bench.found.errors if row.phase == "screening" and row.arm in told):
            rows[told[failed.arm]].error = failed.error
            samples.pop(told[failed.arm], None)
        return rows, samples

    def _need(self) -> None:
        for stage, what in (("encode", "encoder"), ("compress", "compressor"), ("store", "S3 client")):
            if not any(one.stage == stage and lineup.may_win(one, self._options) for one in self._alone):
                failed = next(
                    (row.error for row in self._bench.found.errors if row.arm.startswith(f"{stage}/")),
                    "'packhorse candidates' says why",
                )
                raise InputError(f"no {what} came through the screening: {failed}")

    def _of(self, stage: str, *, any_wire: bool = False) -> Iterator[tuple[str, Alone]]:
        for one, alone in self._alone.items():
            if one.stage == stage and (any_wire or lineup.may_win(one, self._options)):
                yield one.text, alone

    def _wholes(self, predictor: Predictor, *, base64: bool = False) -> list[Whole]:
        """Every pipeline of the stages' candidates, the cheapest first. base64 only on demand: it is more work."""
        carriers = list(self._of("base64")) if base64 else [("raw", Alone(0.0, 0.0))]
        found: list[Whole] = []
        for encoder, encoded in self._of("encode"):
            for compressor, packed in self._of("compress"):
                for carrier, carried in carriers:
                    for client, put in self._of("store"):
                        stored = packed.bytes_out * (4 / 3 if base64 else 1)
                        cpu_s = encoded.cpu_s + packed.cpu_s + carried.cpu_s + put.cpu_s
                        text = " | ".join((encoder, compressor, carrier, client))
                        found.append(Whole(text, predictor(cpu_s, stored), stored, len(found)))
        return sorted(found, key=lambda whole: whole.cost)

    def _finalists(self, wholes: Sequence[Whole], pipelines: int, clients: int) -> list[Arm]:
        options = self._options
        client = wholes[0].text.rsplit(" | ", 1)[1]
        behind = [whole for whole in wholes if whole.text.endswith(f" | {client}")]
        texts = [whole.text for whole in preferred(behind)[:pipelines]]
        if wholes[0].text not in texts:
            texts[-1] = wholes[0].text
        best = Pipeline.parse(texts[0])
        cpu = texts[0].rsplit(" | ", 1)[0]
        texts += [whole.text for whole in wholes if whole.text.startswith(f"{cpu} | ") and whole.text not in texts][
            :clients
        ]
        way, levels = lineup.hot_way(options), options.levels
        level = lineup.reference_level(options)
        arms = {arm.name: arm for arm in (lineup.final_arm(text, level, way) for text in texts)}
        for other in levels:
            arm = lineup.final_arm(str(best), other, way)
            arms.setdefault(arm.name, arm)
        taken = frozenset(arms)
        for goal in options.goals:
            mine = [lineup.final_arm(text, level, way) for text in self._for_goal(goal, client)]
            arms.update((arm.name, arm) for arm in mine)
            self._bench.found.for_goals |= {arm.name for arm in mine}
            if goal.require is Require.TEXT:
                self._bench.found.for_text |= {arm.name for arm in mine} - taken
        return list(arms.values())

    def _for_goal(self, goal: Goal, client: str) -> list[str]:
        """The best pipelines by a goal's objective that meet its condition, behind the best client that may be."""
        predictor = Predictor(goal.objective, self._predictor.price, self._predictor.cores, self._options.tariff)
        wholes = self._wholes(predictor, base64=goal.require is Require.TEXT)
        fit = [whole.text for whole in wholes if meets(Pipeline.parse(whole.text), goal.require)]
        if goal.require is not Require.THREADS:
            fit = [text for text in fit if text.endswith(f" | {client}")]
        return fit[: 1 if goal.require is Require.TEXT else PER_GOAL]


def preferred(wholes: Sequence[Whole]) -> list[Whole]:
    """The cheapest first; those that are equal to the cheapest by stored bytes, then in the registry's order."""
    most = min(whole.cost for whole in wholes) * (1 + EQUAL_RATIO)
    equal = [whole for whole in wholes if whole.cost <= most]
    rest = [whole for whole in wholes if whole.cost > most]
    return sorted(equal, key=lambda one: (one.stored_bytes, one.rank)) + sorted(rest, key=lambda one: one.cost)
