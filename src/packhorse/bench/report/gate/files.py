"""The files that a gate writes beside its record: summary, comment, JUnit XML, pytest-benchmark's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packhorse.bench.report.gate.benchmark_json import benchmark_json
from packhorse.bench.report.gate.junit import junit
from packhorse.bench.report.gate.markdown import markdown
from packhorse.bench.report.pr_comment import render as comment
from packhorse.files import write_text

#: File → how it is rendered. All of them are functions of the record alone: the same bytes each time.
FILES = {"summary.md": markdown, "comment.md": comment, "junit.xml": junit, "benchmark.json": benchmark_json}

#: The record's own file, which its renderings stand beside.
RECORD = "gate.json"


def clear(folder: Path) -> None:
    """Remove what an earlier gate left in ``folder``; where there is no gate's record, nothing is touched."""
    if not (folder / RECORD).is_file():
        return
    for name in (*FILES, RECORD):  # the record last: interrupted, this can be done again
        (folder / name).unlink(missing_ok=True)


def render(record: dict[str, Any], folder: Path) -> None:
    """Write every rendering into ``folder``, each whole or not at all."""
    for name, make in FILES.items():
        write_text(folder / name, make(record))
