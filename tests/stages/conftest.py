"""A candidate whose library is not installed: loud with PACKHORSE_REQUIRE_ALL=1, else left out and named at the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from packhorse.stages import registry
from packhorse.stages.base import Candidate

_HERE = Path(__file__).parent
_LEFT_OUT = pytest.StashKey[dict[str, str]]()


def _missing(item: pytest.Item) -> list[str]:
    callspec = getattr(item, "callspec", None)
    rows = [value for value in callspec.params.values() if isinstance(value, Candidate)] if callspec else []
    states = [registry.availability(row) for row in rows]
    return [f"{state.candidate.name}: {state.reason}" for state in states if state.reason]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of unavailable candidates, unless all are required: then they run and fail."""
    if os.environ.get("PACKHORSE_REQUIRE_ALL") == "1":
        return
    reasons: dict[str, str] = {}
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        missing = _missing(item) if _HERE in item.path.parents else []
        (dropped if missing else kept).append(item)
        reasons.update(dict.fromkeys(missing, item.nodeid))
    if dropped:
        items[:] = kept
        config.hook.pytest_deselected(items=dropped)
    config.stash[_LEFT_OUT] = reasons


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which candidates were left out, and why."""
    for reason in config.stash.get(_LEFT_OUT, {}):
        terminalreporter.write_line(f"candidate not tested: {reason}", yellow=True)
