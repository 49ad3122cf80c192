"""Recording a block's allocations when ``packhorse study --flamegraph-memory`` asks for it, from inside its process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Spec = TypeVar("Spec")
Result = TypeVar("Result")

#: Names the folder for recordings, one file per process; absent, nothing is recorded.
FOLDER_VARIABLE = "PACKHORSE_MEMORY_TRACKS"


def tracked(function: Callable[[Spec], Result], spec: Spec) -> Result:
    """``function(spec)``, recorded by memray if the environment asks for it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return function(spec)
    import memray

    with memray.Tracker(Path(folder) / f"{os.getpid()}-{time.time_ns()}.bin"):
        result = function(spec)
    return result  # noqa: RET504  # a return inside may be swallowed, as far as memray says
