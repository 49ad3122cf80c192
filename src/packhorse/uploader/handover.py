"""The engine's lock: re-entrant, with a place beside it for what nobody may wait for.

A thread that waits for a lock gives up the GIL, and may get it back only milliseconds later, behind an encoder that
holds it. Whoever must not wait leaves things with the lock instead: its owner, or the next one, takes them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Left = TypeVar("Left")

#: Things left at the most. Leaving is for moments: whoever comes beyond that many waits, as with any lock.
MOST_LEFT = 128


class HandoverLock(Generic[Left]):
    """A re-entrant lock, usable by conditions, with which things can be left.

    What is left is taken, in order, as soon as the lock changes hands: by the next owner before it does anything else,
    or, when there is none, by the owner that has just let go. Never in the midst of an owner's work.

    Args:
        take: Called for each thing, by the owner. What it returns is called after the lock was let go.
    """

    def __init__(self, take: Callable[[Left], Callable[[], object] | None]) -> None:
        self._lock = threading.RLock()
        self._take = take
        self._depth = 0  # how often its owner has it; nobody else looks
        self._left: deque[Left] = deque()
        self._afterwards: deque[Callable[[], object]] = deque()

    def condition(self) -> threading.Condition:
        """A condition of this lock."""
        return threading.Condition(self)  # type: ignore[arg-type]  # it asks for what threading's locks can, no more

    def left(self) -> list[Left]:
        """What waits to be taken, now."""
        return list(self._left)

    def leave(self, thing: Left) -> None:
        """Leave ``thing`` for whoever has the lock. Does not wait."""
        self._left.append(thing)
        self._serve()  # its owner may have let go just before, and seen nothing

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  # as threading's
        """As ``threading.RLock.acquire``."""
        got = self._lock.acquire(blocking, timeout)
        if got:
            self._depth += 1
            if self._left and self._depth == 1:
                self._take_all()
        return got

    def release(self) -> None:
        """As ``threading.RLock.release``."""
        self._depth -= 1
        outermost = self._depth == 0
        self._lock.release()
        if outermost:
            self._serve()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _serve(self) -> None:
        while self._left and not self._is_owned() and self._lock.acquire(blocking=False):
            self._depth += 1
            try:
                self._take_all()
            finally:
                self._depth -= 1
                self._lock.release()
        while self._afterwards and not self._is_owned():
            try:
                call = self._afterwards.popleft()
            except IndexError:  # another thread was quicker
                return
            call()

    def _take_all(self) -> None:
        for _ in range(len(self._left)):
            call = self._take(self._left.popleft())
            if call is not None:
                self._afterwards.append(call)

    # --- what conditions ask of a lock --------------------------------------------------------------------------------

    def _is_owned(self) -> bool:
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def _release_save(self) -> tuple[int, Any]:
        depth, self._depth = self._depth, 0
        state = self._lock._release_save()  # type: ignore[attr-defined]
        self._serve()
        return depth, state

    def _acquire_restore(self, saved: tuple[int, Any]) -> None:
        self._lock._acquire_restore(saved[1])  # type: ignore[attr-defined]
        self._depth = saved[0]
