"""A side's process: makes the gate's rows ready and runs them when told. JSON lines in, JSON lines out.

Started with the side's own Python, which may hold another version of packhorse or none at all: this file imports
nothing of ours but what a row asks for, and only what has long been there.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

#: One pass over all captures: returns bytes that came out, or 0 where a function of the user's returns something else.
Pass = Callable[[], int]


class Spare:
    """Extra work in the compressing stage, for planted slowdowns: compresses ``plant_bytes`` more per capture."""

    def __init__(self, compressor: Any, spare: Any, plant_bytes: int) -> None:
        self._compressor = compressor
        self._spare = spare
        self._plant_bytes = plant_bytes
        self.backward = compressor.backward

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The compressed stream, with the extra work done at its end."""
        yield from self._compressor.forward(self._kept(chunks))

    def _kept(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        kept: list[bytes] = []
        for chunk in chunks:
            kept.append(chunk)
            yield chunk
        left, again = self._plant_bytes, []
        while left > 0 and kept:
            for chunk in kept:
                again.append(chunk[:left])
                left -= len(again[-1])
                if left <= 0:
                    break
        for _ in self._spare.forward(iter(again)):
            pass


def call_row(row: dict[str, Any], captures: list[Any]) -> Pass:
    """A function of the user's: ``module:function``, called with each capture, or without if it takes nothing."""
    module, _, name = row["call"].partition(":")
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    takes = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    arguments: list[tuple[Any, ...]] = [(capture,) for capture in captures] if takes else [()]

    def run() -> int:
        out = 0
        for given in arguments:
            result = function(*given)
            out += len(result) if isinstance(result, (bytes, bytearray, memoryview, str)) else 0
        return out

    return run


def _codec(row: dict[str, Any], pipeline: Any, captures: list[Any]) -> Any:
    codec = pipeline.codec()
    for number, capture in enumerate(captures):  # what is timed has to be right first
        if codec.decode(iter(list(codec.encode(capture)))) != capture:
            raise ValueError(f"capture {number} does not come back equal")
    if row.get("plant_bytes") is not None:
        codec.compressor = Spare(codec.compressor, pipeline.compress.make(), row["plant_bytes"])
    return codec


def pipeline_row(row: dict[str, Any], captures: list[Any]) -> Pass:
    """A pipeline: its three CPU stages, or, with a store, encode and put, one capture after the other."""
    from packhorse.pipeline import Pipeline

    pipeline = Pipeline.parse(row["pipeline"])
    codec = _codec(row, pipeline, captures)
    if pipeline.store is None:
        return lambda: sum(len(chunk) for capture in captures for chunk in codec.encode(capture))
    from packhorse.stores.base import Endpoint, ObjectInfo

    store = pipeline.store.make(endpoint=Endpoint(**row["endpoint"]))
    info = ObjectInfo()

    def run() -> int:
        out = 0
        for number, capture in enumerate(captures):
            body = b"".join(codec.encode(capture))
            store.put(f"{row['prefix']}-{number}", body, info)
            out += len(body)
        return out

    return run


def profile_row(row: dict[str, Any], captures: list[Any]) -> Pass:
    """The uploader with a profile: every capture ``in_flight`` times over, submitted and waited for."""
    from packhorse import Uploader, UploaderOptions
    from packhorse.stores.base import Endpoint

    endpoint = Endpoint(**row["endpoint"])
    options = UploaderOptions(endpoint=endpoint, max_in_flight=row["in_flight"])
    uploader = Uploader(f"s3://{endpoint.bucket}/{row['prefix']}", profile=row["profile"], options=options)

    def run() -> int:
        # The same keys each time: a gate of many blocks must not fill the target.
        jobs = [(f"{row['prefix']}-{i}-{n}", c) for i in range(row["in_flight"]) for n, c in enumerate(captures)]
        tickets = [uploader.submit(capture, key=key) for key, capture in jobs]
        return sum(ticket.result().stored_bytes for ticket in tickets)

    return run


MAKERS = {"call": call_row, "pipeline": pipeline_row, "profile": profile_row}


def make(row: dict[str, Any], captures: list[Any]) -> Pass:
    """A row made ready, by whichever of ``call``, ``pipeline`` and ``profile`` it has."""
    kind = next(kind for kind in MAKERS if row.get(kind))
    return MAKERS[kind](row, captures)


class Rows:
    """The rows of this process."""

    def __init__(self) -> None:
        self._passes: dict[str, Pass] = {}

    def prepare(self, folder: str, captures: list[str], rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Make rows ready; one that cannot be made is answered with its error."""
        loaded = [json.loads((Path(folder) / name).read_bytes()) for name in captures]
        answers: dict[str, Any] = {}
        for row in rows:
            try:
                self._passes[row["name"]] = make(row, loaded)
                answers[row["name"]] = {"bytes_out": self._passes[row["name"]]()}
            except Exception as error:  # noqa: BLE001 - any side may fail in its own way; the gate reports it
                self._passes.pop(row["name"], None)
                answers[row["name"]] = {"error": f"{type(error).__name__}: {error}"[:500]}
        gc.collect()
        gc.freeze()
        return answers

    def run(self, row: str, rounds: int) -> dict[str, float]:
        """Seconds of ``rounds`` passes."""
        one = self._passes[row]
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(rounds):
            one()
        return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def main() -> int:
    """Answer commands until the pipe closes, then leave at once: nothing here is worth saving."""
    # Whatever a library prints goes to stderr, so that stdout carries nothing but our lines.
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as out:
        os.dup2(2, 1)
        sys.path.insert(0, os.getcwd())
        rows = Rows()
        for line in sys.stdin:
            command = json.loads(line)
            name = command.pop("do")
            try:
                answer = getattr(rows, name)(**command)
            except Exception as error:  # noqa: BLE001 - as above
                answer = {"error": f"{type(error).__name__}: {error}"[:500]}
            out.write(json.dumps(answer) + "\n")
        out.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
