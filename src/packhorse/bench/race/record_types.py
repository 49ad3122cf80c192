"""What a race's record holds, as typed classes: schema, validation and types in one.

``record.schema.json`` beside this module is made from these classes (``python -m packhorse.bench.schemas``).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.spec import Role, Sample, Way


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """What a record holds: a field that it does not know is an error, not a surprise."""


class Latency(Strict):
    """Seconds of single uploads, from capture in hand to the server's answer."""

    p50_s: float | None
    p99_s: float | None


class RowVerdict(Strict):
    """What the data say of a row, by one cost.

    Attributes:
        word: ``fastest`` is the chosen row; ``as fast`` and ``undecided`` rows are in the set, ``slower`` ones are not.
        text: The verdict in words, with its figures.
        log_ratio, low, high: Log cost over the best row's, with its simultaneous interval; None where it is not known.
        over: The best row's arm.
        processes: Processes that it stands on.
        more_s: Seconds of racing that would decide an undecided row; None for others, or where that cannot be said.
    """

    word: Literal["fastest", "as fast", "slower", "undecided"]
    text: str
    log_ratio: float
    low: float | None
    high: float | None
    over: str
    processes: int
    more_s: float | None = None


class Row(Strict):
    """One arm of the finals.

    Attributes:
        arm, pipeline, in_flight, way, role: What was raced; ``pipeline`` has its pool.
        eligible: Whether it may be chosen; ``for_text``: only where text is required.
        captures_per_s, raw_bytes_per_s: Rates over raw captures, never over what an earlier stage left: medians over
            counted samples, as all figures are.
        wall_s, cpu_s, bytes_out: Wall seconds, client CPU seconds and bytes stored, per capture.
        gc_share: Part of the wall time inside the garbage collector.
        put_s: Seconds inside the client's ``put``.
        connections: Connections opened during counted samples, in all.
        processes: Processes with samples that count.
        speedup_over_reference, speedup_over_common: Times the captures per second of the presets.
        verdict: By the record's objective; ``cpu_verdict`` by client CPU. None for presets, twins and failed rows.
        peak_rss_bytes, working_rss_bytes: Peak memory above the loaded captures; None where it was not measured.
        usd_per_million: Dollars per million captures, where the record is judged by cost.
        error: Why it failed.
        left: Why it left the finals early.
        samples: Every one, also those of disturbed rounds.
    """

    arm: str
    pipeline: str
    in_flight: int
    way: Way
    role: Role
    eligible: bool
    for_text: bool
    captures_per_s: float | None
    raw_bytes_per_s: float | None
    wall_s: float | None
    cpu_s: float | None
    bytes_out: float | None
    latency: Latency
    gc_share: float | None
    put_s: float | None
    connections: int
    processes: int
    speedup_over_reference: float | None
    speedup_over_common: float | None
    verdict: RowVerdict | None
    cpu_verdict: RowVerdict | None
    peak_rss_bytes: int | None
    working_rss_bytes: int | None
    usd_per_million: dict[str, float] | None
    error: str | None
    left: str | None
    samples: list[Sample]


class Ratio(Strict):
    """Times faster, with its 95 % interval and what that covers; without one where it stands on too little."""

    value: float
    low: float | None
    high: float | None
    covers: str


class PublishedRow(Strict):
    """One arm of the last measurement: a preset, or one step from the bare parts to the uploader."""

    arm: str
    pipeline: str
    in_flight: int
    way: Way
    role: Role
    captures_per_s: float | None
    raw_bytes_per_s: float | None
    wall_s: float | None
    cpu_s: float | None
    bytes_out: float | None
    latency: Latency
    error: str | None
    samples: list[Sample]


class PerCapture(Strict):
    """One capture's figures of the last measurement."""

    capture: str
    captures_per_s: float
    over_common: float | None
    over_reference: float | None


class Published(Strict):
    """What somebody who imports the uploader gets: ``Uploader(profile=…)`` beside what it replaces.

    Attributes:
        note: Which captures it was measured on.
        captures: These captures.
        results: The arms.
        over_common, over_reference: Times faster than the presets.
        per_capture: The same, capture by capture.
    """

    note: str
    captures: list[CaptureFile]
    results: list[PublishedRow]
    over_common: Ratio | None
    over_reference: Ratio | None
    per_capture: list[PerCapture]


