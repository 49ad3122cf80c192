"""Keeps the tests of an ``xdist_group`` in one process, where they share what is slow to set up.

pytest-xdist 3.8 tells the group in the test's id, by an attribute that pytest 9.2 no longer reads: the marks are
ignored without a word. So each process writes down the groups that it has collected, and tests are handed out by that.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

#: Where a worker finds the name of the file for its groups.
_KEY = "packhorse_groups"


def register(config: pytest.Config) -> None:
    """Spread by group, if this is a run in several processes that asks for it, or one of its processes."""
    given = getattr(config, "workerinput", None)
    if given is not None:
        if _KEY in given:
            config.pluginmanager.register(_Worker(Path(given[_KEY]), given["workerid"]))
    elif config.getoption("dist", None) == "loadgroup":
        config.pluginmanager.register(_Controller(config))


class _Worker:
    def __init__(self, file: Path, name: str) -> None:
        self._file, self._name = file, name

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        marks = {item.nodeid: item.get_closest_marker("xdist_group") for item in session.items}
        groups = {nodeid: mark.args[0] for nodeid, mark in marks.items() if mark}
        mine = self._file.with_name(self._name)
        mine.write_text(json.dumps(groups), encoding="utf-8")
        os.replace(mine, self._file)  # all collect the same: whose file it is does not matter, that it is whole does


class _Controller:
    def __init__(self, config: pytest.Config) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="packhorse-tests-")
        self._file = Path(self._folder.name, "groups.json")
        config.add_cleanup(self._folder.cleanup)

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_KEY] = str(self._file)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        return _ByGroup(config, log, lambda: json.loads(self._file.read_text(encoding="utf-8")))


class _ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    def __init__(self, config: pytest.Config, log: Any, read: Callable[[], dict[str, str]]) -> None:
        super().__init__(config, log)
        self._read = read

    @cached_property
    def _groups(self) -> dict[str, str]:
        return self._read()

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid)
