"""Blocks of ``packhorse study node``: Node and Python rows by turns, in the order they are given."""

from __future__ import annotations

import base64
import json
import math
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packhorse.bench.lab.link.start import ask
from packhorse.bench.node import NodeWorker
from packhorse.bench.race.hot_path import Lanes, bare_parts, make_store, parsed, with_pool
from packhorse.codec import Codec
from packhorse.errors import PackhorseError
from packhorse.pipeline import COMMON, ORIGINAL, Pipeline
from packhorse.profiles.loading import load_profile
from packhorse.stores.base import Endpoint

NODE_ENCODERS = ("bfj", "bfj-2019", "bfj-gathered", "JSONStream", "json-stream-stringify", "JSON.stringify")
#: Suffix of rows that run an encoder into nothing: what is left of the whole is deflate, base64 and the pipes.
ALONE = ", encoder alone"
#: Encoder, client, sockets. The encoders differ by far more than the clients, so clients are compared behind one.
NODE_UPLOADS = (
    ("bfj", "aws-sdk-v2", 50),
    ("JSONStream", "aws-sdk-v2", 50),
    ("json-stream-stringify", "aws-sdk-v2", 50),
    ("JSON.stringify", "aws-sdk-v2", 50),
    ("JSON.stringify", "aws-sdk-v2", 20_480),
    ("JSON.stringify", "aws-sdk-v3", 50),
)
LINK_PYTHON = ("Python common", "Python default profile")
#: Rounds of a warm-up last at least this long: V8 compiles what it has seen often enough.
WARMUP_S = 0.2
#: Least captures of each worker in a sample of uploads: with fewer, the last ones run alone for much of it.
CAPTURES_PER_WORKER = 3


def python_rows() -> dict[str, str]:
    """The Python rows that every Node row is set against."""
    return {
        "Python original": ORIGINAL,
        "Python original, 64 KiB chunks": ORIGINAL.replace("json-iterencode", "json-iterencode:chunk=64KiB"),
        "Python common": COMMON,
        "Python default profile": str(load_profile().pipeline),
    }


def cpu_arms() -> tuple[str, ...]:
    """Rows of the CPU part."""
    alone = [f"Node {name}{ALONE}" for name in ("bfj", "JSONStream", "json-stream-stringify")]
    return (*(f"Node {name}" for name in NODE_ENCODERS), *alone, *python_rows())


def link_arms() -> tuple[str, ...]:
    """Rows of the part behind a link: one encoder, as clients are compared.

    Without the original in Python: its 200 threads, token by token under one lock, upload six captures a second there,
    and two blocks of it would take longer than all the rest.
    """
    return tuple(name for name in upload_arms() if "JSON.stringify" in name or name in LINK_PYTHON)


def upload_arms() -> dict[str, tuple[str, str, int] | str]:
    """Rows of the upload part: what a Node one is made of, or a Python one's pipeline."""
    node = {f"Node {e} → {client}:sockets={n}": (e, client, n) for e, client, n in NODE_UPLOADS}
    python = {name: text for name, text in python_rows().items() if "chunks" not in name}
    return {**node, **python}


@dataclass(frozen=True, slots=True)
class Spec:
    """One block.

    Attributes:
        folder, captures: Files that :func:`packhorse.bench.race.inputs.write` wrote.
        order: Rows in the order to run them.
        sample_s: Seconds that a sample should last at least.
        endpoint: The running target; None for the CPU part.
        in_flight: Captures in flight in the upload part.
        control: Control socket of the link before the endpoint, for counting connections; None without a link.
    """

    folder: str
    captures: tuple[str, ...]
    order: tuple[str, ...]
    sample_s: float
    endpoint: Endpoint | None = None
    in_flight: int = 1
    control: str | None = None


def check(spec: Spec) -> dict[str, Any]:
    """Prove that every Node encoder's object gives every capture back; also how many pieces each hands on.

    Raises:
        PackhorseError: One does not. Nothing is timed then.
    """
    captures = [parsed((Path(spec.folder) / name).read_bytes()) for name in spec.captures]
    found: dict[str, Any] = {name: {} for name in spec.captures}
    with NodeWorker() as node, tempfile.TemporaryDirectory() as folder:
        versions = node.ask("versions")
        node.ask("load", files=[str(Path(spec.folder) / name) for name in spec.captures])
        for number, (name, capture) in enumerate(zip(spec.captures, captures, strict=True)):
            for encoder in NODE_ENCODERS:
                file = Path(folder) / "text"
                node.ask("text", encoder=encoder, capture=number, file=str(file))
                expect_same(file.read_bytes(), capture, f"Node {encoder} of {name}")
                found[name][encoder] = node.ask("pieces", encoder=encoder, capture=number)
    return {"versions": versions, "pieces": found}


def expect_same(stored: bytes, capture: Any, what: str) -> None:
    """Undo base64 and deflate with Python's own and compare. Raises PackhorseError when it is not the capture."""
    try:
        same = json.loads(zlib.decompress(base64.b64decode(stored, validate=True))) == capture
    except (ValueError, zlib.error) as error:
        raise PackhorseError(f"{what} cannot be read back: {error}") from error
    if not same:
        raise PackhorseError(f"{what} reads back as something else than it was given")


