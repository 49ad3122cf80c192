"""Real threads and their locks, also where gevent has put greenlets in their place.

A greenlet that is in a native call, as in a PUT, holds up every other one of its thread: a whole web server. So the
uploader's threads are the system's, and what they share among them is guarded by the system's locks. What callers wait
for (tickets) keeps to ``threading``, so that a waiting greenlet lets the others run.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol


def replaced() -> bool:
    """True when gevent has replaced threads. It may come to that at any time, also after our import."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _real(module: str, name: str) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(import_module(module), name)


def make_lock() -> threading.Lock:
    """As ``threading.Lock()``."""
    lock: threading.Lock = _real("_thread", "allocate_lock")()
    return lock


def make_rlock() -> Any:
    """As ``threading.RLock()``."""
    if not replaced():
        return threading.RLock()
    return _real("_thread", "RLock")()  # gevent leaves it alone; its own ``threading.RLock`` is for greenlets


def start_new_thread(work: Callable[[], object]) -> None:
    """As ``_thread.start_new_thread``. Raises RuntimeError when the system or a finishing interpreter gives none."""
    _real("_thread", "start_new_thread")(work, ())


#: The thread's, whatever greenlet it runs. A function in C: no interruption strikes within.
current_ident: Callable[[], int] = _real("_thread", "get_ident")


class Joinable(Protocol):
    """A thread that was started."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end; its own does not."""
        ...

    def is_alive(self) -> bool:
        """False once it has ended."""
        ...


class _Greenless:
    """A thread that ``threading`` knows nothing of."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._ended = make_lock()
        self._ended.acquire()
        self._ident = 0
        start_new_thread(self._run)

    def _run(self) -> None:
        self._ident = current_ident()
        try:
            self._work()
        finally:
            self._ended.release()

    def join(self, timeout: float | None = None) -> None:
        if self._ident != current_ident() and self._ended.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            self._ended.release()

    def is_alive(self) -> bool:
        return self._ended.locked()


def start_thread(work: Callable[[], object], name: str, *, daemon: bool = True) -> Joinable:
    """Start a thread. Raises RuntimeError as :func:`start_new_thread`."""
    if replaced():
        return _Greenless(work)
    thread = threading.Thread(target=work, name=name, daemon=daemon)
    thread.start()
    return thread


class LetGo(Protocol):
    """A lock that its owner can let go of for a while, however often it has acquired it."""

    def __enter__(self) -> object:
        """Acquire it."""
        ...

    def __exit__(self, *raised: Any) -> None:
        """Release it."""
        ...

    def let_go(self) -> int:
        """Release it as often as it was acquired. Returns how often that was; who is interrupted has it still."""
        ...

    def have_back(self, times: int) -> None:
        """Acquire it as often as that. Who is interrupted may call it again: it does nothing for its owner."""
        ...


class Condition:
    """As ``threading.Condition``, which makes its locks of what ``threading`` has at that moment.

    Args:
        lock: What is held around each call.
    """

    def __init__(self, lock: LetGo) -> None:
        self._lock = lock
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> object:
        return self._lock.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._lock.__exit__(*raised)

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of the lock until told, at most ``timeout`` seconds. True when it was told. The lock is held."""
        turn = make_lock()
        turn.acquire()
        self._waiting.append(turn)
        times = self._lock.let_go()
        told = back = False
        interrupted: BaseException | None = None
        try:
            told = turn.acquire(timeout=-1 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX))
        finally:
            # Its caller holds the lock around the wait and will release it: who is interrupted needs it all the same.
            while not back:
                try:
                    self._lock.have_back(times)
                    back = True
                except BaseException as error:  # noqa: BLE001  # raised below
                    interrupted = error
            if not told and turn in self._waiting:
                self._waiting.remove(turn)
            if interrupted is not None:
                raise interrupted
        return told

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until ``predicate()``, at most ``timeout`` seconds; returns what it said last. The lock is held."""
        end_s = None if timeout is None else time.monotonic() + timeout
        while not (found := predicate()):
            left_s = None if end_s is None else end_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                break
            self.wait(left_s)
        return found

    def notify(self) -> None:
        """Tell the one that has waited longest. The lock is held."""
        if self._waiting:
            self._waiting.popleft().release()

    def notify_all(self) -> None:
        """Tell all. The lock is held."""
        while self._waiting:
            self._waiting.popleft().release()
