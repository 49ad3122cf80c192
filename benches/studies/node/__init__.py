"""``packhorse study node``: the Node pipelines that the question comes from, beside the Python ones, in one run.

Four parts: the original benchmark as it was run (all iterations of bfj, then all of JSONStream); every encoder on
every capture, with the pieces it hands to deflate; uploads to one local S3 server; and the same behind a link, with
more in flight than the client's default has sockets.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benches.studies.blocks import fresh, orders
from benches.studies.node import blocks as node_blocks
from benches.studies.node import figures as node_figures
from benches.studies.node.blocks import Spec
from benches.studies.node.report import markdown
from packhorse.bench.lab.link.model import parse_link
from packhorse.bench.lab.link.start import start_link
from packhorse.bench.lab.targets import start_target
from packhorse.bench.node import ROWS, NodeWorker, unavailable
from packhorse.bench.race import inputs
from packhorse.bench.synth import sized
from packhorse.model import materialized
from packhorse.profiles.loading import load_profile

__all__ = ["markdown", "study"]

#: Iterations of the original benchmark, and the encoders it ran, in its order.
ITERATIONS = 100
ORIGINAL_ORDER = ("bfj-2019", "bfj", "JSONStream")
IN_FLIGHT = 8
#: A capture beside the race's own: as large as its largest, but of many small values.
TOKENS = ("synthetic-headers-1MB.har", "headers", 1_000_000)
#: And one with half the values for its size: bodies of two captures in the entries of one.
BODIES = ("synthetic-bodies.har", "browser", 1_000_000)
#: Where sockets count: a round trip, TLS, and more in flight than the client's default has sockets.
LINK, LINK_IN_FLIGHT = "same-region", 200
#: Parts of the progress bar, roughly by their time.
_SHARES = {"check": 0.05, "original": 0.25, "cpu": 0.4, "upload": 0.2, "link": 0.1}


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
    raced, files = _captures(folder, seed)
    names = tuple(file.name for file in files)
    document["captures"] = [asdict(file) for file in files]
    blocks, sample_s, iterations = (2, 0.3, 5) if quick else (8, 0.5, ITERATIONS)
    document["settings"] = {
        "seed": seed,
        "blocks": blocks,
        "sample_s": sample_s,
        "iterations": iterations,
        "in_flight": IN_FLIGHT,
        "link": LINK,
        "link_in_flight": LINK_IN_FLIGHT,
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

    document["cpu"], document["upload"], document["link"] = [], [], []
    for number, order in enumerate(orders(node_blocks.cpu_arms(), blocks, seed)):
        found = fresh(node_blocks.cpu_block, Spec(str(folder), names, order, sample_s))
        document["cpu"] += [{"block": number, **row} for row in found]
        yield "cpu", (number + 1) / blocks
    with start_target("rclone") as target:
        spec = Spec(str(folder), raced, (), 2 * sample_s, target.endpoint, IN_FLIGHT)
        yield from _uploads("upload", document["upload"], spec, tuple(node_blocks.upload_arms()), blocks, seed)
        assert target.endpoint.url is not None
        with start_link(parse_link(LINK), target.endpoint.url, tls=True) as link:
            endpoint = replace(target.endpoint, url=link.url, ca_file=link.ca_file)
            small = min(files, key=lambda file: file.plain_bytes).name
            spec = Spec(str(folder), (small,), (), 2 * sample_s, endpoint, LINK_IN_FLIGHT, str(link.control))
            yield from _uploads("link", document["link"], spec, node_blocks.link_arms(), blocks, seed)


def _uploads(
    part: str, rows: list[dict[str, Any]], spec: Spec, arms: tuple[str, ...], blocks: int, seed: int
) -> Iterator[tuple[str, float]]:
    for number, order in enumerate(orders(arms, blocks, seed)):
        rows += [{"block": number, **row} for row in fresh(node_blocks.upload_block, replace(spec, order=order))]
        yield part, (number + 1) / blocks


def _captures(folder: Path, seed: int) -> tuple[tuple[str, ...], list[inputs.CaptureFile]]:
    """The race's captures by name, and all captures: also one of many small values, and one of few large ones."""
    files = inputs.synthetic(folder, seed)
    raced = tuple(file.name for file in files)
    name, kind, size = TOKENS
    files.append(inputs.write(folder, name, sized(size, seed, kind), f"synthetic:kind={kind},seed={seed}"))
    name, kind, size = BODIES
    capture, other = (materialized(sized(size // 2, of, kind)) for of in (seed, seed + 1))
    for entry, more in zip(capture["log"]["entries"], itertools.cycle(other["log"]["entries"])):
        content, added = entry["response"]["content"], more["response"]["content"].get("text", "")
        content["text"] = content.get("text", "") + added
    files.append(
        inputs.write(folder, name, capture, f"synthetic:kind={kind},seed={seed}, bodies of seed {seed + 1} added")
    )
    return raced, files
