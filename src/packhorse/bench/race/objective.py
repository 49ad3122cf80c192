"""The objectives: what "best" means."""

from __future__ import annotations

from enum import StrEnum


class Objective(StrEnum):
    """What "best" means in a race. Every objective is a cost: smaller is better."""

    THROUGHPUT = "throughput"  # wall seconds per capture, end to end, at a concurrency
    LATENCY = "latency"  # median seconds from capture in hand to the server's answer
    CPU = "cpu"  # user + system seconds of the client per capture
    SIZE = "size"  # bytes stored per capture
    MEMORY = "memory"  # peak bytes above the loaded captures; measured after the finals, so only ``judge`` takes it
    COST = "cost"  # dollars per million captures: CPU, PUT, storage for the retention


#: Objectives that a race can be steered by: all that a sample shows.
STEERING = tuple(one for one in Objective if one is not Objective.MEMORY)
