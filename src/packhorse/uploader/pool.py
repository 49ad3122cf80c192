"""One pool of threads, started as they are needed, that do whatever is to be done next.

Waking a thread is dear: it contends for the GIL with the one that wakes it. So at most one is on its way at any time;
it wakes the next one itself when it has found something to do and there is more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from packhorse.real_threads import make_lock
from packhorse.uploader.handover import HandoverLock
from packhorse.uploader.job import Job


class Pool:
    """Not thread-safe: its owner holds the lock, also of :meth:`rest`, which lets go of it meanwhile.

    Only :meth:`start_ordered` is called without it.

    Args:
        lock: The owner's.
        start: Starts a thread of that name; False when the system or a finishing interpreter gives none.

    Attributes:
        work: What a thread does; it ends when that returns.
        running: Threads that have not ended.
        woken: Those that were started or woken and have not looked for something to do yet.
        ordered: Of these, those that are to be started.
    """

    def __init__(self, lock: HandoverLock[Job], start: Callable[[Callable[[], None], str], bool]) -> None:
        self._lock = lock
        self._start = start
        self._resting: list[threading.Lock] = []
        self.work: Callable[[], None] = _nothing
        self.running = 0
        self.woken = 0
        self.ordered = 0

    @property
    def resting(self) -> int:
        """Threads that wait for something to do."""
        return len(self._resting)

    def wake(self) -> bool:
        """Let one that rests look for something to do: the one that has rested shortest. False when none rests."""
        if not self._resting:
            return False
        turn = self._resting.pop()
        self.woken += 1
        turn.release()
        return True

    def wake_all(self) -> None:
        """Let all look."""
        while self.wake():
            pass

    def start(self) -> bool:
        """Start another, which looks for something to do. False when there is none to be had."""
        if not self._start(self._run, f"packhorse-upload-{self.running + 1}"):
            return False
        self.running += 1
        self.woken += 1
        return True

    def order(self) -> None:
        """As :meth:`start`, by a thread that calls :meth:`start_ordered` as soon as it has let go of the lock.

        Whoever starts a thread waits until that has the GIL, and all others would wait for the lock meanwhile.
        """
        self.running += 1
        self.woken += 1
        self.ordered += 1

    def start_ordered(self) -> None:
        """Start what was ordered, without the lock. Idempotent."""
        while self.ordered:
            with self._lock:
                if not self.ordered:
                    return
                self.ordered -= 1
            if not self._start(self._run, f"packhorse-upload-{self.running}"):
                with self._lock:
                    self.running -= 1
                    self.woken -= 1

    def _run(self) -> None:
        with self._lock:
            self.woken -= 1
        try:
            self.work()
        finally:
            with self._lock:
                self.running -= 1

    def rest(self, wait_s: float | None) -> None:
        """Wait to be woken, at most ``wait_s`` seconds (None: as long as it takes)."""
        turn = make_lock()
        turn.acquire()
        self._resting.append(turn)
        self._lock.release()
        try:
            turn.acquire(timeout=-1 if wait_s is None else min(max(wait_s, 0.0), threading.TIMEOUT_MAX))
        finally:
            self._lock.acquire()
            if turn in self._resting:
                self._resting.remove(turn)
            else:
                self.woken -= 1


def _nothing() -> None:
    """Before the owner says what to do."""
