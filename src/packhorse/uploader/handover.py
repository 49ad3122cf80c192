"""The engine's lock: re-entrant, with a place beside it for what nobody may wait for.

A thread that waits for a lock gives up the GIL, and may get it back only milliseconds later, behind an encoder that
holds it. Whoever must not wait leaves things with the lock instead: its owner, or the next one, takes them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from packhorse.real_threads import Condition, current_ident, make_rlock, start_new_thread

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
        # Acquired once by its owner, however often that acquires this one. A re-entrant one all the same: released by
        # whoever may have been interrupted before it was acquired, it stays with another owner.
        self._lock = make_rlock()
        self._owner = 0  # the thread, from the moment in which it has the lock
        self._times = 0  # how often it has acquired it
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

    def owned(self) -> bool:
        """True for the thread that has it."""
        return self._owner == current_ident()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  # as threading's
        """As ``threading.RLock.acquire``."""
        me = current_ident()
        if self._owner == me:
            self._times += 1
            return True
        try:
            got: bool = self._lock.acquire(blocking, timeout)
            if got:
                self._owner, self._times = me, 1
                if self._left:
                    self._take_all()
        except BaseException:
            self._give_back(me)
            raise
        return got

    def _give_back(self, me: int) -> None:
        """Release the lock if this thread has acquired it; an interruption does not say whether it has."""
        if self._owner == me:
            self._owner = 0
        with suppress(RuntimeError):  # it has not
            self._lock.release()

    def release(self, *_raised: object) -> None:
        """As ``threading.RLock.release``, which only the owner may call."""
        if self._times > 1:
            self._times -= 1
            return
        # No call until the last: Ctrl-C strikes as one begins or ends.
        self._owner = 0
        self._lock.release()
        if self._left or self._afterwards:
            self._serve()

    # The same functions: each capture takes the lock five times.
    __enter__ = acquire
    __exit__ = release

    def _serve(self) -> None:
        # Until nothing is left: whoever leaves something meanwhile relies on the owner, and on nobody else.
        rounds = 0
        try:
            while self._left and not self.owned() and self.acquire(blocking=False):
                self._owner = 0
                self._lock.release()
                rounds += 1
                if rounds >= MOST_ROUNDS:
                    self._crowded = True
        finally:
            if rounds >= MOST_ROUNDS:
                self._crowded = False
        if self._afterwards and not self._calling and not self.owned():
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

    def let_go(self) -> int:
        """For conditions: see :class:`packhorse.real_threads.LetGo`."""
        times = self._times
        self._owner = 0
        self._lock.release()
        try:
            self._serve()
        except BaseException:
            self.have_back(times)
            raise
        return times

    def have_back(self, times: int) -> None:
        """For conditions: see :class:`packhorse.real_threads.LetGo`. Takes nothing: the owner is in its work."""
        me = current_ident()
        if self._owner == me:
            return
        try:
            self._lock.acquire()
            self._owner, self._times = me, times
        except BaseException:
            self._give_back(me)
            raise
