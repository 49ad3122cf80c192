"""Giving freed memory back to the system while memory is short.

glibc keeps pages that were freed behind a block that is still used. Captures come and go among bodies that wait, so
that in an outage a third of what the process held was found to be such pages (docs/uploader.md, "Memory").
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from packhorse.units import MIB
from packhorse.uploader.first_use import first_use

#: What may have been freed since the last time: a thirty-second of the budget, and so much at least.
LEAST_FREED_BYTES, FREED_SHARE = 2 * MIB, 32
#: Memory is short when more than this part of the budget was held since the last time. Else nothing is ever done.
SHORT_SHARE = 2
#: Threads that allocate may have to wait meanwhile: of the time, this part at the most. A large heap takes longer.
MOST_TIME_RATIO = 0.01
#: As long as it gives back what is worth it, this part: a burst fills the budget within a third of a second, and leaves
#: as much again in such pages.
WORTH_BYTES, WORTH_TIME_RATIO = 1 * MIB, 0.2

#: A call that takes more CPU time, and gives little back, has met a large heap of the application's, whose threads
#: would wait for it ...
LONGEST_S = 0.005
#: ... so that it is not made again for so long.
LONG_PAUSE_S = 60.0


@cache
def _malloc_trim() -> Any:
    with first_use():
        import ctypes

    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def release_free_pages() -> int:
    """``malloc_trim(3)`` returns whole free pages of all arenas. Where the allocator has none, nothing is done.

    Returns:
        By how many bytes resident memory shrank meanwhile, as far as the system tells.
    """
    if (trim := _malloc_trim()) is None:
        return 0
    before_bytes = _resident_bytes()
    trim(0)
    return before_bytes - _resident_bytes()


def _resident_bytes() -> int:
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class Trimming:
    """When to do it. Not thread-safe but for :meth:`run`: its owner holds a lock."""

    def __init__(self, release: Callable[[], int] = release_free_pages) -> None:
        self._release = release
        self._freed_bytes = 0
        self._high_bytes = 0
        self._again_s = float("-inf")

    def note(self, held_bytes: int, freed_bytes: int) -> None:
        """While ``held_bytes`` are held, so many of them are let go."""
        self._high_bytes = max(self._high_bytes, held_bytes)
        self._freed_bytes += freed_bytes

    def may_be_due(self, budget_bytes: int) -> bool:
        """False when memory was never short since the last time: as good as always. Needs no lock."""
        return self._high_bytes > budget_bytes // SHORT_SHARE

    def take(self, budget_bytes: int, now_s: float) -> bool:
        """True when it is due; then the caller calls :meth:`run`, without the lock."""
        enough = max(LEAST_FREED_BYTES, budget_bytes // FREED_SHARE)
        if self._freed_bytes < enough or self._high_bytes <= budget_bytes // SHORT_SHARE or now_s < self._again_s:
            return False
        self._freed_bytes = self._high_bytes = 0
        self._again_s = float("inf")
        return True

    def run(self) -> None:
        """Give back what is free. What that raises is no worker's trouble."""
        begun_s, used_s = time.monotonic(), time.thread_time()
        returned_bytes = 0
        with suppress(Exception):
            returned_bytes = self._release()
        used_s = time.thread_time() - used_s
        ended_s = time.monotonic()
        if returned_bytes >= WORTH_BYTES:
            self._again_s = ended_s + (ended_s - begun_s) / WORTH_TIME_RATIO
            return
        pause_s = (ended_s - begun_s) / MOST_TIME_RATIO
        self._again_s = ended_s + (pause_s if used_s <= LONGEST_S else max(pause_s, LONG_PAUSE_S))
