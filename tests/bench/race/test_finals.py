"""How many processes the finals have: as many as the time has room for, with the rounds that are wanted."""

from __future__ import annotations

import pytest

from packhorse.bench.race.finals import processes_planned
from packhorse.bench.race.options import FULL, MOST_PROCESSES, QUICK, Effort


@pytest.mark.parametrize(
    ("left_s", "fixed_s", "round_s", "effort", "planned"),
    [
        (24.0, 1.2, 0.9, QUICK, 4),  # three more of 6.6 s each
        (60.0, 1.2, 0.9, QUICK, 10),
        (12.0, 1.2, 0.9, QUICK, 3),  # with fewer rounds
        (60.0, 3.0, 2.0, FULL, 6),
        (30.0, 3.0, 2.0, FULL, 5),  # fewer processes, of two rounds
        (10.0, 3.0, 2.0, QUICK, 2),
        (0.5, 3.0, 2.0, QUICK, 2),  # the least that can show how processes differ
        (-5.0, 3.0, 2.0, QUICK, 2),
        (225.0, 1.3, 1.0, FULL, 17),
        (1e6, 1.3, 1.0, FULL, MOST_PROCESSES),
    ],
)
def test_processes_are_planned_from_what_the_first_one_took(
    left_s: float, fixed_s: float, round_s: float, effort: Effort, planned: int
) -> None:
    assert processes_planned(left_s, fixed_s, round_s, effort) == planned
