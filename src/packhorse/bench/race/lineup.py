"""Who races: the arms of each phase, from the registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from packhorse.bench.race.options import REFERENCE_IN_FLIGHT, Objective, RaceOptions
from packhorse.bench.race.spec import Arm, Kind
from packhorse.errors import InputError
from packhorse.pipeline import COMMON, ORIGINAL, Choice, Pipeline
from packhorse.stages.base import Stage
from packhorse.stages.registry import availability, candidates

NULL_ARM = "(null)"
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


def stage_arms(options: RaceOptions) -> list[Arm]:
    """Every available candidate of the CPU stages, each alone, and the null arm.

    The names carry their stage, since names are unique only within one.
    """
    arms = [Arm(NULL_ARM, Kind.NULL, "json | none | raw")]
    encoders = [row.name for row in candidates(Stage.ENCODE)]
    base64 = [row.name for row in candidates(Stage.BASE64) if row.wire != "raw"]
    arms += [Arm(f"encode/{name}", Kind.ENCODE, f"{name} | none | raw") for name in encoders]
    arms += [Arm(f"compress/{text}", Kind.COMPRESS, f"json | {text} | raw") for text in compressor_texts(options)]
    arms += [Arm(f"base64/{name}", Kind.BASE64, f"json | none | {name}") for name in base64]
    return [arm for arm in arms if Pipeline.parse(arm.pipeline).unavailable is None]


def stage_part(arm_name: str) -> tuple[str, str]:
    """``encode/orjson`` → ``("encode", "orjson")``."""
    stage, _, text = arm_name.partition("/")
    return stage, text


def crossed(encoders: Iterable[str], compressors: Iterable[str], base64: Iterable[str]) -> list[Arm]:
    """The survivors of each stage crossed into CPU pipelines."""
    texts = [" | ".join(parts) for parts in product(encoders, compressors, base64)]
    return [Arm(text, Kind.CPU, text) for text in texts]


def store_texts(target: str) -> list[str]:
    """Store clients that can be raced against a target: the available ones, or the fake where there is no server."""
    if target == "memory":
        return ["memory"]
    rows = [row for row in candidates(Stage.STORE) if row.name != "memory"]
    return [row.name for row in rows if availability(row).reason is None]


def upload_arm(pipeline: str, in_flight: int) -> Arm:
    """An end-to-end arm; its name says its concurrency."""
    return Arm(f"{pipeline} @{in_flight}", Kind.UPLOAD, pipeline, in_flight)


def twin_of(arm: Arm) -> Arm:
    """The same arm under a second name."""
    return replace(arm, name=arm.name + TWIN)


def preset(text: str, target: str) -> str:
    """A preset's pipeline; against ``memory`` its store becomes the fake."""
    pipeline = Pipeline.parse(text)
    if target == "memory":
        pipeline = replace(pipeline, store=Choice.parse(Stage.STORE, "memory"))
    return str(pipeline)


def presets(target: str) -> tuple[str, str]:
    """The reference (the original design) and what people write today."""
    return preset(ORIGINAL, target), preset(COMMON, target)


def reference_level(options: RaceOptions) -> int:
    """Concurrency at which the presets are raced: 8 where that is among the levels, else the highest."""
    levels = options.levels
    return REFERENCE_IN_FLIGHT if REFERENCE_IN_FLIGHT in levels else max(levels)


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
            arm = upload_arm(str(pipeline), level)
            arms.setdefault(arm.name, arm)
    return list(arms.values())
