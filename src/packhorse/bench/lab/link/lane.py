"""One direction of a link: bytes wait in a pipe per connection until they have been transmitted and have travelled.

A pipe and the lane keep virtual clocks: a chunk that arrives when the clock shows ``t`` is transmitted at
``max(t, now) + bytes / rate``, so neither a late timer nor a busy machine makes the link slower in the long run. It
leaves ``delay`` later. This is what ``tc netem`` does to packets; here it is done to chunks of a byte stream, which
needs no root.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import Literal

from packhorse.units import KIB, MIB

#: A pipe that is full stops reading its source. Linux's default largest send buffer, so what TCP itself would hold.
LARGEST_PIPE_BYTES = 4 * MIB
#: So that a link of few bytes in flight still reads in pieces that are worth a system call.
SMALLEST_PIPE_BYTES = 64 * KIB
#: With many connections over one slow link, each holds at least so much: an initial TCP window.
SMALLEST_SHARE_BYTES = 16 * KIB
#: Bytes in all pipes of a lane together, however many connections there are.
LANE_BYTES = 256 * MIB
#: Seconds of transmission that a pipe holds beyond its delay, so that the clock never runs dry between two reads.
AHEAD_S = 0.02
#: A full pipe reads again below this. What is travelling must stay in it, or the transmission's clock would run dry.
RESUME_RATIO = 0.85
#: Seconds of transmission in one chunk, which is as finely as bytes of several connections are interleaved.
CHUNK_S = 0.004
LARGEST_CHUNK_BYTES, SMALLEST_CHUNK_BYTES = 256 * KIB, 4 * KIB
#: Chunks this close to their time go with the ones before: a wake-up costs more than it would gain.
EARLY_S = 50e-6
#: Chunks whose lateness is kept for ``achieved``: the latest ones.
KEPT = 8192

End = Literal["eof", "abort"]
Item = bytes | End


class Clockwork:
    """Lets go of chunks at their time: one heap and one alarm for all pipes of a process."""

    def __init__(
        self, alarm: Callable[[Callable[[], None]], Callable[[float], None]], now: Callable[[], float] = time.monotonic
    ) -> None:
        """``alarm(ring)`` gives the function that sets when ``ring`` is called; ``now`` is its clock, in seconds."""
        self.now = now
        self._heap: list[tuple[float, int, Pipe]] = []
        self._count = 0
        self._set_s = float("inf")
        self._set_alarm = alarm(self._ring)

    def add(self, due_s: float, pipe: Pipe) -> None:
        """Call ``pipe.ring`` at ``due_s``. A pipe is in here at most once."""
        self._count += 1
        heapq.heappush(self._heap, (due_s, self._count, pipe))
        if due_s < self._set_s:
            self._set(due_s)

    def _set(self, due_s: float) -> None:
        self._set_s = due_s
        self._set_alarm(due_s)

    def _ring(self) -> None:
        self._set_s = float("-inf")  # nobody needs to set the alarm while chunks are being let go
        heap = self._heap
        limit_s = self.now() + EARLY_S
        while heap and heap[0][0] <= limit_s:
            heapq.heappop(heap)[2].ring()
        self._set_s = float("inf")
        if heap:
            self._set(heap[0][0])


class Lane:
    """What all connections share in one direction.

    Attributes:
        late_s: By how much the latest chunks left later than asked, in seconds.
        asked_s: How long these chunks were asked to stay.
        pipes: Connections that have a pipe here.
        chunk_bytes: How much is read at once, at most.
    """

    def __init__(
        self, clockwork: Clockwork, delay_s: tuple[float, float], mbit: float | None, each: float | None
    ) -> None:
        """``delay_s`` is delay and jitter; ``mbit`` the bandwidth of all, ``each`` of one connection."""
        self.clockwork = clockwork
        self.delay_s, self._jitter_s = delay_s
        self.rate = None if mbit is None else mbit * 1e6 / 8
        self.each_rate = None if each is None else each * 1e6 / 8
        slowest = min((rate for rate in (self.rate, self.each_rate) if rate is not None), default=float("inf"))
        self.chunk_bytes = int(min(LARGEST_CHUNK_BYTES, max(SMALLEST_CHUNK_BYTES, slowest * CHUNK_S)))
        self.pipes = 0
        self.late_s, self.asked_s = array("d"), array("d")
        self._next = 0
        self._free_s = 0.0
        self._random = random.Random(0)

    def travel_s(self) -> float:
        """The delay of one chunk."""
        if not self._jitter_s:
            return self.delay_s
        return self.delay_s + self._random.uniform(-self._jitter_s, self._jitter_s)

    def transmitted_s(self, now_s: float, size: int) -> float:
        """When ``size`` more bytes have passed through what all share."""
        if self.rate is None:
            return now_s
        self._free_s = max(self._free_s, now_s) + size / self.rate
        return self._free_s

    def pipe_bytes(self) -> int:
        """What a pipe may hold now: what is on its way at full rate, less when many connections share a slow lane."""
        limit = LARGEST_PIPE_BYTES
        ahead_s = self.delay_s + self._jitter_s + AHEAD_S
        if self.each_rate is not None:
            limit = min(limit, max(SMALLEST_PIPE_BYTES, int(self.each_rate * ahead_s)))
        pipes = max(1, self.pipes)
        shared = (
            LANE_BYTES if self.rate is None else min(LANE_BYTES, max(SMALLEST_PIPE_BYTES, int(self.rate * ahead_s)))
        )
        return max(SMALLEST_SHARE_BYTES, min(limit, shared // pipes))

    def note(self, asked_s: float, late_s: float) -> None:
        """Keep how late a chunk left."""
        if len(self.late_s) < KEPT:
            self.late_s.append(late_s)
            self.asked_s.append(asked_s)
            return
        self._next = (self._next + 1) % KEPT
        self.late_s[self._next] = late_s
        self.asked_s[self._next] = asked_s


class Pipe:
    """One connection's bytes in one direction.

    Attributes:
        lane: The direction it is in.
        source: The transport whose reading is paused while the pipe is full; set by the owner.
    """

    __slots__ = (
        "_armed",
        "_blocked",
        "_deliver",
        "_due_s",
        "_free_s",
        "_held",
        "_open_s",
        "_paused",
        "_waiting",
        "lane",
        "source",
    )

    def __init__(self, lane: Lane, deliver: Callable[[Item], None]) -> None:
        self.lane = lane
        self._deliver = deliver
        self._waiting: deque[tuple[float, float, Item]] = deque()
        self._held = 0
        self._free_s = self._due_s = self._open_s = 0.0
        self._armed = self._blocked = self._paused = False
        self.source: asyncio.Transport | None = None
        lane.pipes += 1

    def push(self, item: Item, not_before_s: float = 0.0) -> None:
        """Take bytes, or the end of the stream, that have just arrived; they leave no earlier than asked."""
        now_s = self.lane.clockwork.now()
        lane = self.lane
        sent_s = now_s
        if not isinstance(item, str):
            size = len(item)
            self._held += size
            sent_s = lane.transmitted_s(now_s, size)
            if lane.each_rate is not None:
                self._free_s = max(self._free_s, now_s) + size / lane.each_rate
                sent_s = max(sent_s, self._free_s)
            if not self._paused and self._held >= lane.pipe_bytes():
                self._pause()
        due_s = max(sent_s, not_before_s) + lane.travel_s()
        self._due_s = due_s = max(due_s, self._due_s)
        self._waiting.append((due_s, now_s, item))
        if len(self._waiting) == 1 and not self._blocked:
            if due_s <= now_s:
                self.release()
            else:
                self._arm(due_s)

    def ring(self) -> None:
        """Called by the clockwork at the time that was asked for."""
        self._armed = False
        self.release()

    def release(self) -> None:
        """Deliver what is due."""
        lane, waiting = self.lane, self._waiting
        while waiting and not self._blocked:
            due_s, arrived_s, item = waiting[0]
            now_s = self.lane.clockwork.now()
            if due_s > now_s + EARLY_S:
                self._arm(due_s)
                break
            if due_s >= self._open_s:  # otherwise it was the receiver that was late
                lane.note(due_s - arrived_s, now_s - due_s)
            if not isinstance(item, str):
                self._held -= len(item)
            waiting.popleft()  # first, as delivering may close this pipe
            self._deliver(item)
        if self._paused and self._held <= RESUME_RATIO * lane.pipe_bytes():
            self._resume()

    def block(self) -> None:
        """Deliver nothing for now: the receiver's buffers are full."""
        self._blocked = True

    def unblock(self) -> None:
        """The receiver takes bytes again."""
        if self._blocked:
            self._blocked = False
            self._open_s = self.lane.clockwork.now()
            if self._waiting:
                self._arm(self._waiting[0][0])

    def close(self) -> None:
        """Throw away what is waiting."""
        self._waiting.clear()
        self._held = 0
        self._blocked = True
        self.lane.pipes -= 1

    def _arm(self, due_s: float) -> None:
        if not self._armed:
            self._armed = True
            self.lane.clockwork.add(due_s, self)

    def _pause(self) -> None:
        if self.source is not None and not self.source.is_closing():
            self.source.pause_reading()
            self._paused = True

    def _resume(self) -> None:
        self._paused = False
        if self.source is not None and not self.source.is_closing():
            self.source.resume_reading()
