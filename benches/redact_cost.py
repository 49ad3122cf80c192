"""CPU time of redaction beside the pipeline it stands before, as a table: ``python -m benches.redact_cost``.

Every repetition takes a new redactor, so that no value is known from the repetition before; the scanners, which a
process makes once, are made beforehand.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from packhorse.bench.synth import KINDS, sized
from packhorse.pipeline import Pipeline
from packhorse.redact.redactor import Redactor
from packhorse.redact.scanner import ScannerName

PIPELINE = "orjson-stream | isal:1 | raw"
_SIZE_BYTES = 1_000_000
_REPETITIONS = 9
_KEY = b"cost"


def table(seed: int = 1, pipeline: str = PIPELINE) -> str:
    """A Markdown table: per kind of synthetic capture of 1 MB, milliseconds of CPU and ratios to the pipeline.

    Raises:
        UnavailableError: A library of the pipeline is not installed.
    """
    scanners: list[ScannerName] = ["hyperscan", "plain"] if find_spec("hyperscan") else ["plain"]
    codec = Pipeline.parse(pipeline).codec()
    titles = ["capture", "entries", "pipeline, ms"]
    titles += [title for scanner in scanners for title in (f"{scanner}, ms", f"{scanner} / pipeline")]
    rows = [titles, ["---"] * len(titles)]
    for kind in KINDS:
        capture = sized(_SIZE_BYTES, seed, kind).materialize()

        def encode(capture: Any = capture) -> None:
            sum(map(len, codec.encode(capture)))

        base_ms = _least_ms(lambda: encode)
        row = [kind, str(len(capture["log"]["entries"])), f"{base_ms:.1f}"]
        for scanner in scanners:
            Redactor(key=_KEY, scanner=scanner).entry({"password": "warm"})
            cost_ms = _least_ms(lambda scanner=scanner, capture=capture: _job(scanner, capture))  # type: ignore[misc]
            row += [f"{cost_ms:.1f}", f"{cost_ms / base_ms:.1f}"]
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _job(scanner: ScannerName, capture: Any) -> Callable[[], Any]:
    redactor = Redactor(key=_KEY, scanner=scanner)
    return lambda: redactor.capture(capture)


def _least_ms(prepare: Callable[[], Callable[[], Any]]) -> float:
    """The least of several CPU times: what other processes do only ever adds to it."""
    times = []
    for _ in range(_REPETITIONS):
        job = prepare()
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times) * 1e3


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
