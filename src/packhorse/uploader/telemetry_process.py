"""What the process as a whole suffers: pauses of the garbage collector, and how late its event loops are."""

from __future__ import annotations

import gc
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

#: Seconds between two heartbeats on an event loop: about 0.01 % of a core.
BEAT_S = 0.25


class GcPauses:
    """Sums the time that collections take, from :meth:`start` on. Costs about 0.3 µs a collection."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.collections = 0
        self._began_s: float | None = None
        self._running = False

    def start(self) -> None:
        """Begin to watch. Idempotent."""
        if not self._running:
            self._running = True
            gc.callbacks.append(self._seen)

    def stop(self) -> None:
        """Watch no more. Idempotent."""
        if self._running:
            self._running = False
            gc.callbacks.remove(self._seen)

    def _seen(self, phase: str, _info: dict[str, Any]) -> None:
        now_s = time.perf_counter()
        if phase == "start":
            self._began_s = now_s
        elif self._began_s is not None:
            self.seconds += now_s - self._began_s
            self.collections += 1
            self._began_s = None


class LoopLag:
    """How late heartbeats come on event loops. A timer and no task: a loop that ends has nothing to wait for."""

    def __init__(self) -> None:
        self._worst_s = 0.0
        self._beating: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.TimerHandle] = (
            weakref.WeakKeyDictionary()
        )

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin heartbeats on the running ``loop``; called on it. Idempotent."""
        if loop not in self._beating:
            self._next(loop)

    def take(self) -> float:
        """The worst lag since the last call, in seconds."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    def stop(self) -> None:
        """Cancel what beats on the calling thread's loop and forget the others (in a forked child)."""
        self._beating = weakref.WeakKeyDictionary()
        self._worst_s = 0.0

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        due_s = loop.time() + BEAT_S
        self._beating[loop] = loop.call_at(due_s, self._beat, weakref.ref(loop), due_s)

    def _beat(self, reference: weakref.ref[asyncio.AbstractEventLoop], due_s: float) -> None:
        loop = reference()
        if loop is None or loop not in self._beating:
            return
        self._worst_s = max(self._worst_s, loop.time() - due_s)
        self._next(loop)
