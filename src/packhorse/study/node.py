"""``packhorse study node``: the Node pipelines that the question comes from, beside the Python ones, in one run.

Three parts: the original benchmark as it was run (all iterations of bfj, then all of JSONStream); every encoder on
every capture, with the pieces it hands to deflate; and uploads to one local S3 server.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from packhorse.captures.synth import sized
from packhorse.lab.targets import start_target
from packhorse.profiles.loading import load_profile
from packhorse.race import inputs
from packhorse.study import node_blocks, node_figures
from packhorse.study.blocks import fresh, orders
from packhorse.study.node_blocks import Spec
from packhorse.study.node_report import markdown
from packhorse.study.node_worker import ROWS, NodeWorker, unavailable

__all__ = ["markdown", "study"]

#: Iterations of the original benchmark, and the encoders it ran, in its order.
ITERATIONS = 100
ORIGINAL_ORDER = ("bfj-2019", "bfj", "JSONStream")
IN_FLIGHT = 8
#: A capture beside the race's own: as large as its largest, but of many small values.
TOKENS = ("synthetic-headers-1MB.har", "headers", 1_000_000)
#: Parts of the progress bar, roughly by their time.
_SHARES = {"check": 0.05, "original": 0.3, "cpu": 0.45, "upload": 0.2}


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study against ``rclone`` and return its result document.

    Without Node the document lists the rows as unavailable and holds no figures. Ctrl-C ends it after what was measured
    so far; ``interrupted`` says so.
    """
    reason = unavailable()
    rows = [{**asdict(row), "available": reason is None, "reason": reason} for row in ROWS]
    document: dict[str, Any] = {"rows": rows, "interrupted": False}
    if reason is not None:
        progress(1.0)
        return {**document, "unavailable": reason}
    folder = Path(tempfile.mkdtemp(prefix="packhorse-"))
    try:
        for part, done in _parts(folder, document, quick=quick, seed=seed):
            before = sum(
                share for name, share in _SHARES.items() if list(_SHARES).index(name) < list(_SHARES).index(part)
            )
            progress(before + done * _SHARES[part])
    except KeyboardInterrupt:
        document["interrupted"] = True
    finally:
        shutil.rmtree(folder)
    return node_figures.summed_up(document)


def _parts(folder: Path, document: dict[str, Any], *, quick: bool, seed: int) -> Iterator[tuple[str, float]]:
    """Fill ``document`` part by part, yielding which part is how far."""
    files = inputs.synthetic(folder, seed)
    raced = tuple(file.name for file in files)
    name, kind, size = TOKENS
    files.append(inputs.write(folder, name, sized(size, seed, kind), f"synthetic:kind={kind},seed={seed}"))
    names = tuple(file.name for file in files)
    document["captures"] = [asdict(file) for file in files]
    blocks, sample_s = (2, 0.3) if quick else (8, 0.5)
    iterations = 5 if quick else ITERATIONS
    document["settings"] = {
        "seed": seed,
        "blocks": blocks,
        "sample_s": sample_s,
        "iterations": iterations,
        "in_flight": IN_FLIGHT,
        "cores": os.cpu_count(),
        "target": "rclone",
        "python_rows": node_blocks.python_rows(),
        "default_profile": str(load_profile().pipeline),
    }
    document |= fresh(node_blocks.check, Spec(str(folder), names, (), sample_s))
    yield "check", 1.0

    document["original"] = {}
    with NodeWorker() as node:
        node.ask("load", files=[str(folder / name) for name in raced])
        for number, encoder in enumerate(ORIGINAL_ORDER):
            done = node.ask("encode", encoder=encoder, rounds=iterations)
            document["original"][encoder] = {"iterations": iterations, **done}
            yield "original", (number + 1) / len(ORIGINAL_ORDER)

    document["cpu"], document["upload"] = [], []
    for number, order in enumerate(orders(node_blocks.cpu_arms(), blocks, seed)):
        found = fresh(node_blocks.cpu_block, Spec(str(folder), names, order, sample_s))
        document["cpu"] += [{"block": number, **row} for row in found]
        yield "cpu", (number + 1) / blocks

    with start_target("rclone") as target:
        for number, order in enumerate(orders(tuple(node_blocks.upload_arms()), blocks, seed)):
            spec = Spec(str(folder), raced, order, 2 * sample_s, target.endpoint, IN_FLIGHT)
            found = fresh(node_blocks.upload_block, spec)
            document["upload"] += [{"block": number, **row} for row in found]
            yield "upload", (number + 1) / blocks
    assert math.isclose(sum(_SHARES.values()), 1.0)
