"""How much of each reliability test is run, and where its figures go.

``tox -e reliability`` sets PACKHORSE_RELIABILITY=full and writes every figure to the file PACKHORSE_RELIABILITY_OUT.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from pathlib import Path
from typing import Any

FULL = os.environ.get("PACKHORSE_RELIABILITY") == "full"
ROOT = Path(__file__).parents[2]
_writing = threading.Lock()


def runs(quick: int, full: int) -> int:
    """``full`` in the long suite, ``quick`` otherwise."""
    return full if FULL else quick


def note(case: str, **figures: Any) -> None:
    """Add the figures of one case to the result file, if one is wanted."""
    out = os.environ.get("PACKHORSE_RELIABILITY_OUT")
    if not out:
        return
    path = Path(out)
    with _writing:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cases": {}}
        known |= {"full": FULL, "python": platform.python_version(), "system": platform.platform()}
        known["cases"][case] = figures
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
