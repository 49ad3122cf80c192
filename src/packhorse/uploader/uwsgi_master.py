"""uWSGI's master, which loads the application and then forks its workers.

It runs no hook of Python's at its end, and should have no threads when it forks. So what is handed in there before the
fork is held back, without a thread, and the first worker that looks takes it over. Where somebody waits for it in the
master, threads are started after all, and it stays the master's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from packhorse.forks import renew_in_child
from packhorse.real_threads import make_lock


class _Held:
    """What a master's children inherit, and what each process makes of it.

    Attributes:
        token: A pipe's end; its one byte goes to the process that takes what is held. None: nothing is.
        owner: The process that has got it.
        waited: The master in which somebody waits.
    """

    token: int | None = None
    owner = 0
    waited = 0
    claiming = make_lock()


def _uwsgi() -> Any:
    found = sys.modules.get("uwsgi")
    return found if hasattr(found, "masterpid") else None  # an application may have a module of that name


def holds() -> bool:
    """True in a master that has no worker yet, while nobody waits there for what was handed in."""
    uwsgi = _uwsgi()
    if uwsgi is None or uwsgi.masterpid() != os.getpid() or _Held.waited == os.getpid():
        return False
    return not any(worker["pid"] for worker in uwsgi.workers())


def hold(in_worker: Callable[[], object]) -> None:
    """Something is held back; ``in_worker`` is called in each worker once it was forked. Idempotent."""
    if _Held.token is not None:
        return
    _Held.token, writing = os.pipe()
    os.write(writing, b"1")
    os.close(writing)
    uwsgi = _uwsgi()
    others = getattr(uwsgi, "post_fork_hook", None)

    def forked() -> None:
        in_worker()
        if others is not None:
            others()

    uwsgi.post_fork_hook = forked  # if somebody replaces it, the worker's first capture or its end does as well


def wait_begins() -> bool:
    """Somebody waits for what was handed in. True when it was held back until now."""
    if "uwsgi" not in sys.modules or not holds():
        return False
    _Held.waited = os.getpid()
    return True


def claim() -> bool:
    """True in the one process that goes on with what was held back: a worker, or the master itself."""
    uwsgi = _uwsgi()
    with _Held.claiming:
        if _Held.token is not None and (uwsgi.worker_id() > 0 or uwsgi.masterpid() == os.getpid()):
            token, _Held.token = _Held.token, None
            if os.read(token, 1):  # nothing, once another has read it
                _Held.owner = os.getpid()
            os.close(token)
        return _Held.owner == os.getpid()


def _in_child() -> None:
    _Held.claiming = make_lock()


renew_in_child(_in_child)
