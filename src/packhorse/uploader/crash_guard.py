"""The engine's threads outlive what nobody foresaw: it is logged once, without content, and each failure has a pause.

A thread that ended of it would be missing for good, and nobody would see more than that uploads became slow.
"""

from __future__ import annotations

import logging
import time
from pathlib import PurePath
from typing import Protocol

logger = logging.getLogger("packhorse")

#: Pauses after failures in a row: twice as long each time. Seconds.
FIRST_PAUSE_S, MOST_PAUSE_S = 0.05, 2.0
#: Seconds between two looks whether the engine stops, during a pause. No condition: those may be what has failed.
LOOK_S = 0.05
#: Kinds of failures that are logged at the most.
MOST_TOLD = 20


class Guarded(Protocol):
    """Whose threads they are."""

    stopping: bool
    told: set[str]


class CrashGuard:
    """Of one thread."""

    def __init__(self, core: Guarded) -> None:
        self._core = core
        self._next_s = FIRST_PAUSE_S

    def worked(self) -> None:
        """One turn of the thread's loop was as it should be."""
        self._next_s = FIRST_PAUSE_S

    def outlives(self, error: BaseException) -> bool:
        """Tell of ``error`` and pause. False when the thread should end, all being about to stop."""
        tell(self._core, error)
        end_s = time.monotonic() + self._next_s
        self._next_s = min(2.0 * self._next_s, MOST_PAUSE_S)
        while not self._core.stopping and (rest_s := end_s - time.monotonic()) > 0.0:
            time.sleep(min(rest_s, LOOK_S))
        return not self._core.stopping


def tell(core: Guarded, error: BaseException) -> None:
    """Log what should never have been raised by its type and place, once; its text may quote a capture."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {PurePath(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}" if trace else ""
    told = f"{type(error).__name__}{place}"
    if told not in core.told and len(core.told) < MOST_TOLD:
        core.told.add(told)
        logger.error("an uploader's thread met an unforeseen %s and goes on; please report it", told)
