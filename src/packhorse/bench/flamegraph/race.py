"""``packhorse race --flamegraph PIPELINE``: the flamegraph of one pipeline on the captures and target of a race."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from packhorse.bench.flamegraph.draw import Watched, memory_html, time_html
from packhorse.bench.lab.folder import work_folder
from packhorse.bench.lab.targets import start_target
from packhorse.bench.race import inputs
from packhorse.bench.race.lineup import reference_level
from packhorse.bench.race.options import RaceOptions
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline

#: Seconds that the uploader works under the profiler.
DURATION_S, QUICK_DURATION_S = 10.0, 3.0
TIME_NAME, MEMORY_NAME = "flamegraph.html", "flamegraph-memory.html"


def draw(options: RaceOptions, text: str, *, memory: bool) -> tuple[Path, float]:
    """Upload the race's captures with one pipeline under a profiler, and write the picture into its folder.

    Args:
        options: Captures, target, bucket, ``in_flight`` (the lowest given; 8 without), ``quick`` and folder are used.
        text: The pipeline, or the name of a preset.
        memory: Draw memory at the peak in place of time.

    Returns:
        The file, and the captures a second that were uploaded under the profiler, which slows them.

    Raises:
        InputError: The pipeline cannot be used here.
        UnavailableError: The profiler cannot; says what to do.
        FlamegraphError: The uploads failed.
    """
    pipeline = Pipeline.parse(text)
    if pipeline.store is None:
        raise InputError(f"{text!r} has no store: a flamegraph is taken of whole uploads, so write a fourth part")
    if pipeline.unavailable is not None:
        raise InputError(f"{text!r} cannot be used here: {pipeline.unavailable}")
    with (
        work_folder("flamegraph") as folder,
        start_target(options.target, bucket=options.bucket) as target,
    ):
        given = options.captures
        files = inputs.given(folder, given) if given else inputs.synthetic(folder, options.seed)
        spec = {
            "pipeline": str(pipeline),
            "captures": [str(folder / file.name) for file in files],
            "in_flight": min(options.in_flight) if options.in_flight else reference_level(options),
            "duration_s": QUICK_DURATION_S if options.quick else DURATION_S,
            "account": str(folder / "account"),
            "endpoint": asdict(target.endpoint),
        }
        watched = Watched("packhorse.bench.flamegraph.child", given=json.dumps(spec), proof=folder / "account")
        path = options.out_dir / (MEMORY_NAME if memory else TIME_NAME)
        if memory:
            memory_html(watched, path)
        else:
            time_html(watched, path, title=f"{pipeline}, {spec['in_flight']} in flight")
        found = json.loads((folder / "account").read_bytes())
    return path, found["captures"] / found["wall_s"]
