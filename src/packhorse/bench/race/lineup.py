"""Who races: candidates to screen and arms of the finals, from the registry."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from packhorse.bench.race.options import IN_FLIGHT, Objective, RaceOptions
from packhorse.bench.race.screener import Candidate
from packhorse.bench.race.spec import Arm, Role, Way
from packhorse.errors import InputError
from packhorse.pipeline import COMMON, ORIGINAL, Choice, Pipeline
from packhorse.stages.base import Stage
from packhorse.stages.registry import availability, candidates

TWIN = " (A/A twin)"

#: Compressors at the levels that are worth a look; every compressor of the registry appears, or a test fails.
_LEVELS: dict[str, tuple[str, ...]] = {
    "none": ("none",),
    "zlib": ("zlib:1", "zlib:6"),
    "gzip": ("gzip:1", "gzip:6"),
    "isal": ("isal:1",),
    "zlib-ng": ("zlib-ng:1",),
    "libdeflate": ("libdeflate:1",),
    "zstd": ("zstd:-5", "zstd:1", "zstd:3"),
    "zstd-backports": ("zstd-backports:-5", "zstd-backports:1", "zstd-backports:3"),
    "brotli": ("brotli:1",),
    "lz4": ("lz4:0",),
    "snappy": ("snappy",),
    "bz2": ("bz2:9",),
    "lzma": ("lzma:1",),
}
_MORE_LEVELS: dict[str, tuple[str, ...]] = {
    "isal": ("isal:0", "isal:2", "isal:3"),
    "zlib-ng": ("zlib-ng:6",),
    "libdeflate": ("libdeflate:6",),
    "zstd": ("zstd:-1", "zstd:2", "zstd:6", "zstd:1,threads=2"),
    "zstd-backports": ("zstd-backports:2", "zstd-backports:6"),
    "brotli": ("brotli:4",),
    "lz4": ("lz4:-10",),
}
#: Only worth their time when size is what counts, alone or in dollars (see docs/objectives.md).
_SMALL_LEVELS: dict[str, tuple[str, ...]] = {
    "zstd": ("zstd:12", "zstd:19"),
    "brotli": ("brotli:6", "brotli:9"),
    "lzma": ("lzma:6",),
}


def compressor_texts(options: RaceOptions) -> list[str]:
    """Compressors to screen, in the registry's order."""
    tables = [_LEVELS]
    if not options.quick:
        tables.append(_MORE_LEVELS)
    if {options.objective, *(goal.objective for goal in options.goals)} & {Objective.SIZE, Objective.COST}:
        tables.append(_SMALL_LEVELS)
    return [text for row in candidates(Stage.COMPRESS) for table in tables for text in table.get(row.name, ())]


def stage_candidates(options: RaceOptions) -> list[Candidate]:
    """Every available candidate of every stage, clients last."""
    texts = {
        Stage.ENCODE: [row.name for row in candidates(Stage.ENCODE)],
        Stage.COMPRESS: compressor_texts(options),
        Stage.BASE64: [row.name for row in candidates(Stage.BASE64) if row.wire != "raw"],
        Stage.STORE: store_texts(options.target),
    }
    return [
        Candidate(str(stage), text)
        for stage, found in texts.items()
        for text in found
        if availability(Choice.parse(stage, text).candidate).reason is None
    ]


def store_texts(target: str) -> list[str]:
    """Store clients that can be raced against a target: the available ones, or the fake where there is no server."""
    if target == "memory":
        return ["memory"]
    rows = [row for row in candidates(Stage.STORE) if row.name != "memory"]
    return [row.name for row in rows if availability(row).reason is None]


def may_win(candidate: Candidate, options: RaceOptions) -> bool:
    """Whether a stage's candidate is safe enough to be chosen: bounded memory, and a wire format that was asked for."""
    row = Choice.parse(Stage(candidate.stage), candidate.text).candidate
    if not options.whole and not row.streaming:
        return False
    return row.stage is not Stage.ENCODE or row.wire in options.wires


def final_arm(pipeline: str, in_flight: int, way: Way) -> Arm:
    """An arm of the finals; its name says its concurrency."""
    return Arm(f"{pipeline} @{in_flight}", pipeline, in_flight, way)


def twin_of(arm: Arm) -> Arm:
    """The same arm under a second name."""
    return msgspec.structs.replace(arm, name=arm.name + TWIN, role=Role.TWIN)


def preset(text: str, target: str) -> str:
    """A preset's pipeline; against ``memory`` its store becomes the fake."""
    pipeline = Pipeline.parse(text)
    if target == "memory":
        pipeline = replace(pipeline, store=Choice.parse(Stage.STORE, "memory"))
    return str(pipeline)


def presets(options: RaceOptions) -> list[Arm]:
    """The original design and what people write today, as loops written by hand; those that can be raced here."""
    level = reference_level(options)
    found = []
    for text, role in ((ORIGINAL, Role.REFERENCE), (COMMON, Role.COMMON)):
        pipeline = preset(text, options.target)
        if Pipeline.parse(pipeline).unavailable is None:
            found.append(Arm(f"{pipeline} @{level} ({role})", pipeline, level, Way.BARE, role))
    return found


def reference_level(options: RaceOptions) -> int:
    """Concurrency at which the presets are raced: 8 where that is among the levels, else the highest."""
    return IN_FLIGHT if IN_FLIGHT in options.levels else max(options.levels)


def hot_way(options: RaceOptions) -> Way:
    """How the finals go: with redaction, unless that was switched off."""
    return Way.HOT if options.redact else Way.UNREDACTED


def explicit_arms(options: RaceOptions) -> list[Arm]:
    """Arms for pipelines given by the user.

    Raises:
        InputError: One has no store, one that cannot reach the target, or its libraries are not there.
    """
    arms: dict[str, Arm] = {}
    for text in options.pipelines or ():
        pipeline = Pipeline.parse(text)
        if pipeline.store is None:
            raise InputError(f"{text!r} has no store: a race ends at S3, so write a fourth part such as '| obstore'")
        if options.target == "memory" and pipeline.store.candidate.name != "memory":
            raise InputError(f"{text!r}: there is no server behind the target 'memory'; use its store 'memory'")
        if pipeline.unavailable is not None:
            raise InputError(f"{text!r} cannot be raced here: {pipeline.unavailable}")
        for level in options.levels:
            arm = final_arm(str(pipeline), level, hot_way(options))
            arms.setdefault(arm.name, arm)
    return list(arms.values())
