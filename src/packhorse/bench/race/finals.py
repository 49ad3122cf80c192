"""The finals: processes one after the other, a look after each, until all that can be decided is decided."""

from __future__ import annotations

import math
import time
from statistics import fmean, median

from packhorse.bench.race import lineup
from packhorse.bench.race.bench import Bench
from packhorse.bench.race.decide import costs, leavers
from packhorse.bench.race.options import MOST_PROCESSES, Effort, RaceOptions
from packhorse.bench.race.record_types import Look
from packhorse.bench.race.score import cost_of
from packhorse.bench.race.spec import Arm, Role
from packhorse.bench.stats import looks
from packhorse.bench.stats.against_best import Standing

#: Seconds that a process gets at the least.
LEAST_PROCESS_S = 2.0
#: Rounds and processes at the least, where the time is short: see :func:`processes_planned`.
FEW_ROUNDS, FEW_PROCESSES = 2, 2


def processes_planned(left_s: float, fixed_s: float, round_s: float, effort: Effort) -> int:
    """Processes in all, the first one included: as many as the time has room for with the rounds that are wanted.

    Where those are fewer than wanted, processes get fewer rounds, down to :data:`FEW_ROUNDS`; then there are fewer
    processes, down to :data:`FEW_PROCESSES`, the least that can show how processes differ. Each takes seconds to be
    ready, so that one more of them is worth less than the rounds that it costs.

    Args:
        left_s: Seconds for all further processes.
        fixed_s: What the first one took beside its rounds.
        round_s: What it took for each round.
        effort: What is wanted.
    """
    whole = int(left_s / max(0.1, fixed_s + effort.rounds * round_s))
    if 1 + whole >= effort.processes:
        return min(MOST_PROCESSES, 1 + whole)
    short = int(left_s / max(0.1, fixed_s + FEW_ROUNDS * round_s))
    return max(FEW_PROCESSES, min(effort.processes, 1 + short))


class Finals:
    """Runs the finals.

    Args:
        options: The race's.
        bench: Where they run.
        arms: Candidates; the first is predicted to be the best and runs twice, as the A/A alarm.
        end_s: When they should be over, in seconds after the race's beginning.
    """

    def __init__(self, options: RaceOptions, bench: Bench, arms: list[Arm], end_s: float) -> None:
        self._options = options
        self._bench = bench
        self._end_s = end_s
        self._twin = lineup.twin_of(arms[0])
        self._presets = lineup.presets(options)
        bench.found.arms = {arm.name: arm for arm in (*arms, self._twin, *self._presets)}
        self._racing = [arm.name for arm in (*arms, self._twin)]
        files = bench.found.captures
        self._cost = cost_of(options.objective, sum(f.plain_bytes for f in files) / len(files), options.tariff)

    def run(self) -> None:
        """Measure until the set is as narrow as it is to be, or the time is over."""
        found, effort = self._bench.found, self._options.effort
        planned, done, attempts = effort.processes, 0, 0
        while attempts < 2 * MOST_PROCESSES:
            whole = self._process(attempts, planned - done, planned)
            attempts += 1
            if whole is None:
                break
            if not whole:  # an arm has taken its process down, and is out; what the others had measured counts
                continue
            done += 1
            if done == 1:
                planned = self._planned()
            late = done > 1 and self._bench.left_s(self._end_s) < median(found.process_s[-3:]) / 2
            last = done >= planned or late
            if not last and done < looks.FIRST_LOOK:
                continue
            standing = self._look(done, planned, last=last)
            narrow = standing is not None and standing.half_width <= math.log1p(effort.half_width)
            if narrow and not last and done >= effort.processes:
                self._look(done, planned, last=True)
                last = True
            if last:
                break

    def _planned(self) -> int:
        """How many processes there will be, from what the first one took."""
        found = self._bench.found
        fixed_s = max(0.0, found.process_s[0] - found.check_s - sum(found.round_s))
        round_s = fmean(found.round_s) if found.round_s else 0.0
        return processes_planned(self._bench.left_s(self._end_s), fixed_s, round_s, self._options.effort)

    def _process(self, process: int, left: int, planned: int) -> bool | None:
        """One process. False where it died; None where nobody is left to race."""
        bench, found, effort = self._bench, self._bench.found, self._options.effort
        alive = [name for name in self._racing if name not in found.failed("finals")]
        if not [name for name in alive if name != self._twin.name]:
            return None
        presets = [arm.name for arm in self._presets if arm.name not in found.failed("finals")]
        if self._options.quick and process:  # seconds of the original design, for a ratio of ten
            presets = [name for name in presets if found.arms[name].role is not Role.REFERENCE]
        share_s = max(LEAST_PROCESS_S, bench.left_s(self._end_s) / max(1, left))
        bench.observer.process(process + 1, planned, len(alive))
        task = bench.task(
            [found.arms[name] for name in (*alive, *presets)],
            found.captures,
            process=process,
            rounds=effort.rounds if planned > effort.processes else 2 * effort.rounds,
            time_s=share_s,
            bundle=found.bundle,
            sample_s=effort.sample_s,
            check=not found.process_s,
        )
        begun = time.monotonic()
        whole = bench.sample("finals", task, on_round=bench.observer.round)
        if whole:
            found.process_s.append(time.monotonic() - begun)
        return whole

    def _look(self, process: int, planned: int, *, last: bool) -> Standing | None:
        found = self._bench.found
        alpha = looks.level(planned, last=last)
        # The twin is an alarm: it is compared with its own arm alone, at the end, and widens nobody's interval.
        racing = [name for name in self._racing if name not in found.failed("finals") and name != self._twin.name]
        standing, beaten = leavers(costs(found.samples["finals"], self._cost, racing), alpha, found.for_goals)
        if standing is None:
            return None
        if last:
            beaten = []
        width = standing.half_width if math.isfinite(standing.half_width) else None
        found.looks.append(Look(process, alpha, width, beaten, last))
        for leaver in beaten:
            self._racing.remove(leaver.arm)
        if self._twin.name.removesuffix(lineup.TWIN) not in self._racing and self._twin.name in self._racing:
            self._racing.remove(self._twin.name)
        rate = self._rate(standing.best)
        self._bench.observer.standing(standing.best, rate, width, len(standing.members))
        return standing

    def _rate(self, arm: str) -> float:
        mine = [s for s in self._bench.found.samples["finals"] if s.arm == arm and s.counted]
        return median(s.captures / s.wall_s for s in mine) if mine else 0.0
