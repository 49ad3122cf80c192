"""Captures: reading and writing them, their shape, synthetic ones, redaction.

The public names, loaded on first use so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packhorse.captures.read import (
        OpenedCapture as OpenedCapture,
    )
    from packhorse.captures.read import (
        iter_entries as iter_entries,
    )
    from packhorse.captures.read import (
        load as load,
    )
    from packhorse.captures.read import (
        load_stream as load_stream,
    )
    from packhorse.captures.read import (
        open_capture as open_capture,
    )
    from packhorse.captures.readers.limits import ReadLimits as ReadLimits
    from packhorse.captures.write import write_har as write_har

_HOMES = {
    "OpenedCapture": "packhorse.captures.read",
    "ReadLimits": "packhorse.captures.readers.limits",
    "iter_entries": "packhorse.captures.read",
    "load": "packhorse.captures.read",
    "load_stream": "packhorse.captures.read",
    "open_capture": "packhorse.captures.read",
    "write_har": "packhorse.captures.write",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  # names are checked by tests/captures/test_read.py


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'packhorse.captures' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
