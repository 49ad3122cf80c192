"""What redaction says of an element that it cannot check: why and where, and nothing of what it holds."""

from __future__ import annotations

from typing import Any

from packhorse.errors import RedactionError
from packhorse.position import Path, find, find_loop, raising, show, within

_CHECKED = (str, bytes, bytearray, memoryview, bool, int, float, dict, list, tuple, type(None))


def refusal(error: Exception, element: Any) -> RedactionError:
    """What ``error``, raised while ``element`` was checked, means to its owner."""
    path: Path | None = None
    if isinstance(error, RecursionError):
        reason, loop = "an element is nested too deep to be checked for secrets", find_loop(element)
        if loop is not None:
            path, depth = loop
            reason = "an element contains itself" if depth is None else f"{reason} ({depth} levels)"
    elif isinstance(error, RedactionError):
        if error.position is not None:
            return error
        reason, path = error.reason, find(element, _unchecked)
    else:
        # Its message may hold content, so only its type is told.
        reason, path = f"checking an element for secrets failed ({type(error).__name__})", find(element, raising)
    return RedactionError(reason, position=None if path is None else show(path))


def inside(error: RedactionError, *path: str | int) -> RedactionError:
    """The same error, said of a whole in which the element is at ``path``."""
    return RedactionError(error.reason, position=within(path, error.position))


def _unchecked(value: Any) -> bool:
    return not isinstance(value, _CHECKED)
