"""The finals: processes one after the other, a look after each, until all that can be decided is decided."""

from __future__ import annotations

import math
import time
from statistics import median

from packhorse.bench.race import lineup
from packhorse.bench.race.bench import Bench
from packhorse.bench.race.decide import costs, leavers
from packhorse.bench.race.options import MOST_PROCESSES, RaceOptions
from packhorse.bench.race.record import Look
from packhorse.bench.race.score import cost_of
from packhorse.bench.race.spec import Arm
from packhorse.bench.stats import looks
from packhorse.bench.stats.against_best import Standing


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
        planned, process = effort.processes, 0
        while True:
            if not self._process(process, planned):
                break
            process += 1
            if process == 1:
                affordable = 1 + int(max(0.0, self._bench.left_s(self._end_s)) / max(0.5, found.process_s[0]))
                planned = min(MOST_PROCESSES, max(looks.FIRST_LOOK, affordable))
            typical_s = median(found.process_s[-3:])
            last = process >= planned or (process >= looks.FIRST_LOOK and self._bench.left_s(self._end_s) < typical_s)
            if process >= looks.FIRST_LOOK or last:
                standing = self._look(process, planned, last=last)
                narrow = standing is not None and standing.half_width <= math.log1p(effort.half_width)
                if last or (narrow and process >= min(planned, effort.processes)):
                    if not last:
                        self._look(process, planned, last=True)
                    break

    def _process(self, process: int, planned: int) -> bool:
        bench, found, effort = self._bench, self._bench.found, self._options.effort
        alive = [name for name in self._racing if name not in found.failed("finals")]
        if not [name for name in alive if name != self._twin.name]:
            return False
        presets = [arm.name for arm in self._presets if arm.name not in found.failed("finals")]
        share_s = max(2.0, bench.left_s(self._end_s) / max(1, planned - process))
        bench.observer.process(process + 1, planned, len(alive))
        task = bench.task(
            [found.arms[name] for name in (*alive, *presets)],
            found.captures,
            process=process,
            rounds=effort.rounds,
            time_s=share_s if process else max(share_s, 4.0),
            bundle=found.bundle,
            check=process == 0,
        )
        begun = time.monotonic()
        bench.sample("finals", task, on_round=self._tell)
        found.process_s.append(time.monotonic() - begun)
        return True

    def _tell(self) -> None:
        """The current best for the live line; it decides nothing."""
        self._bench.observer.round()

    def _look(self, process: int, planned: int, *, last: bool) -> Standing | None:
        found = self._bench.found
        alpha = looks.level(planned, last=last)
        # The twin is an alarm: it is compared with its own arm alone, at the end, and widens nobody's interval.
        racing = [name for name in self._racing if name not in found.failed("finals") and name != self._twin.name]
        standing, beaten = leavers(
            costs(found.samples["finals"], self._cost, racing), alpha, found.for_goals
        )
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


