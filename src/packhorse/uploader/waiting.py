"""Submitters that wait for room, first come, first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packhorse.uploader.job import Job


class Waiter:
    """One submitter.

    Attributes:
        job: What it submits.
        decided: True once the capture was admitted or refused.
        refusal: Why it was refused; None when it was admitted.
    """

    __slots__ = ("decided", "job", "refusal", "wake")

    def __init__(self, job: Job, wake: Callable[[], None]) -> None:
        self.job = job
        self.wake = wake
        self.decided = False
        self.refusal: str | None = None


class Line:
    """A first-come, first-served line. Not thread-safe: its owner holds a lock.

    Whoever makes room decides for those in front and wakes them alone: with thousands waiting, waking all for each
    place would cost more than the uploads, and would let the last one win.
    """

    def __init__(self) -> None:
        self._waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: Waiter) -> None:
        """Stand at the end."""
        self._waiters.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Go away undecided."""
        self._waiters.remove(waiter)

    def serve(self, decide: Callable[[Job], tuple[bool, str | None]]) -> Iterator[tuple[Waiter, str | None]]:
        """Decide for as many as possible from the front; yields them with the refusal.

        Args:
            decide: Tells for a job whether that can be decided now, and if so, why it is refused (None: admitted).
        """
        while self._waiters:
            waiter = self._waiters[0]
            decided, refusal = decide(waiter.job)
            if not decided:
                return
            self._waiters.popleft()
            yield waiter, refusal
