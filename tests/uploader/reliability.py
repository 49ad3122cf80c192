"""How much of each reliability test is run, and where its figures go.

A test takes its number of runs as a parameter: the quick number is part of ``pytest tests/``, the full one carries the
mark ``reliability``. ``tox -e reliability`` writes every figure to the file PACKHORSE_RELIABILITY_OUT.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def quick_and_full(name: str, quick: int, full: int) -> pytest.MarkDecorator:
    """Run a test twice: with ``name=quick``, and in the long suite with ``name=full``."""
    long = (pytest.mark.reliability, pytest.mark.timeout(4 * 3600))
    return pytest.mark.parametrize(name, [pytest.param(quick, id="quick"), pytest.param(full, id="full", marks=long)])


def note(case: str, **figures: Any) -> None:
    """Add the figures of one case to the result file, if one is wanted."""
    out = os.environ.get("PACKHORSE_RELIABILITY_OUT")
    if not out:
        return
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cases": {}}
    known |= {"python": platform.python_version(), "system": platform.platform()}
    known["cases"][case] = figures
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
