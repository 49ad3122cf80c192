"""Ends that nobody announces to an uploader: its interpreter's, and those of children that never come to that.

``multiprocessing`` and Celery end their children by ``os._exit``, before Python's own hooks, and ``Pool`` by SIGTERM.
With the first capture of a process begins what waits for that: a thread that is no daemon, and Celery's signal. Where
there is neither (RQ, a plain ``os._exit``), only ``flush()`` helps.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import weakref
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Protocol

from packhorse.forks import notice_fork, renew_in_child
from packhorse.real_threads import start_new_thread
from packhorse.uploader import uwsgi_master


class Ending(Protocol):
    """An engine, as far as it ends."""

    def exit(self, begun_s: float) -> None:
        """Drain, spool, count aloud; ``begun_s`` is when the process began to end."""
        ...

    def disown(self) -> None:
        """In a forked child: begin afresh."""
        ...

    def take_over(self) -> None:
        """In the child of uWSGI's master: go on with what was held back there, if no other does."""
        ...

    def begin(self) -> None:
        """Start threads for what has been held back."""
        ...


class _Process:
    """The process whose end is watched; 0 before its first capture."""

    watched = 0


_endings: weakref.WeakSet[Ending] = weakref.WeakSet()


def watch(ending: Ending) -> None:
    """End it with the process, and make it anew in a forked child."""
    _endings.add(ending)


def capture_comes() -> None:
    """Before each capture: see whether this is another process now. What it costs is one look at the process id."""
    if _Process.watched != os.getpid():
        notice_fork()
        _Process.watched = os.getpid()
        _hook()
        _take_over()


def _take_over() -> None:
    for ending in list(_endings):
        ending.take_over()


def wait_begins() -> None:
    """Before somebody waits for captures."""
    if uwsgi_master.wait_begins():
        for ending in list(_endings):
            ending.begin()


def end_all() -> None:
    """End every uploader of this process that nobody has closed. Idempotent. They share the time that there is."""
    notice_fork()  # also where it was never used: what is the parent's must not be freed here
    _take_over()
    begun_s = time.monotonic()
    for ending in list(_endings):
        ending.exit(begun_s)


def _hook() -> None:
    """Set the hooks of whoever will end this process. What is not imported by now did not start it."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        # Once threads are waited for, it can be imported no more, and boto3 needs it.
        from concurrent.futures import ThreadPoolExecutor  # noqa: F401

        # No daemon, so that the child's end waits for it, as any end waits for threads. A full system gives none.
        with suppress(RuntimeError):
            threading.Thread(target=_end_after_main, name="packhorse-end", daemon=False).start()
        _end_on_terminate()
    celery = sys.modules.get("celery.signals")
    if celery is not None:
        celery.worker_process_shutdown.connect(_celery_child_ends, weak=False, dispatch_uid="packhorse")


def _end_after_main() -> None:
    """Last of all: what else runs at the end may still hand captures in."""
    threading.main_thread().join()
    end_all()


def _celery_child_ends(**_: Any) -> None:
    end_all()


def _end_on_terminate() -> None:
    """Drain before SIGTERM ends a child of ``multiprocessing``: so ``with Pool()`` ends its workers as a rule.

    Only where it would end the process at once: whoever has a handler knows what is to be done.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    # Not here: the main thread may hold any lock at this moment.
    start_new_thread(partial(_end_and_raise, number))


def _end_and_raise(number: int) -> None:
    try:
        end_all()
    finally:
        end_by(number)


def end_by(number: int) -> None:
    """Raise a signal for the handler that it has now; without one, the process ends.

    The kernel spares PID 1 of a container that, so that it has to end itself.
    """
    os.kill(os.getpid(), number)
    if os.getpid() == 1 and signal.getsignal(number) is signal.SIG_DFL:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed, or none at all
                stream.flush()
        os._exit(128 + number)


def _in_child() -> None:
    for ending in list(_endings):
        ending.disown()


atexit.register(end_all)
renew_in_child(_in_child)
