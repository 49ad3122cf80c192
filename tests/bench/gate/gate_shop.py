"""A small project under git for tests of the gate, and a gate of it with few, short blocks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packhorse.bench.gate.config import parse_config
from packhorse.bench.gate.record import validate
from packhorse.bench.gate.run import GateRequest, run_gate
from packhorse.bench.gate.sides import clean_environment

#: A row's work; the number is how much.
WORK = (
    "def encode(capture):\n    total = 0\n    for number in range({}):\n        total += number\n    return b'x' * 10\n"
)
QUICK = {"blocks": 8, "repeats": 1, "sample_s": 0.004, "margin": 0.3, "target": "moto"}
ROW = {"name": "encode", "call": "shop:encode"}


class Quiet:
    """An observer that keeps count, and may be asked to do something at a block."""

    def __init__(self, at_block: Callable[[int], None] = lambda _: None) -> None:
        self.blocks = 0
        self.measurements: list[tuple[int, list[str]]] = []
        self._at_block = at_block

    def say(self, text: str) -> None:
        assert text

    def begin(self, blocks: int, measurement: int, rows: Any) -> None:
        self.measurements.append((measurement, list(rows)))

    def block(self) -> None:
        self.blocks += 1
        self._at_block(self.blocks)


def git(folder: Path, *arguments: str) -> str:
    """What git says, as somebody who has told it his name."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    # Not the caller's repository, where tests run in a hook, and not the caller's language.
    env = clean_environment() | {"LC_ALL": "C"}
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True, env=env
    ).stdout.strip()


def make_shop(folder: Path, base: str = "") -> Path:
    """A repository with one commit, tagged ``base``."""
    repo = folder / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    (repo / "shop.py").write_text(base or WORK.format(20_000))
    (repo / ".gitignore").write_text("*.log\n*.har\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "one")
    git(repo, "tag", "base")
    return repo


def gate(
    repo: Path,
    *,
    head: str | None = None,
    rows: list[dict[str, Any]] | None = None,
    observer: Quiet | None = None,
    **over: Any,
) -> tuple[dict[str, Any], Quiet]:
    """A gate of the working tree on one tiny capture, both sides in this environment."""
    capture = repo / "tiny.har"
    capture.write_text(json.dumps({"log": {"entries": [{"n": 1}]}}))
    config = parse_config({**QUICK, **over, "rows": rows or [ROW]})
    watching = observer or Quiet()
    request = GateRequest("base", head, repo, config, own_environments=False, captures=(capture,))
    return validate(run_gate(request, watching), source="test"), watching
