"""A side's process: makes the gate's rows ready and runs them when told. JSON lines in, JSON lines out.

Started with the side's own Python, which may hold another version of packhorse or none at all: this file imports
nothing of ours but what a row asks for, and only what has long been there.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

#: One pass over all captures: returns bytes that came out, or 0 where a function of the user's returns something else.
Pass = Callable[[], int]

#: Seconds that a child which a row has forked gets to return from the row, which it must not.
FORK_S = 0.2


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


class MissingError(Exception):
    """What a row names is not in this side's code; any other failure of a row is a defect or the environment's."""


def _function(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that the row's own module needs and that is not installed is another matter.
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise MissingError(f"{type(error).__name__}: {error}") from error
        raise
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise MissingError(f"{type(error).__name__}: {error}") from error
    return found


def call_row(row: dict[str, Any], captures: list[Any]) -> Pass:
    """A function of the user's: ``module:function``, called with each capture, or without if it takes nothing."""
    function = _function(row["call"])
    takes = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    arguments: list[tuple[Any, ...]] = [(capture,) for capture in captures] if takes else [()]

    def run() -> int:
        out = 0
        for given in arguments:
            result = function(*given)
            out += len(result) if isinstance(result, (bytes, bytearray, memoryview, str)) else 0
        return out

    return run


def _known(row: dict[str, Any]) -> Any:
    """The row's pipeline, where this side's packhorse knows all of its candidates."""
    from packhorse.errors import PipelineError
    from packhorse.pipeline import Pipeline

    try:
        return Pipeline.parse(row["pipeline"])
    except PipelineError as error:
        raise MissingError(f"{type(error).__name__}: {error}") from error


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
    pipeline = _known(row)
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
    """The uploader with a profile: every capture ``copies`` times over, ``in_flight`` at once, and waited for."""
    from packhorse import Uploader, UploaderOptions, fetch
    from packhorse.stores.base import Endpoint

    try:
        from packhorse.redact import Redactor
    except ModuleNotFoundError:  # a side from before redaction had a package of its own
        from packhorse.captures.redact import Redactor  # type: ignore[import-not-found,no-redef]

    _profile_there(row["profile"])
    endpoint = Endpoint(**row["endpoint"])
    options = UploaderOptions(endpoint=endpoint, max_in_flight=row["in_flight"])
    place = f"s3://{endpoint.bucket}/{row['prefix']}"
    redactor = Redactor(key=b"gate")  # on by default: what is fetched is the redacted capture
    uploader = Uploader(place, profile=row["profile"], options=options, redact=redactor)
    # The same keys each time: a gate of many blocks must not fill the target.
    copies = row.get("copies", row["in_flight"])
    jobs = [(f"{row['prefix']}-{i}-{n}", c) for i in range(copies) for n, c in enumerate(captures)]

    def run() -> int:
        tickets = [uploader.submit(capture, key=key) for key, capture in jobs]
        return sum(ticket.result().stored_bytes for ticket in tickets)

    first = [(uploader.submit(capture, key=key), capture) for key, capture in jobs[: len(captures)]]
    for number, (ticket, capture) in enumerate(first):  # what is timed has to be right first
        if fetch(ticket.result().url, endpoint=endpoint) != redactor.capture(capture):
            raise ValueError(f"capture {number} does not come back equal")
    return run


def _profile_there(profile: str) -> None:
    from packhorse.profiles.loading import packaged_profiles

    is_file = "/" in profile or profile.endswith(".toml")
    if not (Path(profile).is_file() if is_file else profile in packaged_profiles()):
        raise MissingError(f"profile {profile}: this side has none")


MAKERS = {"call": call_row, "pipeline": pipeline_row, "profile": profile_row}


def make(row: dict[str, Any], captures: list[Any]) -> Pass:
    """A row made ready, by whichever of ``call``, ``pipeline`` and ``profile`` it has."""
    kind = next(kind for kind in MAKERS if row.get(kind))
    return MAKERS[kind](row, captures)


class Rows:
    """The rows of this process."""

    def __init__(self) -> None:
        self._passes: dict[str, Pass] = {}
        self._captures: list[Any] = []
        self._forks = 0
        os.register_at_fork(after_in_parent=self._count_fork)

    def _count_fork(self) -> None:
        self._forks += 1

    def load(self, folder: str, captures: list[str]) -> dict[str, Any]:
        """Read the captures."""
        self._captures = [json.loads((Path(folder) / name).read_bytes()) for name in captures]
        return {}

    def prepare(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make a row ready; one that cannot be made is answered with its error."""
        try:
            one = make(row, self._captures)
            forks = self._forks
            answer = {"bytes_out": one()}
            if self._forks > forks:
                time.sleep(FORK_S)  # for the child to show itself by ending us: see main()
        except MissingError as error:
            return {"error": str(error)[:500], "missing": True}
        self._passes[row["name"]] = one
        return answer

    def settle(self) -> dict[str, Any]:
        """All rows are ready: what has been made so far is garbage no more."""
        gc.collect()
        gc.freeze()
        return {}

    def run(self, row: str, passes: int) -> dict[str, Any]:
        """Seconds of ``passes`` passes over all captures."""
        one = self._passes[row]
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(passes):
            one()
        return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def _beside(name: str) -> Any:
    """A module of this packhorse, by its file: the side's own Python may find another packhorse, or none."""
    file = Path(__file__).parents[1] / f"{name}.py"
    found = importlib.util.spec_from_file_location(f"_packhorse_gate_{name}", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def main() -> int:
    """Answer commands until the pipe closes, then leave at once: nothing here is worth saving."""
    ours = _beside("child_side")
    connection = ours.Pipes()
    ours.end_with_parent()
    home = os.getpid()
    # Last: where the project is installed in the side's environment, that is what runs, compiled parts and all.
    sys.path.append(os.getcwd())
    rows = Rows()
    while True:
        try:
            command = connection.receive()
        except EOFError:
            os._exit(0)
        name = command.pop("do")
        try:
            answer = getattr(rows, name)(**command)
        except Exception as error:  # noqa: BLE001 - any side may fail in its own way; the gate reports it
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        if os.getpid() != home:
            # Two processes would go on with our work, and more with every pass.
            os.write(2, b"the row returned in a process that it had forked\n")
            os.killpg(0, signal.SIGKILL)
        connection.send(answer)


if __name__ == "__main__":
    sys.exit(main())
