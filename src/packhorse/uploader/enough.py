"""How many uploads in flight keep the encoders busy. Pure: the clock is an argument.

By Little's law: while one capture is encoded, ``upload / encode`` others have to be under way, for each thread that
encodes. More of them bring nothing where S3 answers in a millisecond, as on the own network: each costs a thread and a
connection, about a millisecond of CPU. S3 itself takes 30 ms: there the limit is that of the profile.

A server may get faster still with more in flight than that, though each takes longer. So while captures wait, one more
is let in every now and then: a burst ends before that costs anything, and a backlog gets all that the limit allows.
"""

from __future__ import annotations

import math

#: Seconds that the shortest upload is remembered, once or twice: then a server that has become slower counts.
WINDOW_S = 10.0
#: Seconds without an answer after which S3 counts as stalled: at least so many, or so many times the shortest upload.
STALLED_S, STALLED_TIMES = 0.010, 4.0
#: Seconds that captures wait for each upload that is let in beyond what is enough.
MORE_S = 0.05
#: Share of the past that one capture takes over in the mean time of encoding.
_FORGET = 1 / 8
#: Encoding takes no less than this, or a clock that stood still would ask for thousands.
_LEAST_ENCODE_S = 20e-6


class Enough:
    """The number that is enough. Not thread-safe: its owner holds a lock.

    The *mean* time of encoding counts, which is how fast captures really come, and the *shortest* upload: longer ones
    have waited at S3 for others of ours.

    Args:
        encode_threads: How many threads encode side by side.

    Attributes:
        in_flight: So many keep them busy; infinite before anything is known.
        stalled_s: Seconds without an answer after which more are begun all the same.
    """

    def __init__(self, encode_threads: int) -> None:
        self._encode_threads = encode_threads
        self._encode_s = 0.0
        self._last_s = self._upload_s = math.inf  # the shortest upload of the last window, and of this one
        self._turn_s = self._answer_s = self._more_s = -math.inf
        self._more = 0
        self.in_flight = math.inf
        self.stalled_s = STALLED_S

    def answered(self, encode_s: float, upload_s: float, now_s: float) -> None:
        """A capture was stored after so long an upload; encoding it had taken so long."""
        self._answer_s = now_s
        if now_s >= self._turn_s:
            self._turn_s = now_s + WINDOW_S
            self._last_s, self._upload_s = self._upload_s, upload_s
        elif upload_s < self._upload_s:
            self._upload_s = upload_s
        self._encode_s += ((encode_s - self._encode_s) * _FORGET) if self._encode_s else encode_s
        shortest_s = min(self._last_s, self._upload_s)
        by_law = self._encode_threads * (1 + shortest_s / max(self._encode_s, _LEAST_ENCODE_S))
        self.in_flight = math.ceil(by_law) + self._more
        self.stalled_s = max(STALLED_S, STALLED_TIMES * shortest_s)

    def has(self, in_flight: int, now_s: float) -> bool:
        """Whether so many are enough. Never while S3 is stalled: who waits there must not keep others from encoding."""
        return in_flight >= self.in_flight and now_s - self._answer_s <= self.stalled_s

    def waits(self, now_s: float) -> None:
        """A capture waits though a thread could encode it."""
        if now_s >= self._more_s + MORE_S:
            self._more_s = now_s
            self._more += 1
            self.in_flight += 1
