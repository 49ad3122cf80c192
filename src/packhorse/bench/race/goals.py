"""What a race can be decided for beside its own objective: another one, or what readers or the uploader require."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packhorse.bench.race.objective import Objective
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline


class Require(StrEnum):
    """A condition on the pipeline that is chosen: on the objects that it writes, or on its client."""

    PLAIN = "plain"  # one gzip stream of one JSON document: any standard library reads it
    TEXT = "text"  # base64 of compressed JSON, for consumers that need text
    THREADS = "threads"  # a client that is called from threads, as the uploader calls it: raced as it will be run


#: What ``--also`` takes: objectives that can be judged from an end-to-end sample, and the conditions.
GOALS = (Objective.SIZE.value, Objective.COST.value, Objective.CPU.value, *(need.value for need in Require))


@dataclass(frozen=True, slots=True)
class Goal:
    """A way to decide a race's samples: by which objective, among pipelines that meet which condition."""

    objective: Objective
    require: Require | None = None


def goal(text: str, steered: Objective) -> Goal:
    """Read one of :data:`GOALS`; a condition alone is judged by the objective that steers the race.

    Raises:
        InputError: Not one of them.
    """
    if text not in GOALS:
        raise InputError(f"also: {text!r} is none of {', '.join(GOALS)}")
    if text in {need.value for need in Require}:
        return Goal(steered, Require(text))
    return Goal(Objective(text))


def meets(pipeline: Pipeline, require: Require | None) -> bool:
    """Whether the pipeline meets the condition."""
    encoded, compressed, carried = pipeline.wire
    if require is Require.PLAIN:
        return (encoded, compressed, carried) == ("json", "gzip", "raw")
    if require is Require.TEXT:
        return (encoded, carried) == ("json", "base64")
    if require is Require.THREADS:
        return pipeline.store is None or not pipeline.store.candidate.asynchronous
    return True
