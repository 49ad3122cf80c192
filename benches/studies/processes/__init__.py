"""``packhorse study processes``: do worker processes encode more captures than the engine's threads, and at what price?

Blocks are fresh processes. In each, every way of encoding takes its turn on every capture, with and without redaction,
with as many threads or workers as the engine has. Each body is compared with the engine's own before it is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Imported where they are used: a worker imports this package, too, and its memory is measured.


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study and return its result document."""
    from benches.studies.processes.run import study as run

    return run(quick=quick, seed=seed, progress=progress)


def markdown(document: dict[str, Any]) -> str:
    """The report, from the document alone."""
    from benches.studies.processes.report import markdown as written

    return written(document)
