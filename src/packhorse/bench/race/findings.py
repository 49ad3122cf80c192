"""What a race has found out so far; its record is made from it at any time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.score import PutPrice
from packhorse.bench.race.spec import Arm


@dataclass(slots=True)
class Findings:
    """What a race has found out so far; the record is made from it at any time.

    Attributes:
        captures, held_out: Files raced on and files of the last measurement, with ``held_out_note`` saying which.
        phases: Everything measured, by phase.
        price: The target's ceiling as a line; None before it was measured.
        finalists: CPU pipelines that went end to end, best predicted first.
        eligible: Names of the arms that may be chosen: those that came through screening, or that were given.
        reference, common: Arms of the presets at the reference's concurrency.
        for_goals: Names of the finals' arms that are there for the record's other goals; they never leave early.
        for_text: Names of the arms that may be chosen only where text is required.
        twin: The arm that was raced twice.
        link: What was asked of the link, and what it did; None without one.
        steered: The objective by which arms left early; None where that does not matter.
    """

    captures: list[CaptureFile] = field(default_factory=list)
    held_out: list[CaptureFile] = field(default_factory=list)
    held_out_note: str = ""
    phases: dict[str, PhaseData] = field(default_factory=dict)
    price: PutPrice | None = None
    finalists: list[str] = field(default_factory=list)
    eligible: frozenset[str] = frozenset()
    reference: Arm | None = None
    common: Arm | None = None
    for_goals: frozenset[str] = frozenset()
    for_text: frozenset[str] = frozenset()
    twin: Arm | None = None
    steered: Objective | None = None
    target: dict[str, Any] = field(default_factory=dict)
    link: dict[str, Any] | None = None
    interrupted: bool = False
    begun_s: float = field(default_factory=time.monotonic)
