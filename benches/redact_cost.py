"""CPU time of redaction beside the pipeline it stands in, as a table: ``python -m benches.redact_cost [FILE …]``.

What is redacted is the encoded JSON text, as in the uploader. Synthetic captures of 1 MB, or the HAR files given. The
scanners, which a process makes once, are made beforehand.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packhorse.bench.synth import KINDS, sized
from packhorse.pipeline import Pipeline
from packhorse.redact.redactor import Redactor
from packhorse.redact.scanner import ScannerName

PIPELINE = "orjson-stream | isal:1 | raw"
_SIZE_BYTES = 1_000_000
_REPETITIONS = 9
_KEY = b"cost"


def captures(seed: int = 1) -> dict[str, Any]:
    """A synthetic capture of 1 MB of each kind."""
    return {kind: sized(_SIZE_BYTES, seed, kind).materialize() for kind in KINDS}


def table(some: Mapping[str, Any], pipeline: str = PIPELINE) -> str:
    """A Markdown table: per capture, milliseconds of CPU per MB, and the pipeline's.

    Raises:
        UnavailableError: A library of the pipeline is not installed.
    """
    scanners: list[ScannerName] = ["hyperscan", "plain"] if find_spec("pyperscan") else ["plain"]
    redactors = [Redactor(key=_KEY, scanner=scanner) for scanner in scanners]
    codec = Pipeline.parse(pipeline).codec()
    titles = ["capture", "MB", "pipeline, ms/MB", *(f"{scanner}, ms/MB" for scanner in scanners)]
    rows = [titles, ["---"] * len(titles)]
    for name, capture in some.items():
        text = json.dumps(capture, separators=(",", ":")).encode()

        def encode(capture: Any = capture) -> None:
            sum(map(len, codec.encode(capture)))

        jobs: list[Callable[[], Any]] = [encode, *(partial(redactor.encoded, text) for redactor in redactors)]
        size_mb = len(text) / 1e6
        rows.append([name, f"{size_mb:.2f}", *(f"{_least_ms(job) / size_mb:.2f}" for job in jobs)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _least_ms(job: Callable[[], Any]) -> float:
    """The least of several CPU times: what other processes do only ever adds to it. The first makes a scanner."""
    job()
    times = []
    for _ in range(_REPETITIONS):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times) * 1e3


if __name__ == "__main__":
    given = {Path(name).name[:40]: json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]}
    sys.stdout.write(table(given or captures()) + "\n")
