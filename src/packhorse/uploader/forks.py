"""Forks and first uses: a fork waits while one of our threads imports or compiles something for the first time.

Imports and the redactor's compiled rules are made under locks of the whole process. A child that was forked meanwhile
would find them locked by a thread that it does not have, and wait for ever.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packhorse.uploader.work import Work

#: The longest a fork waits, in seconds: a first use takes about half a second, most of it Hyperscan's compiling.
LONGEST_WAIT_S = 5.0
#: A capture without content, of the shape that most have.
_EMPTY = {"log": {"version": "1.2", "entries": [{"request": {"headers": []}, "response": {"content": {}}, "time": 0}]}}


class _Gate:
    """The lock, and whether the thread that forks has it."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.lock = threading.RLock()
        self.held = False

    def before(self) -> None:
        self.held = self.lock.acquire(timeout=LONGEST_WAIT_S)

    def in_parent(self) -> None:
        if self.held:
            self.held = False
            self.lock.release()


_gate = _Gate()


def first_use() -> AbstractContextManager[Any]:
    """A context in which no fork happens. Short: nothing of a caller's may run in it."""
    return _gate.lock


def warm_up(engine: Work) -> None:
    """Import and compile what encoding needs, by encoding an empty capture. What fails, fails again with a real one."""
    with first_use(), suppress(Exception):
        from packhorse.redact import Redactor

        redactor = getattr(engine.redact, "__self__", None)
        capture = redactor.capture(_EMPTY) if isinstance(redactor, Redactor) else _EMPTY
        for _ in engine.profile.pipeline.codec().encode(capture, overlap=False):
            pass


os.register_at_fork(before=_gate.before, after_in_parent=_gate.in_parent, after_in_child=_gate.renew)
