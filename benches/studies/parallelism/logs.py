"""Loggers for the variants that log: stdlib and structlog, with and without the payload in the line.

All format every line and write it to the null device, as the cost looked for is the process's own.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable
from typing import Any

from packhorse.errors import UnavailableError

#: A call that logs one line about a step, given the task's number, the step's and the answer's entries.
Log = Callable[[int, int, list[Any]], None]
LOGGERS = ("none", "stdlib", "stdlib+payload", "structlog", "structlog+payload")


def logger(name: str) -> Log | None:
    """The logger ``name`` of :data:`LOGGERS`; None for ``none``.

    Raises:
        UnavailableError: structlog is not installed.
    """
    library, _, payload = name.partition("+")
    if library == "none":
        return None
    return (_stdlib if library == "stdlib" else _structlog)(payload=bool(payload))


def _sink() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")


def _stdlib(*, payload: bool) -> Log:
    made = logging.getLogger("benches.studies.parallelism")
    made.setLevel(logging.INFO)
    made.propagate = False
    handler = logging.StreamHandler(_sink())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    made.handlers = [handler]
    if payload:
        return lambda task, step, entries: made.info("task %d step %d: %s", task, step, json.dumps(entries))
    return lambda task, step, entries: made.info("task %d step %d: %d entries", task, step, len(entries))


def _structlog(*, payload: bool) -> Log:
    try:
        import structlog
    except ImportError as error:
        raise UnavailableError(f"structlog is not installed: pip install 'packhorse[bench]' ({error})") from None
    made = structlog.wrap_logger(
        structlog.WriteLogger(_sink()),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
    )
    if payload:
        return lambda task, step, entries: made.info("answer", task=task, step=step, payload=entries)
    return lambda task, step, entries: made.info("answer", task=task, step=step, entries=len(entries))
