"""The simulated task as data (``task.toml``), and the bytes it is fed with."""

from __future__ import annotations

import marshal
import tomllib
from dataclasses import dataclass, fields
from importlib import resources
from itertools import pairwise
from typing import Any

from packhorse.bench.synth import sized
from packhorse.errors import InputError
from packhorse.model import materialized


@dataclass(frozen=True, slots=True)
class TaskShape:
    """What one task does.

    Attributes:
        duration_s: Mean seconds that it waits, all steps together.
        steps: Times that it waits and then works.
        wait_jitter: Waits are uniform in mean × (1 ± this); the sum of a task's waits varies accordingly.
        cpu_s: CPU seconds per task beside parsing.
        capture_bytes: Bytes of JSON of the capture that it gathers.
        capture_kinds: Kinds of synthetic captures, taken in turn.
        resident_bytes: Bytes of JSON whose objects the process holds all the time.
        log_lines_per_step: Lines that a step logs in the variants that log.
    """

    duration_s: float
    steps: int
    wait_jitter: float
    cpu_s: float
    capture_bytes: int
    capture_kinds: tuple[str, ...]
    resident_bytes: int
    log_lines_per_step: int


@dataclass(frozen=True, slots=True)
class Feed:
    """One capture cut into the answers of a task's steps, each in ``marshal``'s form: loading makes new objects.

    Attributes:
        answers: One blob per step, a list of entries.
        plain_bytes: The capture's size as compact JSON, about.
    """

    answers: tuple[bytes, ...]
    plain_bytes: int


def task_shape(text: str | None = None) -> TaskShape:
    """The packaged description, or that of ``text``.

    Raises:
        InputError: A field is missing or unknown.
    """
    if text is None:
        text = (resources.files("benches.studies.parallelism") / "task.toml").read_text(encoding="utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    known = {field.name for field in fields(TaskShape)}
    for name in sorted(data.keys() - known):
        raise InputError(f"task description: field {name!r} is unknown; known are {', '.join(sorted(known))}")
    for name in sorted(known - data.keys()):
        raise InputError(f"task description: field {name!r} is missing")
    return TaskShape(**{**data, "capture_kinds": tuple(data["capture_kinds"])})


def feeds(shape: TaskShape, seed: int) -> tuple[Feed, ...]:
    """One feed per kind of capture."""
    return tuple(_feed(shape, seed, kind) for kind in shape.capture_kinds)


def _feed(shape: TaskShape, seed: int, kind: str) -> Feed:
    entries = materialized(sized(shape.capture_bytes, seed, kind))["log"]["entries"]
    cuts = [round(len(entries) * n / shape.steps) for n in range(shape.steps + 1)]
    answers = [marshal.dumps(entries[low:high]) for low, high in pairwise(cuts)]
    return Feed(tuple(answers), shape.capture_bytes)


def resident(shape: TaskShape, given: tuple[Feed, ...]) -> list[Any]:
    """Objects that the process holds for its whole life."""
    held: list[Any] = []
    size = 0
    while size < shape.resident_bytes and given:
        feed = given[len(held) % len(given)]
        held.append([marshal.loads(answer) for answer in feed.answers])  # our own bytes, made by our parent
        size += feed.plain_bytes
    return held
