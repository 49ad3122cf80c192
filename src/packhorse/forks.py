"""What a forked child must make anew, also where nobody tells Python of the fork.

uWSGI forks in C, and ``os.register_at_fork`` says nothing there. So whoever begins something in a process asks
:func:`notice_fork` first: that is one comparison of process ids.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class _Process:
    """The one that everything here was made for."""

    pid = os.getpid()
    #: Held while what belongs to another process is made anew.
    renewing = threading.Lock()


_renewals: list[Callable[[], object]] = []


def renew_in_child(renew: Callable[[], object]) -> None:
    """Call ``renew`` in every forked child before anything else of ours, in the order in which they were given."""
    _renewals.append(renew)


def notice_fork() -> None:
    """Make everything anew if this process was forked and Python was not told."""
    if _Process.pid == os.getpid():
        return
    with _Process.renewing:
        if _Process.pid != os.getpid():  # else another thread has done it meanwhile
            _renew()


def _renew() -> None:
    for renew in _renewals:
        renew()
    _Process.pid = os.getpid()  # last: until then other threads must not go on


def _in_child() -> None:
    _Process.renewing = threading.Lock()
    _renew()


os.register_at_fork(after_in_child=_in_child)
