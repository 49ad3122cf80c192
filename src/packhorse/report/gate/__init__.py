"""Renderings of a gate's record: Markdown for a change's comment, JUnit XML, pytest-benchmark's JSON, terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packhorse.files import appearing
from packhorse.report.gate.benchmark_json import benchmark_json
from packhorse.report.gate.junit import junit
from packhorse.report.gate.markdown import markdown

#: File → how it is rendered. All of them are functions of the record alone: the same bytes each time.
FILES = {"summary.md": markdown, "junit.xml": junit, "benchmark.json": benchmark_json}


def render(record: dict[str, Any], folder: Path) -> None:
    """Write every rendering into ``folder``, each whole or not at all."""
    for name, make in FILES.items():
        with appearing(folder / name) as file:
            file.write(make(record).encode())
