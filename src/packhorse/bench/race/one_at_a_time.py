"""Which of the finals' pipelines are measured with one capture in flight, too: what a PUT takes when nothing waits."""

from __future__ import annotations

from statistics import median

from packhorse.bench.race import lineup
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.spec import Arm

#: Rounds that one sample with one in flight takes at the least: the warm-up, one to settle, one under the clock.
ROUNDS = 3


def one_at_a_time(finals: PhaseData, *, items: int, round_trip_s: float, budget_s: float) -> list[Arm]:
    """Each pipeline of the finals once, with one in flight: the cheapest ones, as many as the time is enough for.

    Pipelines that the finals themselves raced so are left out.

    Args:
        finals: What they measured.
        items: Captures in a round.
        round_trip_s: Of the link; 0 where it is not known.
        budget_s: Seconds for all samples together, as predicted from CPU time and round trips.
    """
    raced = {arm.pipeline for arm in finals.arms.values() if arm.in_flight == 1}
    cpu_s: dict[str, float] = {}
    for name, arm in finals.arms.items():
        samples = [] if name in finals.errors else finals.of(name)
        if samples and arm.pipeline not in raced:
            own_s = median(sample.cpu_s / sample.captures for sample in samples)
            cpu_s[arm.pipeline] = min(own_s, cpu_s.get(arm.pipeline, own_s))
    chosen, left_s = [], budget_s
    for pipeline in sorted(cpu_s, key=lambda text: (cpu_s[text], text)):
        left_s -= ROUNDS * items * (cpu_s[pipeline] + round_trip_s)
        if left_s < 0:
            break
        chosen.append(lineup.upload_arm(pipeline, 1))
    return chosen
