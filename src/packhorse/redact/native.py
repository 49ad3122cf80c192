"""The compiled part of redaction, where there is one: ``_native.c``.

It is built with the package where a C compiler is. Without it, or with ``PACKHORSE_NO_NATIVE`` set, the Python code
beside it finds the same and takes longer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from packhorse.redact.names import Place
from packhorse.redact.patterns import Kind, Pattern

#: The calls that are written here, as ``_native.c`` counts them. An editable install may have an older build of it.
_CALLS = 2


def _built() -> Any:
    if os.environ.get("PACKHORSE_NO_NATIVE"):
        return None
    with suppress(ImportError):
        module = import_module("packhorse.redact._native")
        return module if getattr(module, "CALLS", None) == _CALLS else None
    return None


#: The module, or None.
native: Any = _built()

#: Whose names the compiled deciders ask for, in their order.
NATIVE_PLACES: tuple[Place, ...] = ("anywhere", "param", "query", "form", "cookie")
RARE_KINDS = (Kind.CARD, Kind.ESCAPED, Kind.USERINFO)


def rare_numbers(patterns: Sequence[Pattern]) -> tuple[int, ...]:
    """The numbers under which the compiled code tells what is rare."""
    first = {pattern.kind: number for number, pattern in reversed(list(enumerate(patterns)))}
    return tuple(first.get(kind, -1) for kind in RARE_KINDS)


class Rare:
    """Finds what is rare in a text and dear to look for with an automaton."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._numbers = rare_numbers(patterns)

    def hits(self, data: bytes, start: int, stop: int) -> list[int]:
        """As one piece of ``Scan.hits``, in no order. Only what the deciders do not turn down at once."""
        found: list[int] = native.scan(None, data, start, start, stop, stop, *self._numbers)[0]
        return found


def rare_of(patterns: Sequence[Pattern]) -> tuple[Rare | None, list[tuple[int, Pattern]]]:
    """Who finds the rare ones of these patterns, and the others with their numbers."""
    if native is None:
        return None, list(enumerate(patterns))
    return Rare(patterns), [(n, one) for n, one in enumerate(patterns) if one.kind not in RARE_KINDS]
