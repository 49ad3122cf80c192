"""``packhorse study startup``: what importing costs, and whether processes exit cleanly after using each client."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from packhorse.lab.targets import start_target
from packhorse.stages import registry
from packhorse.stages.base import Stage

_UPLOAD = """
import json, sys
from packhorse import Endpoint, Profile, Uploader, UploaderOptions
from packhorse.pipeline import Pipeline
store, where = sys.argv[1], json.loads(sys.stdin.read())
profile = Profile("exit", Pipeline.parse("json | gzip:1 | raw | " + store), 4)
options = UploaderOptions(endpoint=Endpoint(**where))
with Uploader("s3://" + where["bucket"] + "/exit", profile=profile, options=options, redact=False) as uploader:
    tickets = [uploader.submit({"log": {"entries": [{"n": n}] * 50}}) for n in range(20)]
    [ticket.result(30) for ticket in tickets]
"""


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study against ``rclone`` and return its result document. ``seed`` has nothing to decide here."""
    del seed
    runs = 5 if quick else 50
    stores = [row for row in registry.candidates(Stage.STORE) if registry.availability(row).available]
    exits: dict[str, dict[str, int]] = {}
    with start_target("rclone") as target:
        where = asdict(target.endpoint)
        for number, row in enumerate(stores):
            exits[row.name] = _exits(row.name, where, runs)
            progress((number + 1) / (len(stores) + 1))
    result = {"runs": runs, "exits": exits, "import": _import_cost(10 if quick else 30)}
    progress(1.0)
    return result


def _exits(store: str, where: dict[str, Any], runs: int) -> dict[str, int]:
    """How often each outcome was seen: ``0`` for a clean and silent exit, otherwise the status or ``stderr``."""
    import json

    text = store if store == "memory" else f"{store}:pool=8"
    outcomes: Counter[str] = Counter()
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _UPLOAD, text],
            input=json.dumps(where).encode(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        outcomes["stderr" if done.returncode == 0 and done.stderr else str(done.returncode)] += 1
    return dict(outcomes)


def _import_cost(runs: int) -> dict[str, Any]:
    """Milliseconds that ``import packhorse`` adds to a bare interpreter, and the third-party modules it brings."""
    bare, loaded = [], []
    for _ in range(runs):
        bare.append(_seconds("pass"))
        loaded.append(_seconds("import packhorse"))
    listing = "import sys, packhorse; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    modules = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    foreign = [m for m in modules if m not in sys.stdlib_module_names and m != "packhorse" and not m.startswith("_")]
    added = [b - a for a, b in zip(bare, loaded, strict=True)]
    return {"added_s": statistics.median(added), "whole_s": statistics.median(loaded), "third_party_modules": foreign}


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start
