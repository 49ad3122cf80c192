"""``packhorse study throughput [CAPTURE…]``: the uploader as it is imported, beside what one would write instead.

Default settings, redaction on, captures that are new to the process: each is parsed again outside the clock, since a
service never uploads one object twice (orjson keeps what it has encoded of a string). Every capture runs in a process
of its own, all arms in turns, round after round, in an order that is reversed in every second round. Each arm reads
back what it stored before it is timed. Figures are ratios within rounds.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
import os
import statistics
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benches.studies import submit_cost
from benches.studies.blocks import fresh, orders
from packhorse.bench.lab.targets import start_target
from packhorse.bench.synth import sized
from packhorse.captures.read import load
from packhorse.errors import InputError
from packhorse.fetching import fetch
from packhorse.model import materialized
from packhorse.profiles.loading import load_profile
from packhorse.stores.base import Endpoint
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

IN_FLIGHT = 8
#: What a user would write: the original design, today's common stack, and the packaged default's parts by hand.
ORIGINAL, COMMON, HAND = "original", "common", "hand"
BARE, DEFAULT = "bare", "default"
ARMS = (ORIGINAL, COMMON, HAND, BARE, DEFAULT)
ABOUT = {
    ORIGINAL: "iterencode, zlib 6, base64, boto3, in threads",
    COMMON: "orjson, gzip 6, boto3, in threads",
    HAND: "orjson, isal 1, obstore, in threads: the packaged parts without any safety",
    BARE: "Uploader(redact=False)",
    DEFAULT: "Uploader as it is imported, redaction on",
}
#: Figure → the two arms whose rates are divided.
RATIOS = {
    "default / bare": (DEFAULT, BARE),
    "bare / hand": (BARE, HAND),
    "default / common": (DEFAULT, COMMON),
    "default / original": (DEFAULT, ORIGINAL),
}
CPU_RATIO = "CPU: default / hand"
#: Bounds on the copies of one sample: their number, and their bytes as JSON text (objects take a few times as much).
MAX_COPIES, MAX_COPIED_BYTES = 300, 160_000_000
#: Beside recorded captures, one small synthetic one: a rate that requests bound, not bytes.
SMALL_BYTES = 20_000
RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "captures"


@dataclass(frozen=True, slots=True)
class Spec:
    """One capture's run.

    Attributes:
        endpoint: The running target.
        name: What the rows are called.
        text: The capture as JSON.
        rounds: Rounds that count; one more goes before them.
        sample_s: Seconds that a sample should last at least.
        seed: Of the order of the arms.
    """

    endpoint: Endpoint
    name: str
    text: bytes
    rounds: int
    sample_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One arm in one round: captures stored, wall seconds, CPU seconds of this process."""

    round: int
    arm: str
    captures: int
    wall_s: float
    cpu_s: float


Send = Callable[[Sequence[Any], str], None]


