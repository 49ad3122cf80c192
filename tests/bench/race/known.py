"""A race of which every figure is known, for tests of deciding, judging and reporting."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from packhorse.bench.race.bench import Findings
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.lineup import TWIN
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import plain
from packhorse.bench.race.record_types import Look, RaceRecord, RoundRow, StageRow
from packhorse.bench.race.results import build_record
from packhorse.bench.race.spec import Arm, Role, Sample, Way

FAST = "json | zlib:1 | raw | obstore"
SMALL = "json | bz2:9 | raw | obstore"
LEAN = "json | none | raw | obstore"
PLAIN = "json | gzip:1 | raw | obstore"
TEXT = "json | zlib:1 | base64-stdlib | obstore"
COMMON = "orjson | gzip:6 | raw | boto3"
REFERENCE = "json-iterencode | zlib:6 | base64-stdlib | boto3:pool=10"
#: Wall and CPU seconds, stored bytes, peak bytes per capture of a megabyte.
ARMS = {
    FAST: (0.010, 0.010, 200_000, 40_000_000),
    LEAN: (0.015, 0.005, 900_000, 20_000_000),
    SMALL: (0.030, 0.028, 100_000, 60_000_000),
    PLAIN: (0.020, 0.018, 205_000, 45_000_000),
    TEXT: (0.009, 0.009, 266_000, 39_000_000),
    COMMON: (0.050, 0.045, 210_000, 30_000_000),
    REFERENCE: (0.100, 0.090, 220_000, 50_000_000),
}
ROLES = {COMMON: Role.COMMON, REFERENCE: Role.REFERENCE}
#: Candidates of the screening: client CPU seconds and bytes out, or why there are none.
STAGES: dict[str, list[tuple[str, float | None, float | None, str | None]]] = {
    "encode": [("json", 0.002, 1e6, None), ("simplejson", 0.009, 1e6, None), ("json-stream", None, None, "slow")],
    "compress": [
        ("none", 0.0001, 1e6, None),
        ("zlib:1", 0.005, 2e5, None),
        ("gzip:1", 0.006, 2.05e5, None),
        ("bz2:9", 0.02, 1e5, None),
    ],
    "base64": [("base64-stdlib", 0.0005, 2.7e5, None)],
    "store": [("obstore", 0.0004, 2e5, None), ("boto3", 0.002, 2e5, None), ("aiobotocore", 0.0021, 2e5, None)],
}
PROCESSES, ROUNDS = 4, 6
SHA = "0" * 64


def capture(name: str = "a.har", sha256: str = SHA) -> CaptureFile:
    return CaptureFile(name, sha256, 1_000_000, 9, {}, "given")


def samples(
    arm: str, figures: tuple[float, float, int, int], *, processes: int = PROCESSES, rounds: int = ROUNDS
) -> list[Sample]:
    wall, cpu, out, _ = figures
    shake = random.Random(arm)
    return [
        Sample(
            arm=arm,
            process=process,
            round=index,
            captures=10,
            raw_bytes=10_000_000,
            wall_s=10 * wall * (noise := shake.lognormvariate(0, 0.01)),
            user_s=10 * cpu * noise,
            system_s=0.0,
            bytes_out=10 * out,
            latency_p50_s=3 * wall * noise,
            latency_p99_s=4 * wall * noise,
            put_s=wall,
        )
        for process in range(processes)
        for index in range(rounds)
    ]


def findings(arms: Mapping[str, tuple[float, float, int, int]] = ARMS, **more: Any) -> Findings:
    """Finals of ``arms``, the first of them twice; the presets once a process."""
    found = Findings(captures=[capture()], held_out=[capture("b.har", "1" * 64)], held_out_note="other captures")
    first = next(iter(arms))
    finals = found.samples.setdefault("finals", [])
    for pipeline, figures in arms.items():
        role = ROLES.get(pipeline, Role.CANDIDATE)
        arm = Arm(f"{pipeline} @8", pipeline, 8, Way.BARE if pipeline in ROLES else Way.HOT, role)
        found.arms[arm.name] = arm
        finals += samples(arm.name, figures, rounds=1 if arm.preset else ROUNDS)
        found.peaks[arm.name] = (figures[3], figures[3])
        if pipeline == first:
            twin = msgspec.structs.replace(arm, name=arm.name + TWIN, role=Role.TWIN)
            found.arms[twin.name] = twin
            finals += samples(twin.name, figures)
    found.rounds = [RoundRow("finals", p, r, 0.02, counted=True) for p in range(PROCESSES) for r in range(ROUNDS)]
    found.rounds.append(RoundRow("finals", 0, ROUNDS, 0.4, counted=False))
    found.eligible = frozenset(a.name for a in found.arms.values() if a.role is Role.CANDIDATE and a.pipeline != TEXT)
    found.for_text = frozenset(a.name for a in found.arms.values() if a.pipeline == TEXT)
    found.seconds = {"finals": 5.0 * PROCESSES}
    found.stages = {stage: [_stage_row(*row) for row in rows] for stage, rows in STAGES.items()}
    found.looks = [Look(3, 0.01, 0.012, [], last=False), Look(PROCESSES, 0.04, 0.009, [], last=True)]
    found.target = {"name": "rclone", "version": "1"}
    found.published_arms, found.samples["published"] = _published(first)
    for name, value in more.items():
        setattr(found, name, value)
    return found


def _stage_row(name: str, cpu_s: float | None, bytes_out: float | None, slow: str | None) -> StageRow:
    speed = None if cpu_s is None else 1e6 / cpu_s
    return StageRow(name, cpu_s, cpu_s, bytes_out, speed, 3 if cpu_s else 0, None, None, slow)


def _published(pipeline: str) -> tuple[dict[str, Arm], list[Sample]]:
    """The first arm's steps on two held-out captures; the uploader is 3 times as fast as the common stack."""
    walls = {Way.BARE: 0.008, Way.UNREDACTED: 0.009, Way.HOT: 0.012, Way.UPLOADER: 0.015}
    arms = {f"{pipeline} @8 ({way})": Arm(f"{pipeline} @8 ({way})", pipeline, 8, way) for way in walls}
    times = {name: walls[arm.way] for name, arm in arms.items()}
    for preset, role in ROLES.items():
        arm = Arm(f"{preset} @8", preset, 8, Way.BARE, role)
        arms[arm.name] = arm
        times[arm.name] = {Role.COMMON: 0.045, Role.REFERENCE: 0.120}[role]
    found = []
    for name, wall_s in times.items():
        for process in range(2):
            for index, one in enumerate(("b.har", "c.har")):
                shake = random.Random(f"{name}{process}{one}").lognormvariate(0, 0.01)
                found.append(
                    Sample(name, process, index, 8, 8_000_000, 8 * wall_s * shake, 0.05, 0.01, 1_600_000, capture=one)
                )
    return arms, found


@cache
def _race() -> bytes:
    return msgspec.json.encode(build_record(RaceOptions(), findings(), ["packhorse", "race", "a.har"]))


def race() -> RaceRecord:
    """The known race's record by throughput; a copy, which a test may change."""
    return msgspec.json.decode(_race(), type=RaceRecord)


def race_data() -> dict[str, Any]:
    """The same as JSON data."""
    return plain(race())
