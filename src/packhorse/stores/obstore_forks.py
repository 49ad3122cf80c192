"""obstore in forked processes: refused before its native code is entered, which would wait for ever, or crash.

obstore's runtime is one for the process. Its threads do not live on in a child that was forked after they were started,
and nothing starts them there anew. Imports no third-party library, so that everybody may ask.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.forks import renew_in_child

if TYPE_CHECKING:
    from packhorse.stores.base import Endpoint

WHAT = "obstore was used before this process was forked, and its native threads do not live on in the child"
WHAT_TO_DO = "make the first uploader after the fork, start workers by spawn, or take a profile whose client is boto3"


class _Runtime:
    """The process in which the runtime was first used, or None; children inherit the number."""

    pid: int | None = None


#: What holds native objects. A child must not end them, since that, too, reaches into the runtime.
_holders: weakref.WeakSet[Any] = weakref.WeakSet()


def enter(endpoint: Endpoint) -> None:
    """Note that this process is about to use the runtime, which begins with making a client.

    Raises:
        StoreError: As :func:`check_alive`.
    """
    check_alive(endpoint)
    if _Runtime.pid is None:
        import ctypes  # noqa: F401  # needed in a child, which should import nothing: another thread may be at it

        _Runtime.pid = os.getpid()


def lost() -> bool:
    """True in a child of a process that had used obstore before the fork: it cannot be used here."""
    return _Runtime.pid is not None and _Runtime.pid != os.getpid()


def check_alive(endpoint: Endpoint) -> None:
    """Refuse the child of a process that had used obstore.

    Raises:
        StoreError: kind ``config``.
    """
    if lost():
        raise StoreError(f"bucket {endpoint.bucket!r}: {WHAT}; {WHAT_TO_DO}", kind=StoreErrorKind.CONFIG)


def hold(holder: Any) -> None:
    """Remember what holds native objects, as long as it lives: in a child it lives for ever."""
    _holders.add(holder)


def keep(thing: Any) -> None:
    """In a child whose parent had used obstore: let ``thing`` never be freed, also not when the interpreter ends."""
    if lost():
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))  # a module's names are cleared at exit


def _in_child() -> None:
    for holder in list(_holders):
        keep(holder)


renew_in_child(_in_child)
