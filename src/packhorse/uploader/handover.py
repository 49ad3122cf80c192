"""The engine's lock: re-entrant, with a place beside it for what nobody may wait for.

A thread that waits for a lock gives up the GIL, and may get it back only milliseconds later, behind an encoder that
holds it. Whoever must not wait leaves things with the lock instead: its owner, or the next one, takes them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from packhorse.real_threads import Condition, make_rlock, start_new_thread

Left = TypeVar("Left")

logger = logging.getLogger("packhorse")

#: Things left at the most. Leaving is for moments: whoever comes beyond that many waits, as with any lock.
MOST_LEFT = 128
#: So often in a row one thread takes what others leave meanwhile. Then they wait until it is done.
MOST_ROUNDS = 4


class HandoverLock(Generic[Left]):
    """A re-entrant lock, usable by conditions, with which things can be left.

    What is left is taken, in order, as soon as the lock changes hands: by the next owner before it does anything else,
    or, when there is none, by the owner that has just let go. Never in the midst of an owner's work.

    Ctrl-C may strike anywhere in the main thread: whoever is interrupted before it has the lock does not keep it, and
    what it was taking stays. (It is kept where Ctrl-C strikes in the few instructions between an owner's last step and
    the release, as with every lock that is not in C alone.)

    Args:
        take: Called for each thing, by the owner. What it returns is called after the lock was let go, in a thread of
            its own: the owner may be a submitter or an event loop, and has no part in it. When it is interrupted it
            has done nothing; what else it raises is logged.
    """

    def __init__(self, take: Callable[[Left], Callable[[], object] | None]) -> None:
        self._lock = make_rlock()
        # Conditions ask for these. As methods in C, they cannot be interrupted half-way.
        self._is_owned: Callable[[], bool] = self._lock._is_owned
        self._acquire_restore: Callable[[Any], None] = self._lock._acquire_restore
        self._take = take
        self._left: deque[Left] = deque()
        self._afterwards: deque[Callable[[], object]] = deque()
        self._crowded = False
        self._calling = False  # a thread has been started, and not begun yet

    def condition(self) -> Condition:
        """A condition of this lock."""
        return Condition(self)

    def left(self) -> list[Left]:
        """What waits to be taken, now."""
        return list(self._left)

    def may_leave(self) -> bool:
        """False while there is so much left that whoever comes should wait for the lock."""
        return len(self._left) < MOST_LEFT and not self._crowded

    def leave(self, thing: Left) -> None:
        """Leave ``thing`` for whoever has the lock. Does not wait."""
        self._left.append(thing)
        self._serve()  # its owner may have let go just before, and seen nothing

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  # as threading's
        """As ``threading.RLock.acquire``."""
        nested = self._is_owned()
        try:
            got: bool = self._lock.acquire(blocking, timeout)
            if got and self._left and not nested:
                self._take_all()
        except BaseException:
            if not nested and self._is_owned():
                self._lock.release()
            raise
        return got

    def release(self) -> None:
        """As ``threading.RLock.release``."""
        self._lock.release()
        self._serve()  # does nothing while it is still owned

    def locked(self) -> bool:
        """Whether any thread has it. What ``threading.Condition`` asks for from Python 3.14 on."""
        if self._is_owned():
            return True
        if self._lock.acquire(blocking=False):
            self._lock.release()
            return False
        return True

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _serve(self) -> None:
        # Until nothing is left: whoever leaves something meanwhile relies on the owner, and on nobody else.
        rounds = 0
        try:
            while self._left and not self._is_owned() and self.acquire(blocking=False):
                self._lock.release()
                rounds += 1
                if rounds >= MOST_ROUNDS:
                    self._crowded = True
        finally:
            if rounds >= MOST_ROUNDS:
                self._crowded = False
        if self._afterwards and not self._calling and not self._is_owned():
            self._calling = True
            try:
                start_new_thread(self._call_all)  # one of threading's would be waited for until it runs
            except RuntimeError:  # the system or a finishing interpreter gives none
                self._call_all()

    def _call_all(self) -> None:
        self._calling = False  # from here on what comes needs another thread: a call may take its time
        while self._afterwards:
            try:
                call = self._afterwards.popleft()
            except IndexError:  # another thread was quicker
                return
            call()

    def _take_all(self) -> None:
        for _ in range(len(self._left)):
            call = None
            try:
                call = self._take(self._left[0])
            except Exception:
                logger.exception("what was left with the lock could not be taken")
            if call is not None:
                self._afterwards.append(call)
            self._left.popleft()  # last of all, so that an interruption loses nothing

    def _release_save(self) -> Any:  # for conditions, too
        state = self._lock._release_save()
        try:
            self._serve()
        except BaseException:
            self._acquire_restore(state)
            raise
        return state