class HeldOutFigures(Strict):
    """Figures of the published measurement, as a profile keeps them."""

    captures_per_s: float | None
    raw_bytes_per_s: float | None
    wall_s: float | None
    cpu_s: float | None
    bytes_out: float | None
    latency: Latency
    speedup_over_reference: float | None
    speedup_over_common: float | None
    on: str


class Winner(Strict):
    """The decision.

    Attributes:
        sentence: The race's answer in one sentence.
        pipeline, in_flight, arm: What is chosen; None where nothing could win.
        set, set_arms: The pipelines, and arms, that may be the fastest.
        named: Whether it is the only one.
        decided_by: ``measurement``, or the rule that chose within the set.
        conclusive: False where even a difference of 25 % could not have been seen; ``why`` says so.
        half_width: Of the widest interval in the set, as a ratio (0.04 is ± 4 %); None where there is none.
        processes, rounds: What it stands on.
        streaming: Whether every stage of it holds a bounded buffer.
        cpu_best: The arm that is best by client CPU, where that is another one than any in the set.
        held_out: The published figures.
    """

    sentence: str
    pipeline: str | None
    in_flight: int | None = None
    arm: str | None = None
    set: list[str] = msgspec.field(default_factory=list)
    set_arms: list[str] = msgspec.field(default_factory=list)
    named: bool = False
    decided_by: str = ""
    conclusive: bool = False
    why: str = ""
    half_width: float | None = None
    processes: int = 0
    rounds: int = 0
    captures_per_s: float | None = None
    raw_bytes_per_s: float | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    bytes_out: float | None = None
    peak_rss_bytes: int | None = None
    speedup_over_reference: float | None = None
    speedup_over_common: float | None = None
    streaming: bool | None = None
    cpu_best: str | None = None
    held_out: HeldOutFigures | None = None


class StageRow(Strict):
    """A stage's candidate alone, per capture of the raced mix.

    Attributes:
        cpu_s: Median CPU seconds of the client; what the screening goes by.
        wall_s: Median wall seconds.
        predicted: Cost of the best whole pipeline with it, by the objective; None where it could not win.
    """

    candidate: str
    cpu_s: float | None
    wall_s: float | None
    bytes_out: float | None
    raw_bytes_per_s: float | None
    passes: int
    predicted: float | None = None
    error: str | None = None
    not_raced: str | None = None


class RoundRow(Strict):
    """One round: when others disturbed it, it was taken again and does not count."""

    phase: str
    process: int
    round: int
    foreign_share: float
    counted: bool


class Leaver(Strict):
    """An arm that a look found beaten."""

    arm: str
    over: str
    log_ratio: float
    low: float
    high: float


class Look(Strict):
    """What was seen after a process of the finals."""

    processes: int
    alpha: float
    half_width: float | None
    left: list[Leaver]
    last: bool


class Twin(Strict):
    """One pipeline under two names: an alarm where even these are told apart."""

    arm: str
    log_ratio: float
    low: float | None
    high: float | None
    differs: bool


class ErrorRow(Strict):
    """What failed in which phase, and why."""

    phase: str
    arm: str
    error: str


class Judged(Strict):
    """That a record was judged again, from which one, and what the reader has to know."""

    from_objective: str
    source_sha256: str
    notes: list[str]


class RaceRecord(Strict):
    """A whole race. Every report is rendered from it alone."""

    schema_version: Literal[3]
    command: str
    interrupted: bool
    objective: Objective
    quick: bool
    seed: int
    redacted: bool
    wires: list[str]
    whole: bool
    also: list[str]
    require: str | None
    tariff: dict[str, Any] | None
    link: str
    link_figures: dict[str, Any] | None
    target: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, Any]
    unavailable: list[dict[str, str]]
    captures: list[CaptureFile]
    held_out: list[CaptureFile]
    seconds: dict[str, float]
    stages: dict[str, list[StageRow]]
    results: list[Row]
    reference: dict[str, Any]
    winner: Winner
    twin: Twin | None
    looks: list[Look]
    busy: bool
    published: Published | None
    errors: list[ErrorRow]
    rounds: list[RoundRow]
    warmups: list[Sample]
    judged: Judged | None = None
