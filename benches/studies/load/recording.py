"""The recording that the load study replays: made up, as synthetic captures have no arrivals of their own."""

from __future__ import annotations

import heapq

from benches.studies.load import Bursty, Poisson, Replayed


def recorded(rate_per_s: float, duration_s: float, seed: int) -> Replayed:
    """Half of it users by chance, half batches of tasks that end within a fifth of a second of each other."""
    half = rate_per_s / 2
    users = Poisson(half, duration_s).offsets(seed)
    batches = Bursty(half, duration_s, burst=10, gap_s=0.02).offsets(seed + 1)
    return Replayed(tuple(heapq.merge(users, batches)))
