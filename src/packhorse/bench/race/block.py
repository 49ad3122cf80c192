"""A block: the child process in which samples are taken. Spec as one JSON line on stdin, JSON lines on stdout.

Started by :mod:`packhorse.bench.race.child` as ``python -m packhorse.bench.race.block``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from packhorse.bench.race.inputs import Inputs
from packhorse.bench.race.spec import BlockSpec, Mode


def main() -> int:
    """Read the spec, do what its mode says, end with an ``end`` line."""
    # Whatever a library prints goes to stderr, so that stdout carries nothing but our lines.
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as out:
        os.dup2(2, 1)

        def emit(event: dict[str, Any]) -> None:
            out.write(json.dumps(event) + "\n")

        _dispatch(BlockSpec.from_json(sys.stdin.readline()), emit)
        emit({"event": "end"})
    return 0


def _dispatch(spec: BlockSpec, emit: Any) -> None:
    inputs = Inputs.load(Path(spec.folder), spec.captures)
    if spec.mode is Mode.SAMPLE:
        from packhorse.bench.race.sampling import Sampler

        Sampler(spec, inputs, emit).run()
    elif spec.mode is Mode.CHECK:
        from packhorse.bench.race.checks import check

        check(spec, inputs, emit)
    else:
        from packhorse.bench.race.memory import measure

        measure(spec, inputs, emit)


if __name__ == "__main__":
    sys.exit(main())
