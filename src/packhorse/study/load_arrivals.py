"""Recorded arrivals for the load study: when the requests of a synthetic capture began."""

from __future__ import annotations

import math
from datetime import datetime

from packhorse.captures.synth import sized
from packhorse.lab.load import Replayed
from packhorse.model import materialized

#: Bytes of a capture of the kind ``headers`` per entry, roughly; a larger one is made where that is too few.
_BYTES_PER_ENTRY = 2_000


def recorded(rate_per_s: float, duration_s: float, seed: int) -> Replayed:
    """The first ``rate · duration`` requests of a capture, at the speed that brings them into ``duration_s``."""
    count = math.ceil(rate_per_s * duration_s)
    size = count * _BYTES_PER_ENTRY
    while len(entries := materialized(sized(size, seed, "headers"))["log"]["entries"]) < count:
        size *= 2
    begun = sorted(datetime.fromisoformat(entry["startedDateTime"]).timestamp() for entry in entries)[:count]
    at_s = tuple(moment - begun[0] for moment in begun)
    return Replayed(at_s, speed=at_s[-1] / duration_s)
