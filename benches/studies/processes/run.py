"""The blocks of the study, and its document."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benches.studies.blocks import fresh, orders
from benches.studies.processes.arms import (
    ARMS,
    LANES,
    NOTHING,
    ONE,
    ORJSON,
    PICKLE,
    TEXT_ARMS,
    THREADS,
    TURNS,
    Sample,
    Scene,
    lanes,
    scene,
    timed,
)
from benches.studies.processes.beside import Beside, looping, waking
from benches.studies.processes.costs import StartSpec, captures_of, hand_over, held_s, run_start
from benches.studies.processes.encoding import Encoding, Redaction, redactions
from benches.studies.processes.figures import summed_up, suspect
from benches.studies.processes.worker import Worker, Workers
from packhorse.profiles.loading import load_profile

LARGE_BYTES = 1_000_000
SMALL_BYTES = 20_000
#: Kind and size: few entries with large bodies, many with headers alone, API traffic; and a small one.
CASES = (("browser", LARGE_BYTES), ("headers", LARGE_BYTES), ("api", LARGE_BYTES), ("browser", SMALL_BYTES))
#: Captures of each case that take turns, so that no redactor has seen the one it gets just before.
_CAPTURES = 4
#: The arms beside an event loop; they and those from text are run on a case that is neither the best nor the worst for
#: redaction.
LOOP_ARMS = (ONE, THREADS, PICKLE, ORJSON)
LOOP_CASE = ("api", LARGE_BYTES)
#: Captures a second in all where an event loop's service does not encode as fast as it can.
PACED_PER_S = 20.0


@dataclass(frozen=True, slots=True)
class Spec:
    """One block: its number and the seed decide the orders.

    Attributes:
        number: Of the block: odd ones run in the reverse order of those before.
        seed: Of captures and orders.
        redactions: Ways of redacting.
        cases: Kinds and sizes.
        loop_case: The one that is encoded beside an event loop, too; of the cases, the one that is also given as text.
        sample_s: Seconds a sample.
    """

    number: int
    seed: int
    redactions: tuple[Redaction, ...]
    cases: tuple[tuple[str, int], ...]
    loop_case: tuple[str, int]
    sample_s: float


def case_name(kind: str, capture_bytes: int) -> str:
    """``api, 1000 KB``."""
    return f"{kind}, {capture_bytes // 1000} KB"


def run_block(spec: Spec) -> dict[str, list[dict[str, Any]]]:
    """Every arm on every case with every redaction, then the arms beside an event loop; rows by table."""
    captures = {case: captures_of(*case, spec.seed, _CAPTURES) for case in {*spec.cases, spec.loop_case}}
    gc.collect()
    gc.freeze()
    rows: dict[str, list[dict[str, Any]]] = {"samples": [], "loop": [], "costs": []}
    cells = [(case, redaction) for case in spec.cases for redaction in spec.redactions]
    with Workers(LANES) as workers:
        _made(captures[spec.loop_case][0], workers, spec.redactions)
        for case, redaction in _ordered(cells, spec, "cells"):
            now = scene(captures[case], redaction)
            where = {"case": case_name(*case), "redaction": redaction}
            rows["costs"].append({**where, **hand_over(now), "held_s": held_s(now)})
            arms = [arm for arm in ARMS if arm != TURNS or redaction != "off"]
            arms += TEXT_ARMS if case == spec.loop_case else ()
            for arm in _ordered(arms, spec, str(where)):
                each = lanes(arm, now, workers)
                taken = _taken(lambda each=each: timed(each, workers, spec.sample_s), waking)  # type: ignore[misc]
                rows["samples"] += [{**where, "arm": arm, **row} for row in taken]
        for redaction in _ordered(spec.redactions, spec, "loop"):
            rows["loop"] += _beside_a_loop(scene(captures[spec.loop_case], redaction), workers, spec)
    return rows


def _made(capture: Any, workers: list[Worker], known: tuple[Redaction, ...]) -> None:
    """Let everybody make its scanners: while that lasts, small captures are checked by every rule, which is slow."""
    for redaction in known:
        Encoding(redaction).body(capture)
        for worker in workers:
            worker.body("pickle", redaction, capture)


def _beside_a_loop(now: Scene, workers: list[Worker], spec: Spec) -> Iterator[dict[str, Any]]:
    arms = [(arm, paced) for arm in LOOP_ARMS for paced in (False, True)]
    for arm, paced in _ordered([*arms, (NOTHING, False)], spec, f"loop {now.redaction}"):
        each = lanes(arm, now, workers)
        pause_s = len(each) / PACED_PER_S if paced else 0.0
        seconds = 2 * spec.sample_s  # at a pace of so few captures
        for row in _taken(lambda: timed(each, workers, seconds, pause_s), looping):  # noqa: B023  # runs here and now
            yield {"redaction": now.redaction, "arm": arm, "paced": paced, **row}


def _taken(work: Callable[[], Sample], beside: Callable[[Callable[[], object]], Beside]) -> Iterator[dict[str, Any]]:
    """The sample's row; of a suspect one, then that of a second try, once, which counts in its place."""
    for last in (False, True):
        found: list[Sample] = []
        told = beside(lambda: found.append(work()))  # noqa: B023  # runs here and now
        row = {**asdict(found[0]), **asdict(told)}
        retaken = not last and suspect(row)
        yield {**row, "retaken": retaken}
        if not retaken:
            return


def _ordered(things: Any, spec: Spec, what: str) -> Any:
    """Random in even blocks, that order reversed in the odd ones after them; another order for each ``what``."""
    order = random.Random(f"{spec.seed} {spec.number // 2} {what}").sample(list(things), len(things))
    return order if spec.number % 2 == 0 else order[::-1]


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study and return its result document."""
    blocks = 2 if quick else 8
    sample_s = 0.1 if quick else 0.13
    known = redactions()
    rows: dict[str, list[dict[str, Any]]] = {"samples": [], "loop": [], "costs": [], "starts": []}
    for number in range(blocks):
        for redaction in next(orders(known, 1, seed + number)) if number % 2 == 0 else ():
            start = fresh(run_start, StartSpec(redaction, LARGE_BYTES, LOOP_CASE[0], seed))  # type: ignore[arg-type]
            rows["starts"].append({"block": number, "redaction": redaction, **start})
        progress((number + 0.2) / blocks)
        block = fresh(run_block, Spec(number, seed, known, CASES, LOOP_CASE, sample_s))
        for table, found in block.items():
            rows[table] += [{"block": number, **row} for row in found]
        progress((number + 1) / blocks)
    settings = {"seed": seed, "blocks": blocks, "sample_s": sample_s, "lanes": LANES, "cores": os.cpu_count()}
    return {
        "settings": {
            **settings,
            "pipeline": str(load_profile().pipeline),
            "redactions": list(known),
            "cases": [case_name(*case) for case in CASES],
            "loop_case": case_name(*LOOP_CASE),
            "paced_per_s": PACED_PER_S,
        },
        **summed_up(rows),
        "samples": rows,
    }
