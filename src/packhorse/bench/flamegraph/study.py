"""``packhorse study NAME --flamegraph FILE``: the same study, watched by a profiler, its processes included."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from packhorse.bench.flamegraph.draw import Watched, memory_html, time_html


def draw(arguments: Sequence[str], *, time_path: Path | None, memory_path: Path | None) -> None:
    """Run ``packhorse study`` with ``arguments`` under each profiler that a file is named for.

    Its figures are thrown away: a profiler slows what it watches, and not evenly.

    Raises:
        UnavailableError: The profiler cannot be used here; says what to do.
        FlamegraphError: The study failed; no file was written.
    """
    with tempfile.TemporaryDirectory(prefix="packhorse-") as folder:
        for number, (path, is_memory) in enumerate(((time_path, False), (memory_path, True))):
            if path is None:
                continue
            record = Path(folder) / f"{number}.json"
            command = ["study", *arguments, "--output", str(record)]
            watched = Watched("packhorse", command, proof=record, subprocesses=True)
            if is_memory:
                memory_html(watched, path)
            else:
                time_html(watched, path, title=f"packhorse study {' '.join(arguments)}")
