"""The small part of JSONPath that redaction needs: ``$.a.b``, ``$['a b']``, ``$.list[*].x``, ``$[0]``, ``$..name``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(r"(\.\.|\.)(\*|[\w-]+)|(\.\.)?\[(?:'([^']*)'|\"([^\"]*)\"|(\d+)|(\*))\]")

Replace = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path.

    Attributes:
        text: As written.
        steps: ``(deep, key)`` from the root; a key is a name, an index, or None for any.
    """

    text: str
    steps: tuple[tuple[bool, str | int | None], ...]

    @classmethod
    def parse(cls, text: Any) -> JsonPath:
        """Read a path. Raises ValueError with what is wrong."""
        if not isinstance(text, str) or not text.startswith("$") or len(text) < 2:
            raise ValueError("a path starts with $ and has at least one step, for example $.user.email")
        steps: list[tuple[bool, str | int | None]] = []
        at = 1
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None:
                raise ValueError(
                    f"cannot be read from character {at + 1} on; write .name, ..name, ['name'], [0] or [*]"
                )
            dots, name, deep, single, double, index, _ = match.groups()
            quoted = single if single is not None else double
            key: str | int | None = None if name == "*" else name
            if dots is None:
                key = int(index) if index is not None else quoted
            steps.append((dots == ".." or deep is not None, key))
            at = match.end()
        return cls(text, tuple(steps))

    def apply(self, document: Any, replace: Replace) -> Any:
        """``document`` with what the path points at replaced; untouched parts are shared, nothing is mutated."""
        return _apply(document, self.steps, replace)


def _apply(value: Any, steps: tuple[tuple[bool, str | int | None], ...], replace: Replace) -> Any:
    if not steps:
        return replace(value)
    deep, wanted = steps[0]
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    else:
        return value
    changed: dict[Any, Any] = {}
    for key, child in items:
        new = _apply(child, steps, replace) if deep else child
        if wanted is None or key == wanted:
            new = _apply(new, steps[1:], replace)
        if new is not child:
            changed[key] = new
    if not changed:
        return value
    if isinstance(value, dict):
        return {**value, **changed}
    return [changed.get(index, child) for index, child in enumerate(value)]