def cpu_block(spec: Spec) -> list[dict[str, Any]]:
    """Every row once on every capture: encode, deflate, base64, one string; nothing is uploaded."""
    captures = [parsed((Path(spec.folder) / name).read_bytes()) for name in spec.captures]
    python = {name: Pipeline.parse(text).cpu.codec() for name, text in python_rows().items()}
    rows = []
    with NodeWorker() as node:
        for name, capture in zip(spec.captures, captures, strict=True):
            node.ask("load", files=[str(Path(spec.folder) / name)])
            for arm in spec.order:
                run = _python_run(python[arm], capture) if arm in python else _node_run(node, arm)
                rows.append({"arm": arm, "capture": name, **sample(run, spec.sample_s)})
    return rows


Run = Callable[[int], dict[str, Any]]


def sample(run: Run, sample_s: float, *, least_rounds: int = 1) -> dict[str, Any]:
    """Warm up, then one sample of at least ``sample_s``. Its ``wall_s`` and ``cpu_s`` are those of all its rounds."""
    rounds, warm = least_rounds, run(least_rounds)
    while warm["wall_s"] < min(WARMUP_S, sample_s):
        rounds *= 2
        warm = run(rounds)
    rounds = max(least_rounds, math.ceil(sample_s * rounds / warm["wall_s"]))
    return {"rounds": rounds, **run(rounds)}


def _node_run(node: NodeWorker, arm: str) -> Run:
    do = "encode_only" if arm.endswith(ALONE) else "encode"
    encoder = arm.removeprefix("Node ").removesuffix(ALONE)
    return lambda rounds: node.ask(do, encoder=encoder, rounds=rounds)


def _python_run(codec: Codec, capture: Any) -> Run:
    def run(rounds: int) -> dict[str, Any]:
        cpu, wall, bytes_out = time.process_time(), time.perf_counter(), 0
        for _ in range(rounds):
            bytes_out += len(b"".join(codec.encode(capture)))
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        return {"captures": rounds, "bytes_out": bytes_out, "wall_s": wall_s, "cpu_s": cpu_s}

    return run


def upload_block(spec: Spec) -> list[dict[str, Any]]:
    """Every row once, all captures in turn with ``in_flight`` under way; one object of each row is read back first."""
    assert spec.endpoint is not None
    captures = [parsed((Path(spec.folder) / name).read_bytes()) for name in spec.captures]
    rows, parts = [], upload_arms()

    def per_worker(count: int) -> int:
        return math.ceil(count * spec.in_flight / len(captures))

    with NodeWorker() as node:
        node.ask("load", files=[str(Path(spec.folder) / name) for name in spec.captures])
        for number, arm in enumerate(spec.order):
            with ExitStack() as stack:
                part, prefix = parts[arm], f"node-study-{number}"
                if isinstance(part, str):
                    run = _python_upload(Pipeline.parse(part), spec, captures, prefix, stack)
                else:
                    run = _node_upload(node, part, spec, len(captures), prefix, stack)
                run(per_worker(1))  # one of each worker: connections open before the clock
                _read_back(spec.endpoint, f"{prefix}-0", None if isinstance(part, tuple) else part, captures[0])
                before = _wire(spec)
                found = sample(run, spec.sample_s, least_rounds=per_worker(CAPTURES_PER_WORKER))
                crossed = {name: count - before[name] for name, count in _wire(spec).items()}
                rows.append({"arm": arm, **found, "wire": crossed})
    return rows


def _wire(spec: Spec) -> dict[str, int]:
    """What the link has counted so far; nothing without a link. A sample's counts include its warm-up's."""
    if spec.control is None:
        return {}
    counts = ask(Path(spec.control), "counts")
    return {name: int(counts[name]) for name in ("connections", "requests")}


def _node_upload(
    node: NodeWorker, part: tuple[str, str, int], spec: Spec, captures: int, prefix: str, stack: ExitStack
) -> Run:
    encoder, client, sockets = part
    assert spec.endpoint is not None
    node.ask("open", client=client, sockets=sockets, endpoint=asdict(spec.endpoint))
    stack.callback(node.ask, "close")
    return lambda rounds: node.ask(
        "upload", encoder=encoder, count=rounds * captures, in_flight=spec.in_flight, prefix=prefix
    )


def _python_upload(pipeline: Pipeline, spec: Spec, captures: Sequence[Any], prefix: str, stack: ExitStack) -> Run:
    assert spec.endpoint is not None
    pooled = with_pool(pipeline, spec.in_flight)
    store = make_store(pooled, spec.endpoint)
    lanes = Lanes([bare_parts(pooled, store) for _ in range(spec.in_flight)], store, prefix)
    stack.callback(lanes.close)

    def run(rounds: int) -> dict[str, Any]:
        cpu, wall = time.process_time(), time.perf_counter()
        done = lanes.upload([capture for _ in range(rounds) for capture in captures])
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        return {
            "captures": len(done.latencies_s),
            "bytes_out": done.bytes_out,
            "latencies_s": done.latencies_s,
            "wall_s": wall_s,
            "cpu_s": cpu_s,
        }

    return run


def _read_back(endpoint: Endpoint, key: str, pipeline: str | None, capture: Any) -> None:
    from packhorse.fetching import reading_store

    store = reading_store(endpoint)
    try:
        with store.open(key) as stored:
            body = b"".join(stored.chunks)
    finally:
        store.close()
    if pipeline is None:
        expect_same(body, capture, f"{key}, uploaded by Node,")
    elif Pipeline.parse(pipeline).cpu.decode(iter([body])) != capture:
        raise PackhorseError(f"{pipeline} stored something else than it was given")
