"""``packhorse study startup``: how soon a process can upload, and whether it exits cleanly after using each client."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from packhorse.bench.lab.targets import start_target
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
_FIRST = """
import json, sys, time
where, redact = json.loads(sys.stdin.read()), sys.argv[1] == "redacting"
begun = time.perf_counter()
import packhorse
endpoint = packhorse.Endpoint(**where)
options = packhorse.UploaderOptions(endpoint=endpoint)
uploader = packhorse.Uploader("s3://" + where["bucket"] + "/first", options=options, redact=redact)
ready = time.perf_counter()
uploader.upload({"log": {"entries": [{"request": {"headers": []}, "response": {"content": {"text": "x" * 999}}}] * 20}})
print(ready - begun, time.perf_counter() - ready)
uploader.close()
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
            progress((number + 1) / (len(stores) + 2))
        first = {how: _first_upload(how, where, 20 if quick else 50) for how in ("not redacting", "redacting")}
        progress((len(stores) + 1) / (len(stores) + 2))
    result = {"runs": runs, "exits": exits, "import": _import_cost(10 if quick else 30), "first_upload": first}
    progress(1.0)
    return result


def _first_upload(how: str, where: dict[str, Any], runs: int) -> dict[str, float]:
    """Seconds in fresh processes, with the default profile: ``import packhorse; Uploader(...)``, then one upload."""
    ready_s, first_s = [], []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _FIRST, how],
            input=json.dumps(where),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        ready, first = map(float, done.stdout.split())
        ready_s.append(ready)
        first_s.append(first)
    return {
        "runs": runs,
        "ready_s": statistics.median(ready_s),
        "ready_worst_s": max(ready_s),
        "first_upload_s": statistics.median(first_s),
        "first_upload_worst_s": max(first_s),
    }


def _exits(store: str, where: dict[str, Any], runs: int) -> dict[str, int]:
    """How often each outcome was seen: ``0`` for a clean and silent exit, otherwise the status or ``stderr``."""
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
