"""The published figure: the uploader itself, as it is imported, on captures that the race did not see.

Measured the way a user would: per capture, as many fresh copies as fill a sample, beside the same with a hand-written
loop of what most people write, and with the original design. Between the bare parts and the uploader stand the steps
that cost something: what makes it safe has a price, and here it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from statistics import fmean, median

import msgspec

from packhorse.bench.race import lineup
from packhorse.bench.race.bench import Bench, Findings
from packhorse.bench.race.decide import Decision
from packhorse.bench.race.inputs import CaptureFile
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record_types import (
    Latency,
    PerCapture,
    Published,
    PublishedRow,
    Ratio,
)
from packhorse.bench.race.spec import Arm, Role, Sample, Way
from packhorse.bench.stats.student import t_quantile

#: Seconds of a sample: as the way in which users count.
SAMPLE_S, QUICK_SAMPLE_S = 0.7, 0.2
#: Processes and rounds of a capture in each.
ROUNDS, PROCESSES, QUICK_PROCESSES = 2, 4, 2
#: Held-out captures that are measured at the most: the middle ones by size, drawn as evenly as can be.
MOST_CAPTURES, QUICK_MOST_CAPTURES = 12, 3


def published_arms(options: RaceOptions, chosen: Sequence[Arm]) -> list[Arm]:
    """The choice's steps from bare parts to the uploader, the uploader of other goals' choices, and both presets."""
    arms = []
    for number, arm in enumerate(chosen):
        ways = list(Way) if number == 0 else [Way.UPLOADER]
        if not options.redact:
            ways = [way for way in ways if way is not Way.HOT]
        arms += [msgspec.structs.replace(arm, name=f"{arm.name} ({way})", way=way) for way in ways]
    return [*{arm.name: arm for arm in arms}.values(), *lineup.presets(options)]


def publish(options: RaceOptions, bench: Bench, chosen: Sequence[Arm]) -> None:
    """Measure; the samples land in the findings."""
    found = bench.found
    arms = published_arms(options, chosen)
    found.published_arms = {arm.name: arm for arm in arms}
    captures = _spread(found.held_out, QUICK_MOST_CAPTURES if options.quick else MOST_CAPTURES)
    processes = QUICK_PROCESSES if options.quick else PROCESSES
    typical_s = 0.0
    for process in range(processes):
        left = [arm for arm in arms if arm.name not in found.failed("published")]
        if process:
            # The steps are a picture; what is published is the uploader beside what it replaces.
            left = [arm for arm in left if not options.quick or arm.preset or arm.way is Way.UPLOADER]
            if bench.left_s(options.time_s) < typical_s / 2:
                break
        share_s = max(2.0, bench.left_s(options.time_s) / (processes - process))
        bench.observer.process(process + 1, processes, len(left))
        task = bench.task(
            left,
            captures,
            process=process,
            rounds=ROUNDS * len(captures),
            time_s=share_s,
            apart=True,
            sample_s=QUICK_SAMPLE_S if options.quick else SAMPLE_S,
        )
        begun = time.monotonic()
        bench.sample("published", task, on_round=bench.observer.round)
        typical_s = time.monotonic() - begun


def _spread(files: Sequence[CaptureFile], most: int) -> list[CaptureFile]:
    """At most so many of the files, evenly spread over their sizes."""
    ordered = sorted(files, key=lambda file: file.plain_bytes)
    if len(ordered) <= most:
        return ordered
    return [ordered[math.floor((index + 0.5) * len(ordered) / most)] for index in range(most)]


def published_of(found: Findings, decision: Decision | None) -> Published | None:
    """What the measurement came to; None where none was made, or the uploader was not measured."""
    samples = found.samples.get("published", [])
    uploader = uploader_arm(found, decision)
    if uploader is None or not any(sample.arm == uploader.name for sample in samples):
        return None
    seen = {sample.capture for sample in samples}
    files = [file for file in found.held_out if file.name in seen]
    errors = {row.arm: row.error for row in found.errors if row.phase == "published"}
    rows = [_row(arm, [s for s in samples if s.arm == arm.name], errors) for arm in found.published_arms.values()]
    by_role = {arm.role: arm.name for arm in found.published_arms.values()}
    common, reference = by_role.get(Role.COMMON), by_role.get(Role.REFERENCE)
    return Published(
        note=found.held_out_note,
        captures=files,
        results=rows,
        over_common=over(samples, uploader.name, common),
        over_reference=over(samples, uploader.name, reference),
        per_capture=_per_capture(samples, uploader.name, common, reference),
    )


def uploader_arm(found: Findings, decision: Decision | None) -> Arm | None:
    """The published arm of the choice."""
    if decision is None or decision.choice not in found.arms:
        return None
    return found.published_arms.get(f"{found.arms[decision.choice].name} ({Way.UPLOADER})")


def _row(arm: Arm, samples: list[Sample], errors: dict[str, str]) -> PublishedRow:
    """Medians per capture, then the mean over captures: each capture of the held-out ones counts once."""
    figures = _figures(samples)
    return PublishedRow(
        arm=arm.name,
        pipeline=arm.pipeline,
        in_flight=arm.in_flight,
        way=arm.way,
        role=arm.role,
        **figures,
        latency=Latency(_middle([s.latency_p50_s for s in samples]), _middle([s.latency_p99_s for s in samples])),
        error=errors.get(arm.name),
        samples=samples,
    )


def _figures(samples: Sequence[Sample]) -> dict[str, float | None]:
    by_capture: dict[str | None, list[Sample]] = {}
    for sample in samples:
        by_capture.setdefault(sample.capture, []).append(sample)
    if not by_capture:
        return dict.fromkeys(("captures_per_s", "raw_bytes_per_s", "wall_s", "cpu_s", "bytes_out"))
    wall_s = fmean(median(s.wall_s / s.captures for s in mine) for mine in by_capture.values())
    raw = fmean(mine[0].raw_bytes / mine[0].captures for mine in by_capture.values())
    return {
        "captures_per_s": 1 / wall_s,
        "raw_bytes_per_s": raw / wall_s,
        "wall_s": wall_s,
        "cpu_s": fmean(median(s.cpu_s / s.captures for s in mine) for mine in by_capture.values()),
        "bytes_out": fmean(median(s.bytes_out / s.captures for s in mine) for mine in by_capture.values()),
    }


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def ratios(samples: Sequence[Sample], of: str, other: str) -> dict[str, dict[int, list[float]]]:
    """Capture → process → logs of how many times faster ``of`` is than ``other``, paired within rounds."""
    walls: dict[tuple[str, int, int], dict[str, float]] = {}
    for s in samples:
        walls.setdefault((s.capture or "", s.process, s.round), {})[s.arm] = s.wall_s / s.captures
    logs: dict[str, dict[int, list[float]]] = {}
    for (capture, process, _), arms in walls.items():
        if of in arms and other in arms:
            logs.setdefault(capture, {}).setdefault(process, []).append(math.log(arms[other] / arms[of]))
    return logs


def over(samples: Sequence[Sample], of: str, other: str | None) -> Ratio | None:
    """How many times faster, as the geometric mean over captures, with an interval that covers captures and processes.

    With three captures and more the interval is over captures: each one's figure holds the chance of its processes,
    too. With fewer it covers the rounds of all processes, each about its own capture's mean, and says so.
    """
    found = ratios(samples, of, other) if other is not None else {}
    if not found:
        return None
    captures = {name: fmean(value for by in found[name].values() for value in by) for name in found}
    middle = fmean(captures.values())
    processes = max(map(len, found.values()))
    if len(captures) >= 3:
        values, covers = list(captures.values()), f"{len(captures)} captures and {processes} processes"
    else:
        values = [
            middle + value - captures[name] for name, by in found.items() for rounds in by.values() for value in rounds
        ]
        few = f"{len(captures)} capture(s) cannot say how captures differ"
        covers = f"{len(values)} rounds in {processes} process(es); {few}"
    df = len(values) - (1 if len(captures) >= 3 else len(captures))
    if df < 1:
        return Ratio(math.exp(middle), None, None, covers)
    spread = math.sqrt(sum((value - middle) ** 2 for value in values) / df)
    half = t_quantile(0.975, df) * spread / math.sqrt(len(values))
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half), covers)


def _per_capture(
    samples: Sequence[Sample], uploader: str, common: str | None, reference: str | None
) -> list[PerCapture]:
    by_common = ratios(samples, uploader, common) if common else {}
    by_reference = ratios(samples, uploader, reference) if reference else {}
    found = []
    for capture in sorted({s.capture for s in samples if s.capture is not None}):
        mine = [s for s in samples if s.capture == capture and s.arm == uploader]
        if mine:
            rate = 1 / median(s.wall_s / s.captures for s in mine)
            found.append(PerCapture(capture, rate, _times(by_common.get(capture)), _times(by_reference.get(capture))))
    return found


def _times(by_process: dict[int, list[float]] | None) -> float | None:
    return math.exp(fmean(value for rounds in by_process.values() for value in rounds)) if by_process else None