def run_capture(spec: Spec) -> list[Sample]:
    """All rounds of one capture; round 0 warms up and finds how many copies fill a sample."""
    samples: list[Sample] = []
    most = max(IN_FLIGHT, min(MAX_COPIES, MAX_COPIED_BYTES // len(spec.text)))
    copies = dict.fromkeys(ARMS, IN_FLIGHT)
    with _arms(spec) as arms:
        for arm, send in arms.items():
            _check_stored(spec, arm, send)
        for number, order in enumerate(orders(ARMS, spec.rounds + 1, spec.seed)):
            for arm in order:
                captures = [json.loads(spec.text) for _ in range(copies[arm])]
                sample = _sample(number, arm, arms[arm], captures)
                if number == 0:
                    copies[arm] = max(IN_FLIGHT, min(most, int(spec.sample_s * sample.captures / sample.wall_s)))
                else:
                    samples.append(sample)
    return samples


def _sample(number: int, arm: str, send: Send, captures: list[Any]) -> Sample:
    gc.collect()
    gc.freeze()  # the collector would walk all copies again and again, in every arm alike
    try:
        cpu, wall = time.process_time(), time.perf_counter()
        send(captures, f"{arm}-{number}")
        return Sample(number, arm, len(captures), time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        gc.unfreeze()


def _check_stored(spec: Spec, arm: str, send: Send) -> None:
    """One capture there and back. What redaction replaced may differ, and nothing else."""
    capture = json.loads(spec.text)
    send([capture], f"{arm}-check")
    url = f"s3://{spec.endpoint.bucket}/{arm}-check/0"
    if arm in {BARE, DEFAULT}:
        stored = fetch(url, endpoint=spec.endpoint)
    else:
        from packhorse.fetching import reading_store

        store = reading_store(spec.endpoint)
        with store.open(f"{arm}-check/0") as opened:
            body = b"".join(opened.chunks)
        store.close()
        plain = zlib.decompress(base64.b64decode(body)) if arm == ORIGINAL else gzip.decompress(body)
        stored = json.loads(plain.decode("utf-8", "surrogatepass"))
    if not _same(stored, capture, redacted=arm == DEFAULT):
        raise AssertionError(f"{spec.name}: {arm} stored something else than it was given")


def _same(stored: Any, given: Any, *, redacted: bool) -> bool:
    if isinstance(stored, dict) and isinstance(given, dict):
        pairs = zip(stored, given, strict=False) if redacted else ((key, key) for key in given)
        return len(stored) == len(given) and all(_same(stored[a], given[b], redacted=redacted) for a, b in pairs)
    if isinstance(stored, list) and isinstance(given, list):
        pairs = zip(stored, given, strict=False)
        return len(stored) == len(given) and all(_same(a, b, redacted=redacted) for a, b in pairs)
    return stored == given or (redacted and isinstance(stored, str) and "redacted" in stored)


@contextmanager
def _arms(spec: Spec) -> Iterator[dict[str, Send]]:
    """Every arm as a function that stores captures under ``<prefix>/0``, ``<prefix>/1`` … and waits for all."""
    import boto3
    import obstore
    import orjson
    from botocore.config import Config
    from isal import isal_zlib
    from obstore.store import S3Store

    endpoint = spec.endpoint
    keys = {"aws_access_key_id": endpoint.access_key, "aws_secret_access_key": endpoint.secret_key}
    path_style = Config(s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=endpoint.url, region_name=endpoint.region, config=path_style, **keys)
    store = S3Store(
        endpoint.bucket,
        endpoint=endpoint.url,
        region=endpoint.region,
        access_key_id=endpoint.access_key,
        secret_access_key=endpoint.secret_key,
        client_options={"allow_http": True},
    )

    def original(capture: Any, key: str) -> None:
        deflate = zlib.compressobj(6)
        chunks = json.JSONEncoder().iterencode(capture)
        body = [deflate.compress(chunk.encode("utf-8", "surrogatepass")) for chunk in chunks] + [deflate.flush()]
        client.put_object(Bucket=endpoint.bucket, Key=key, Body=base64.b64encode(b"".join(body)))

    def common(capture: Any, key: str) -> None:
        client.put_object(Bucket=endpoint.bucket, Key=key, Body=gzip.compress(orjson.dumps(capture), 6))

    def hand(capture: Any, key: str) -> None:
        obstore.put(store, key, isal_zlib.compress(orjson.dumps(capture), 1, 31))

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(IN_FLIGHT))

        def in_threads(task: Callable[[Any, str], None]) -> Send:
            def send(captures: Sequence[Any], prefix: str) -> None:
                for _ in pool.map(task, captures, _keys(prefix, len(captures))):
                    pass

            return send

        def uploader(**more: Any) -> Send:
            options = UploaderOptions(endpoint=endpoint)
            up = stack.enter_context(Uploader(f"s3://{endpoint.bucket}", options=options, **more))

            def send(captures: Sequence[Any], prefix: str) -> None:
                keys = _keys(prefix, len(captures))
                for ticket in [up.submit(capture, key=key) for capture, key in zip(captures, keys, strict=True)]:
                    ticket.result(120)

            return send

        yield {
            ORIGINAL: in_threads(original),
            COMMON: in_threads(common),
            HAND: in_threads(hand),
            BARE: uploader(redact=False),
            DEFAULT: uploader(),
        }


def _keys(prefix: str, count: int) -> list[str]:
    return [f"{prefix}/{number}" for number in range(count)]


def figures(samples: Sequence[Sample]) -> dict[str, float]:
    """Rates by arm, ratios of rates within rounds (medians over the rounds), and the ratio of CPU."""
    rate = {(s.round, s.arm): s.captures / s.wall_s for s in samples}
    cpu_s = {arm: statistics.median(s.cpu_s / s.captures for s in samples if s.arm == arm) for arm in ARMS}
    rounds = sorted({s.round for s in samples})
    found = {f"{arm}/s": statistics.median(rate[n, arm] for n in rounds) for arm in ARMS}
    for name, (over, under) in RATIOS.items():
        found[name] = statistics.median(rate[n, over] / rate[n, under] for n in rounds)
    return {**found, CPU_RATIO: cpu_s[DEFAULT] / cpu_s[HAND]}


def _texts(captures: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Names and compact JSON of the captures given, or of the recorded fixtures."""
    import orjson

    found = []
    for path in captures or sorted(RECORDED.glob("*.har")):
        capture = load(path)
        try:
            found.append((path.name, orjson.dumps(capture)))
        except (TypeError, orjson.JSONEncodeError) as error:
            raise InputError(f"{path}: orjson cannot encode it ({error}), so the arms cannot be compared") from None
    return sorted(found, key=lambda one: len(one[1]))


def study(
    *, quick: bool, seed: int, progress: Callable[[float], None], captures: Sequence[Path] = ()
) -> dict[str, Any]:
    """Run every capture against ``rclone`` on loopback and return the result document."""
    rounds, sample_s = (2, 0.4) if quick else (5, 0.7)
    texts = _texts(captures)
    small = ("synthetic, 20 KB", json.dumps(materialized(sized(SMALL_BYTES, seed, "browser"))).encode())
    rows = []
    steps = len(texts) + 2
    with start_target("rclone") as target:
        for number, (name, text) in enumerate([small, *texts]):
            samples = fresh(run_capture, Spec(target.endpoint, name, text, rounds, sample_s, seed))
            rows.append({"name": name, "bytes": len(text), **figures(samples), "samples": [asdict(s) for s in samples]})
            progress((number + 1) / steps)
        submit = _submit(target.endpoint, 2 if quick else 4, seed)
        settings = {"in_flight": IN_FLIGHT, "rounds": rounds, "sample_s": sample_s, "seed": seed}
        return {
            "settings": {**settings, "cores": os.cpu_count(), "target": target.version, "arms": ABOUT},
            "pipeline": str(load_profile().pipeline),
            "small": rows[0],
            "captures": rows[1:],
            "over_captures": _spread(rows[1:]),
            "submit_nowait": submit,
        }


def _spread(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    spread = {}
    for name in (*RATIOS, CPU_RATIO):
        values = [row[name] for row in rows]
        worst, best = (max, min) if name == CPU_RATIO else (min, max)
        spread[name] = {"median": statistics.median(values), "worst": worst(values), "best": best(values)}
    return spread


def _submit(endpoint: Endpoint, blocks: int, seed: int) -> dict[str, Any]:
    """What ``submit_nowait`` of a 1 MB capture costs its caller, in microseconds."""
    spec = submit_cost.SubmitSpec(endpoint, 1_000_000, "browser", seed, True, 2000, 4000, 50)
    measured = [fresh(submit_cost.run_block, spec) for _ in range(blocks)]
    return {arm: submit_cost.summary([block[arm] for block in measured]) for arm in measured[0]}


def markdown(document: dict[str, Any]) -> str:
    """The table, from the record alone."""
    names = (*RATIOS, CPU_RATIO)
    settings = document["settings"]
    run = f"{settings['in_flight']} in flight, {settings['target']} on loopback, {settings['rounds']} rounds"
    lines = [
        "# The uploader beside what one would write instead",
        "",
        f"`{' '.join(document['command'])}`",
        "",
        f"`{document['pipeline']}`, {run}. Fresh captures, default settings.",
        "",
        *(f"* **{arm}**: {about}" for arm, about in settings["arms"].items()),
        "",
        f"| capture | MB | {' | '.join(f'{arm}/s' for arm in ARMS)} | {' | '.join(names)} |",
        f"|---|{'---:|' * (1 + len(ARMS) + len(names))}",
    ]
    for row in [*document["captures"], document["small"]]:
        cells = [f"{row['bytes'] / 1e6:.2f}", *(f"{row[f'{arm}/s']:.0f}" for arm in ARMS)]
        lines.append(f"| {row['name']} | {' | '.join(cells + [f'{row[name]:.2f}' for name in names])} |")
    for which in ("median", "worst", "best"):
        cells = [f"**{document['over_captures'][name][which]:.2f}**" for name in names]
        lines.append(f"| **{which}** (20 KB apart) |{' |' * (1 + len(ARMS))} {' | '.join(cells)} |")
    lines += ["", "What `submit_nowait` of 1 MB costs its caller, in µs:", "", "| arm | p50 | p99 |", "|---|---:|---:|"]
    costs = document["submit_nowait"].items()
    lines += [f"| {arm} | {row['p50_us']:.0f} | {row['p99_us']:.0f} |" for arm, row in costs]
    return "\n".join(lines) + "\n"
