"""One alarm for a loop, to some tens of microseconds: a timerfd on Linux, the loop's own timers (1 ms) elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

#: <time.h>, <sys/timerfd.h>: the clock of ``time.monotonic`` on Linux; O_NONBLOCK | O_CLOEXEC; absolute times.
_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_ABSOLUTE = 1


class Alarm:
    """Calls one function at the time last set. Setting it again replaces the time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._fd = _timerfd() if sys.platform == "linux" else -1
        if self._fd >= 0:
            self._time = (ctypes.c_long * 4)()  # struct itimerspec: interval, then value; seconds, nanoseconds each
            self._settime = ctypes.CDLL(None).timerfd_settime
            self._arguments = (ctypes.c_int(self._fd), ctypes.c_int(_ABSOLUTE), ctypes.byref(self._time), None)
            loop.add_reader(self._fd, self._read)

    def set(self, when_s: float) -> None:
        """Ring at ``when_s`` of ``time.monotonic``, at once when that is over."""
        if self._fd >= 0:
            nanoseconds = max(int(when_s * 1e9), 1)  # zero would switch it off
            self._time[2], self._time[3] = divmod(nanoseconds, 1_000_000_000)
            self._settime(*self._arguments)
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0.0, when_s - time.monotonic()), self._ring)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):  # set again in between
            os.read(self._fd, 8)
        self._ring()


def _timerfd() -> int:
    return int(ctypes.CDLL(None).timerfd_create(_CLOCK_MONOTONIC, _FLAGS))
