"""Telling a person how a race is getting on. The race only knows the protocol; rich is imported by its own face."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from packhorse.units import format_s

if TYPE_CHECKING:
    from rich.console import Console


class Observer(Protocol):
    """What a race tells. Every call returns at once; none of them can change the race."""

    def begin(self, planned_s: float) -> None:
        """The race begins and plans to take ``planned_s`` seconds."""
        ...

    def phase(self, title: str) -> None:
        """A phase begins."""
        ...

    def now(self, what: str) -> None:
        """What the phase is at."""
        ...

    def process(self, number: int, planned: int, arms: int) -> None:
        """A process with so many arms begins."""
        ...

    def round(self) -> None:
        """A round is done."""
        ...

    def standing(self, best: str, captures_per_s: float, half_width: float | None, members: int) -> None:
        """The current best, the half-width of the intervals in log units, and how many may be as fast."""
        ...

    def end(self, *, interrupted: bool) -> None:
        """The race is over; called exactly once."""
        ...


class Silent:
    """An observer that says nothing."""

    def begin(self, planned_s: float) -> None:
        """See :class:`Observer`."""

    def phase(self, title: str) -> None:
        """See :class:`Observer`."""

    def now(self, what: str) -> None:
        """See :class:`Observer`."""

    def process(self, number: int, planned: int, arms: int) -> None:
        """See :class:`Observer`."""

    def round(self) -> None:
        """See :class:`Observer`."""

    def standing(self, best: str, captures_per_s: float, half_width: float | None, members: int) -> None:
        """See :class:`Observer`."""

    def end(self, *, interrupted: bool) -> None:
        """See :class:`Observer`."""


class RichProgress:
    """A line with the phase, the current best with its spread, and the time left; plain lines without a terminal."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn

        self._console = console
        self._clock = clock
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), console=console, transient=True
        )
        self._begun = 0.0
        self._planned_s = 1.0
        self._title = self._at = self._best = ""
        self._rounds = 0

    def begin(self, planned_s: float) -> None:
        """See :class:`Observer`."""
        self._begun = self._clock()
        self._planned_s = planned_s
        self._task = self._bar.add_task("starting", total=None)
        if self._console.is_terminal:
            self._bar.start()

    def phase(self, title: str) -> None:
        """See :class:`Observer`."""
        self._title, self._at = title, ""
        self._show()
        if not self._console.is_terminal:
            gone_s = max(0.001, self._clock() - self._begun)
            self._console.print(f"{format_s(gone_s):>8}  {title}", markup=False, highlight=False)

    def now(self, what: str) -> None:
        """See :class:`Observer`."""
        self._at = what
        self._show()

    def process(self, number: int, planned: int, arms: int) -> None:
        """See :class:`Observer`."""
        self._at, self._rounds = f"process {number} of about {planned}, {arms} pipelines", 0
        self._show()

    def round(self) -> None:
        """See :class:`Observer`."""
        self._rounds += 1
        self._show()

    def standing(self, best: str, captures_per_s: float, half_width: float | None, members: int) -> None:
        """See :class:`Observer`."""
        spread = "" if half_width is None else f" ± {100 * math.expm1(half_width):.1f} %"
        others = f", {members - 1} as fast so far" if members > 1 else ""
        self._best = f"best: {best}, {captures_per_s:.3g} captures/s{spread}{others}"
        self._show()
        if not self._console.is_terminal:
            gone_s = max(0.001, self._clock() - self._begun)
            self._console.print(f"{format_s(gone_s):>8}  {self._best}", markup=False, highlight=False, soft_wrap=True)

    def end(self, *, interrupted: bool) -> None:
        """See :class:`Observer`."""
        self._bar.stop()
        if interrupted:
            self._console.print("interrupted: writing what was measured", markup=False)

    def _show(self) -> None:
        left_s = max(0.0, self._planned_s - (self._clock() - self._begun))
        left = f"{left_s:.0f} s left" if left_s >= 1 else "ending"
        rounds = f", round {self._rounds}" if self._rounds else ""
        parts = [part for part in (self._title, f"{self._at}{rounds}" if self._at else "", self._best, left) if part]
        self._bar.update(self._task, description=" · ".join(parts))
