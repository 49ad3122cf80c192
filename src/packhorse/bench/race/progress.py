"""Telling a person how a race is getting on. The race only knows the protocol; rich is imported by its own face."""

from __future__ import annotations

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

    def block(self, phase: str, index: int, arms: int) -> None:
        """A block with so many arms begins."""
        ...

    def left(self, phase: str, arm: str, reason: str) -> None:
        """An arm left early."""
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

    def block(self, phase: str, index: int, arms: int) -> None:
        """See :class:`Observer`."""

    def left(self, phase: str, arm: str, reason: str) -> None:
        """See :class:`Observer`."""

    def end(self, *, interrupted: bool) -> None:
        """See :class:`Observer`."""


class RichProgress:
    """A bar with the phase and the time left, on a terminal; plain lines where the console is not one."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = console
        self._clock = clock
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._begun = 0.0
        self._planned_s = 1.0
        self._title = ""

    def begin(self, planned_s: float) -> None:
        """See :class:`Observer`."""
        self._begun = self._clock()
        self._planned_s = planned_s
        self._task = self._bar.add_task("starting", total=planned_s, left="")
        if self._console.is_terminal:
            self._bar.start()

    def phase(self, title: str) -> None:
        """See :class:`Observer`."""
        self._title = title
        self._show(title)
        if not self._console.is_terminal:
            self._console.print(f"{title} ({format_s(max(0.001, self._clock() - self._begun))} gone)", markup=False)

    def block(self, phase: str, index: int, arms: int) -> None:
        """See :class:`Observer`."""
        self._show(f"{self._title}: block {index + 1}, {arms} arms")

    def left(self, phase: str, arm: str, reason: str) -> None:
        """See :class:`Observer`."""

    def end(self, *, interrupted: bool) -> None:
        """See :class:`Observer`."""
        self._bar.stop()
        if interrupted:
            self._console.print("interrupted: writing what was measured", markup=False)

    def _show(self, description: str) -> None:
        from rich.markup import escape

        gone_s = self._clock() - self._begun
        left_s = max(0.0, self._planned_s - gone_s)
        text = f"about {format_s(left_s)} left" if left_s >= 1 else "ending"
        self._bar.update(self._task, completed=min(gone_s, self._planned_s), description=escape(description), left=text)
