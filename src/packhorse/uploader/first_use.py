"""Forks and first uses: a fork waits while one of our threads imports or compiles something for the first time.

Imports and the redactor's compiled rules are made under locks of the whole process. A child that was forked meanwhile
would find them locked by a thread that it does not have, and wait for ever.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from packhorse.forks import renew_in_child
from packhorse.real_threads import make_rlock

#: The longest a fork waits, in seconds: a first use takes about half a second, most of it Hyperscan's compiling.
LONGEST_WAIT_S = 5.0


class _Gate:
    """The lock, and whether the thread that forks has it."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.lock = make_rlock()
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
    lock: AbstractContextManager[Any] = _gate.lock
    return lock


os.register_at_fork(before=_gate.before, after_in_parent=_gate.in_parent)
renew_in_child(_gate.renew)
